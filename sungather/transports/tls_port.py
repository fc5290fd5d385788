"""Port 516, on which newer firmware speaks Modbus inside TLS: experimental.

No document describes it. What is known comes from wall boxes: the frames inside are those of
Modbus/TCP, and no certificate of ours is asked for. What is met goes into the memory of the
device, for `test-connection`: no serial number, and of the certificate its size alone.
"""

import asyncio
import contextlib
import ssl
from collections.abc import MutableMapping

from sungather import errors
from sungather.transports.certificate_pin import Trust

TLS_PORT = 516
MET = "met"
"""Under this name the memory has what was met at the port."""
_KNOCK = 1.0


class TlsPort:
    """Whom to believe at the port, and what was met there."""

    def __init__(self, trust: Trust, memory: MutableMapping[str, str]) -> None:
        self._trust = trust
        self._memory = memory
        self._met = ""

    def context(self) -> ssl.SSLContext:
        """TLS as the device needs it.

        Raises:
            CertificateUntrusted: `inverter.tls.ca` holds no certificate.
        """
        return self._trust.context()

    def check(self, connection: ssl.SSLObject, host: str) -> None:
        """Note what was met, and make sure that it is our device before anything is sent.

        Raises:
            CertificateChanged, CertificateUntrusted: It is not.
        """
        cipher = connection.cipher() or ("unknown cipher",)
        size = len(connection.getpeercert(binary_form=True) or b"")
        self._met = f"{connection.version()}, {cipher[0]}, certificate of {size} bytes"
        self._note("nothing was answered")
        self._trust.check(connection, host)

    def answered(self, what: str, host: str) -> None:
        """Somebody who speaks Modbus is there: its certificate is trusted from now on."""
        self._note(what)
        self._trust.accept(host)

    def refused(self, error: Exception, host: str) -> errors.InverterError:
        """What to raise for TLS that came to nothing, or broke off before any answer.

        Without a certificate that it asks for, a device may just close.
        """
        told = error.reason if isinstance(error, ssl.SSLError) else ""
        reason = (told or "closed without an answer").replace("_", " ").lower()
        self._memory[MET] = f"no TLS: {reason}" if not self._met else f"{self._met}; {reason}"
        if isinstance(error, ssl.SSLCertVerificationError):
            return self._trust.untrusted(host)
        return errors.TlsRefused(
            f"{host} is open for encrypted Modbus, but TLS came to nothing ({reason}). If that "
            "asks for a certificate, nobody outside of Sungrow has one: switch plain Modbus (port "
            "502) on in the device, with SSL off. Please report it with what test-connection says."
        )

    def _note(self, what: str) -> None:
        self._memory[MET] = f"{self._met}; {what}"


async def is_open(host: str, port: int = TLS_PORT, patience: float = _KNOCK) -> bool:
    """Whether the port is open; nothing is sent."""
    try:
        async with asyncio.timeout(patience):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


ONLY_ENCRYPTED = (
    "Port 516 is open: the inverter only offers encrypted Modbus. Switch port 502 on in its web "
    "page (Communication → Modbus), with SSL off; after a firmware update switch it off and on "
    "again. Or try connection modbus-tls, which is experimental."
)
"""What to do where 502 is closed and 516 is open."""
