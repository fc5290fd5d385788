"""Ports of the two generations of the web API, and the form of words in it. Pure."""

from dataclasses import dataclass

ENDPOINT = "way"
"""Key of the endpoint that worked last in the memory."""
PIN = "certificate"
"""Key of the trusted certificate's SHA-256 in the memory."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Ports of one generation."""

    tls: bool
    socket_port: int
    http_port: int

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}:{self.socket_port}"


NEW = Endpoint(tls=True, socket_port=443, http_port=443)
OLD = Endpoint(tls=False, socket_port=8082, http_port=80)


def endpoints(port: int | None, remembered: str, tls_only: bool) -> tuple[Endpoint, ...]:
    """What to try, in this order: the endpoint that worked last, then the newer generation first.

    A port of its own (a forwarded one, say) serves both connections, with TLS or without.
    `tls_only` leaves out what an impostor could lure us to once a certificate is trusted.
    """
    if port is None:
        known = (NEW, OLD)
    elif port in (NEW.socket_port, OLD.socket_port):
        known = (NEW if port == NEW.socket_port else OLD,)
    else:
        known = (Endpoint(True, port, port), Endpoint(False, port, port))
    allowed = [endpoint for endpoint in known if endpoint.tls or not tls_only]
    return tuple(sorted(allowed, key=lambda endpoint: str(endpoint) != remembered))


def words_of(text: object, count: int) -> list[int]:
    """Words in `param_value`: hex bytes with blanks between.

    Raises:
        EOFError: they are not, or not so many.
    """
    try:
        data = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        raise EOFError("the registers are not in hex") from None
    if len(data) != 2 * count:
        raise EOFError(f"answered {len(data) // 2} of {count} registers")
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]
