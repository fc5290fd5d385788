"""Messages of multicast DNS (RFC 6762), as far as finding and announcing services needs them.

A name is the tuple of its labels, for an instance may have dots; it is compared in small letters.
Pure.
"""

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

GROUP, PORT = "224.0.0.251", 5353
A, PTR, TXT, SRV, ANY = 1, 12, 16, 33, 255
_IN = 1
_TOP = 0x8000
"""Of a question: a unicast answer will do. Of a record: it is the only one of its name."""
_ANSWER = 0x8400
_LONGEST = 9000
_HEADER = struct.Struct(">6H")
_FIXED = struct.Struct(">HHIH")

Name = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for."""

    name: Name
    type: int
    unicast: bool = False


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """One record; what it holds is in the field of its type."""

    name: Name
    type: int
    target: Name = ()
    """Of PTR and SRV."""
    port: int = 0
    """Of SRV."""
    texts: tuple[str, ...] = ()
    """Of TXT."""
    address: str = ""
    """Of A."""


@dataclass(frozen=True, slots=True)
class Message:
    """A question or an answer."""

    questions: tuple[Question, ...] = ()
    records: tuple[DnsRecord, ...] = ()
    is_answer: bool = False
    number: int = 0


def name_of(text: str) -> Name:
    """The labels of a name without dots in them."""
    return tuple(text.split("."))


def lower(name: Name) -> Name:
    """The name as it is compared."""
    return tuple(label.lower() for label in name)


def written(message: Message, ttl: int = 120) -> bytes:
    """The message's bytes; a `ttl` of 0 takes records back."""
    flags = _ANSWER if message.is_answer else 0
    counts = (len(message.questions), len(message.records))
    out = _HEADER.pack(message.number, flags, *counts, 0, 0)
    for one in message.questions:
        out += _name(one.name) + struct.pack(">HH", one.type, _IN | one.unicast * _TOP)
    for record in message.records:
        data = _data(record)
        kind = _IN if record.type == PTR else _IN | _TOP
        out += _name(record.name) + _FIXED.pack(record.type, kind, ttl, len(data)) + data
    return out


def parsed(data: bytes) -> Message:
    """The message in a packet; records of other types are left out.

    Raises:
        ValueError: It is none.
    """
    try:
        return _parsed(data[:_LONGEST])
    except (struct.error, IndexError):
        raise ValueError("no message of DNS") from None


def _parsed(data: bytes) -> Message:
    number, flags, asked, *counts = _HEADER.unpack_from(data)
    at = _HEADER.size
    questions: list[Question] = []
    records: list[DnsRecord] = []
    for _ in range(asked):
        name, at = _read_name(data, at)
        kind, of = struct.unpack_from(">HH", data, at)
        at += 4
        questions.append(Question(name, kind, bool(of & _TOP)))
    for _ in range(sum(counts)):
        name, at = _read_name(data, at)
        kind, _, _, size = _FIXED.unpack_from(data, at)
        at += _FIXED.size
        if (record := _record(data, name, kind, at, size)) is not None:
            records.append(record)
        at += size
    return Message(tuple(questions), tuple(records), bool(flags & 0x8000), number)


def _record(data: bytes, name: Name, kind: int, at: int, size: int) -> DnsRecord | None:
    match kind:
        case _ if at + size > len(data):
            raise ValueError("a record is cut short")
        case 1 if size == 4:
            return DnsRecord(name, A, address=socket.inet_ntoa(data[at : at + 4]))
        case 12:
            return DnsRecord(name, PTR, target=_read_name(data, at)[0])
        case 33:
            port = struct.unpack_from(">H", data, at + 4)[0]
            return DnsRecord(name, SRV, target=_read_name(data, at + 6)[0], port=port)
        case 16:
            texts: list[str] = []
            end = at + size
            while at < end:
                length = data[at]
                texts.append(data[at + 1 : min(end, at + 1 + length)].decode("utf-8", "replace"))
                at += 1 + length
            return DnsRecord(name, TXT, texts=tuple(texts))
        case _:
            return None


def _data(record: DnsRecord) -> bytes:
    match record.type:
        case 1:
            return socket.inet_aton(record.address)
        case 33:
            return struct.pack(">HHH", 0, 0, record.port) + _name(record.target)
        case 16:
            return b"".join(_label(text) for text in record.texts) or b"\0"
        case _:
            return _name(record.target)


def _name(name: Sequence[str]) -> bytes:
    return b"".join(_label(label, 63) for label in name) + b"\0"


def _label(text: str, longest: int = 255) -> bytes:
    raw = text.encode()[:longest]
    return bytes([len(raw)]) + raw


def _read_name(data: bytes, at: int) -> tuple[Name, int]:
    """The name at a place, and where it ends; pointers lead backwards only, so that they end."""
    labels: list[str] = []
    end = 0
    lowest = at
    while size := data[at]:
        if size >= 0xC0:
            end = end or at + 2
            at = (size & 0x3F) << 8 | data[at + 1]
            if at >= lowest:
                raise ValueError("a name leads nowhere")
            lowest = at
            continue
        labels.append(data[at + 1 : at + 1 + size].decode("utf-8", "replace"))
        at += 1 + size
    return tuple(labels), end or at + 1
