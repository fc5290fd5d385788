"""Everything that can go wrong, named after what a person can do about it.

`kind` is the stable, dashed name that JSON answers, metrics and the snap's health carry; the
message is one sentence with what happened, where, and what to do next. `exit_code` is what a
command ends with (README, "Exit codes").
"""

from collections.abc import Mapping
from typing import ClassVar


class SungatherError(Exception):
    """Base of every error that is reported in one sentence and without a traceback."""

    kind: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1


class OptionsError(SungatherError):
    """The options cannot be used. `problems` holds all of them, one sentence each."""

    kind = "wrong-options"
    exit_code = 2

    def __init__(self, problems: list[str], missing: frozenset[str] = frozenset()) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
        self.missing = missing
        """Keys of options that are needed and not given."""


class DaemonError(SungatherError):
    """There is no running daemon to answer, or it does not."""

    kind = "daemon"
    exit_code = 3


class Unavailable(Exception):
    """The other side of an exporter takes nothing now; nothing is lost.

    `str()` is one sentence.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds that the other side asked to be left alone."""


class Blocked(Unavailable):
    """The other side will not take anything until a person has changed something."""


class InverterError(SungatherError):
    """An inverter gave no reading, or not all of it."""


class Unreachable(InverterError):
    """Nothing at the address talks to us."""

    kind = "unreachable"
    exit_code = 3


class NameNotFound(Unreachable):
    """The host name does not resolve."""

    kind = "name-not-found"


class NoRoute(Unreachable):
    """No device at this address: wrong address, switched off, or another network."""

    kind = "no-route"


class PortClosed(Unreachable):
    """The device is there, but nobody listens on the port."""

    kind = "port-closed"


class Silent(Unreachable):
    """The port is open, but no answer to a Modbus request came in time."""

    kind = "silent"


class ConnectionLost(Unreachable):
    """The connection was closed while an answer was awaited."""

    kind = "connection-lost"


class Asleep(Unreachable):
    """An inverter without a battery sleeps until the sun is back."""

    kind = "asleep"


class MeterWrong(InverterError):
    """The smart meter says what cannot be; everything else of the reading holds."""

    kind = "meter-wrong"
    exit_code = 0


class ProbablyAsleep(Unreachable):
    """Nothing has answered since the start, and it is night: it may be an inverter that sleeps."""

    kind = "probably-asleep"


class Unusable(InverterError):
    """Something answers, but not as an inverter that we may read."""

    exit_code = 4
    kind = "unusable"


class Busy(Unusable):
    """Another client holds the few sessions that the device has."""

    kind = "busy"


class NotItself(Busy):
    """A device refuses what it gave before, as it may while it starts or is updated."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The inverter refuses {what}, as it may while it starts or is updated. It is tried "
            "again."
        )


class UnitSilent(Busy):
    """A gateway got no answer from the unit: it is busy, or there is no such device."""


class NotModbus(Unusable):
    """The port is open, but what answers does not speak Modbus."""

    kind = "not-modbus"


class TlsRefused(Unusable):
    """The port for encrypted Modbus is open, but the TLS handshake fails."""

    kind = "tls-refused"


class NotSungrow(Unusable):
    """A Modbus device that is not a Sungrow inverter."""

    kind = "not-a-sungrow"


class RefusesAll(NotSungrow):
    """A Modbus device that does not even say who it is."""


class WrongUnit(Unusable):
    """The gateway knows no device under this unit id."""

    kind = "wrong-unit"


class LoginRefused(Unusable):
    """The web API refused the user name or the password."""

    kind = "login-refused"


class CertificateUntrusted(Unusable):
    """The device's certificate is not the one, nor from the authority, of `inverter.tls.ca`."""

    kind = "certificate-untrusted"


class CertificateChanged(Unusable):
    """The device shows another certificate than the one trusted before."""

    kind = "certificate-changed"


class Refused(Unusable):
    """The device refused one request for good (Modbus exception 1, 2, 3 or 8). Learn, don't retry.

    `reason` is a short text such as "illegal data address".
    """

    kind = "refused"
    REASONS: ClassVar[Mapping[int, str]] = {
        1: "illegal function",
        2: "illegal data address",
        3: "illegal data value",
        8: "memory parity error",
    }
    """Modbus exception -> reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The inverter refused the request: {reason}.")
        self.reason = reason

    @property
    def exception_code(self) -> int:
        """The Modbus exception that says the same; a dongle's own reasons are about addresses."""
        return next((code for code, text in self.REASONS.items() if text == self.reason), 2)


def exit_code_of(kind: str) -> int:
    """The exit code of an inverter's error of this kind; 0 where it gave what it can give."""
    if kind in (Asleep.kind, MeterWrong.kind):
        return 0
    return Unreachable.exit_code if kind in _kinds(Unreachable) else Unusable.exit_code


def _kinds(base: type[InverterError]) -> set[str]:
    return {base.kind, *(kind for one in base.__subclasses__() for kind in _kinds(one))}
