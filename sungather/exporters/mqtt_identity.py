"""Who we are to an MQTT broker: a client id that no other daemon has, not even one made by a copy.

It is made once, and noted in the outbox. What is noted belongs to one storage directory on one
machine; a copied card, a restored backup or a copied directory gets an id of its own.
"""

import fcntl
import hashlib
import secrets
import socket
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

_NOTE = "client"
_SIOCGIFHWADDR = 0x8927
"""linux/sockios.h"""
_OF_A_SINGLE_MACHINE = ("/etc/machine-id", "/proc/device-tree/serial-number")
_LOCALLY_MADE = 0x02
"""Bit of a hardware address that software made up; that of a container changes at each start."""


def fingerprint(directory: Path) -> str:
    """The machine and the storage directory on it, as 12 hexadecimal digits.

    The machine is known by its id, by the serial number of its board and by the addresses of its
    network cards, since a copied card has the same id; where it has none of them, by its name.
    """
    parts = [*_texts(), *sorted(_hardware_addresses())] or [socket.gethostname()]
    return hashlib.sha256("\n".join([str(directory), *parts]).encode()).hexdigest()[:12]


def _texts() -> Iterator[str]:
    for name in _OF_A_SINGLE_MACHINE:
        try:
            yield Path(name).read_text("utf-8", "replace").strip("\0\n ")
        except OSError:
            continue


def _hardware_addresses() -> Iterator[str]:
    try:
        names = [name for _, name in socket.if_nameindex()]
        any_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    except OSError:  # a sandbox that shows none
        return
    with any_socket:
        for name in names:
            try:
                request = struct.pack("256s", name.encode()[:15])
                answer = fcntl.ioctl(any_socket.fileno(), _SIOCGIFHWADDR, request)
            except OSError:
                continue
            address = answer[18:24]
            if any(address) and not address[0] & _LOCALLY_MADE:
                yield address.hex()


def known_client_id(notes: Mapping[str, str], here: str) -> str:
    """The client id noted by an earlier run with the fingerprint `here`; "" if there is none."""
    place, _, client_id = notes.get(_NOTE, "").partition(" ")
    return client_id if place == here else ""


def new_client_id(notes: Mapping[str, str], here: str) -> tuple[str, dict[str, str | None]]:
    """A client id, and what to note: the notes of another place mean nothing here."""
    client_id = f"sungather-{secrets.token_hex(6)}"
    return client_id, {**dict.fromkeys(notes), _NOTE: f"{here} {client_id}"}
