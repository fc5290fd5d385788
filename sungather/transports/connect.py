"""Opening a TCP connection to a device, and saying in one sentence why it did not work."""

import asyncio
import errno
import socket
from ssl import SSLContext, SSLError

from sungather import errors

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def address(host: str, port: int) -> str:
    """Host and port as messages name them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def open_streams(
    host: str, port: int, deadline: float, closed: str, tls: SSLContext | None = None
) -> Streams:
    """Connect before `deadline` (of the loop's clock).

    `closed` says what to do about a closed port.

    Raises:
        Unreachable: Why there is no connection, as one of its kinds.
        ssl.SSLError: There is a connection, but not the TLS that was asked for.
    """
    where = address(host, port)
    try:
        async with asyncio.timeout_at(deadline):
            return await asyncio.open_connection(host, port, ssl=tls)
    except TimeoutError:
        raise _no_route(where, "did not answer") from None
    except socket.gaierror:
        raise errors.NameNotFound(
            f"The name {host} is not known on this network. Check the spelling of "
            f"inverter.host, or use the inverter's IP address."
        ) from None
    except ConnectionRefusedError:
        raise errors.PortClosed(f"{host} is there, but port {port} is closed. {closed}") from None
    except SSLError:
        raise
    except OSError as error:
        if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN):
            raise _no_route(where, "cannot be reached") from None
        raise errors.ConnectionLost(
            f"Connecting to {where} failed: {error.strerror or error}."
        ) from error


def _no_route(where: str, what: str) -> errors.NoRoute:
    return errors.NoRoute(
        f"{where} {what}. Check inverter.host: the inverter may have got another address from "
        f"the router, be switched off, or be on another network."
    )
