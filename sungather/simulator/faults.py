"""Everything that a device or its network does wrong, by switch, also while it runs.

Addresses are documented numbers, per space: `{"input": range(5741, 5747)}`.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from sungather.simulator.modbus import ExceptionCode, ModbusRequest

Addresses = Mapping[str, Container[int]]

ABSURD_CLOCK: Final[Mapping[str, Mapping[int, int]]] = {"holding": {5001: 255}}
"""For `Faults.words`: a clock that shows month 255."""
METER_LOST: Final[Mapping[str, Mapping[int, int]]] = {
    "input": {
        address + n: word
        for address in (5083, 5085, 5087, 5089, 5601, 5603, 5605, 5607)
        for n, word in enumerate((0xFFFF, 0x7FFF))
    }
}
"""For `Faults.words`: the link to the meter is broken, 0x7FFFFFFF."""
HTTP_SERVER: Final = b"HTTP/1.1 400 Bad Request\r\nServer: lighttpd\r\nConnection: close\r\n\r\n"
"""For `Faults.banner`."""


@dataclass(slots=True)
class Faults:
    """All off at first. Set attributes at any time; they hold from the next request on."""

    # Refusals
    cannot_start: Addresses = field(default_factory=dict[str, Container[int]])
    """No block may start here; inside a longer block these read 0."""
    cannot_contain: Addresses = field(default_factory=dict[str, Container[int]])
    """No block may contain these."""
    refusal: ExceptionCode = ExceptionCode.ILLEGAL_ADDRESS
    """How `cannot-start`, `cannot-contain` and `widest` refuse."""
    widest: int = 125
    """Most registers a request may ask for."""
    busy: int = 0
    """Requests still to be refused with `busy_code`, counted down."""
    busy_code: ExceptionCode = ExceptionCode.DEVICE_BUSY
    """4, 5, 6, 10 or 11 on real devices."""

    # Values
    words: Mapping[str, Mapping[int, int]] = field(default_factory=dict[str, Mapping[int, int]])
    """Words that are shown instead of the device's, where it has any."""

    # Frames
    padded: Container[int] = (2613, 2629)
    """Input blocks starting here get a frame as long as for 15 registers, whatever is asked."""
    short: Literal["", "fewer-words", "cut-off"] = ""
    """A whole frame with a word too few, or one that ends before its announced length."""
    split: bool = False
    """Every byte travels alone."""
    foreign: Literal["", "before", "zero"] = ""
    """A reply meant for another client comes before ours; or ours has transaction id 0."""
    late: float = 0.0
    """Seconds that each reply is held back while later requests are already served."""
    late_by_one: bool = False
    """Each reply waits for the next request, and goes out before that one's."""

    # Connections
    silent: bool = False
    silent_on: Addresses = field(default_factory=dict[str, Container[int]])
    """Blocks that hold one of these get no answer."""
    close_on: Addresses = field(default_factory=dict[str, Container[int]])
    """Blocks that hold one of these get no answer, and the connection is closed."""
    close_after: float = 0.0
    """Seconds until `close_on` closes; 10 on some SH10RT for 13250, 13265 and 13280."""
    close_every: int = 0
    """Every so many requests the connection is closed instead of an answer; 0 for never."""
    sessions: int = 0
    """Connections that are served at one time; 0 for no limit."""
    excess: Literal["silent", "reset"] = "silent"
    """What a connection too many gets."""
    recovery: float = 0.0
    """Seconds without any traffic until sessions that were closed can be used again."""
    banner: bytes = b""
    """What is answered to anything at all, before closing: a server that is not Modbus."""

    # Whole device
    night: Literal["", "dark", "stale"] = ""
    """No answer at all, or 0 V, 0 Hz and stale counters."""
    after_sunset: bool = False
    """`night` holds only while the device's site has no sun."""
    unknown_unit: Literal["refuse", "silent"] = "refuse"
    """A unit id that nobody has: exception 11, or nothing."""
    units: Container[int] | None = None
    """Unit ids that the faults of requests and replies are for; None for all."""

    def concern(self, request: ModbusRequest) -> bool:
        """Whether the faults are for the request's unit."""
        return self.units is None or request.unit in self.units

    def refuse(self, request: ModbusRequest) -> ExceptionCode | None:
        """The exception that a request meets before the device sees it."""
        if self.busy > 0:
            self.busy -= 1
            return self.busy_code
        if (
            request.count > self.widest
            or request.start in self.cannot_start.get(request.space, ())
            or touches(self.cannot_contain, request)
        ):
            return self.refusal
        return None

    def change(self, request: ModbusRequest, words: list[int]) -> list[int]:
        """The words of a block as the client shall see them."""
        shown = self.words.get(request.space, {})
        zeros = self.cannot_start.get(request.space, ())
        return [
            0 if address in zeros else shown.get(address, word)
            for address, word in enumerate(words, request.start)
        ]


def touches(addresses: Addresses, request: ModbusRequest) -> bool:
    """Whether the request's block holds one of the addresses."""
    wanted = addresses.get(request.space, ())
    return any(n in wanted for n in range(request.start, request.start + request.count))
