"""Ports below 1024, which only root may open: opened at the start, before root is given up.

They stay open while the options change, as long as these want them: once closed, nobody here
could open them again.
"""

import errno
import os
import socket
from collections.abc import Collection

FIRST_FREE = 1024
"""The first port that everybody may open."""
_BACKLOG = 100
_open: dict[tuple[str, int], list[socket.socket]] = {}
_failed: dict[tuple[str, int], OSError] = {}
"""Why root could not open those that it tried."""


def open_early(address: str, ports: Collection[int]) -> None:
    """Open those of the ports that take root, on the address, or on all where it is "".

    What cannot be opened is left to the server, which says why.
    """
    for port in ports:
        if port < FIRST_FREE:
            try:
                _open[address, port] = _listeners(address, port)
            except OSError as error:
                _failed[address, port] = error


def lacks(address: str, ports: Collection[int]) -> bool:
    """Whether one of the ports takes root, and root has not tried it yet."""
    tried = _open.keys() | _failed.keys()
    return any(port < FIRST_FREE and (address, port) not in tried for port in ports)


def failure(address: str, port: int) -> OSError | None:
    """Why root could not open this port; None if it did, or never tried."""
    return _failed.get((address, port))


def opened(address: str, port: int) -> list[socket.socket]:
    """What was opened of this port, for one use: to be closed after it; none if nothing was."""
    return [one.dup() for one in _open.get((address, port), ())]


def close_others(address: str, ports: Collection[int]) -> None:
    """Close what is open and no longer wanted, so that nobody waits there in vain.

    What could not be opened may be tried again when it is wanted anew.
    """
    wanted = {(address, port) for port in ports}
    for where in _open.keys() - wanted:
        for listener in _open.pop(where):
            listener.close()
    for where in _failed.keys() - wanted:
        del _failed[where]


def _listeners(address: str, port: int) -> list[socket.socket]:
    found = socket.getaddrinfo(
        address or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    listeners: list[socket.socket] = []
    for family, _, _, _, where in dict.fromkeys(found):
        try:
            listeners.append(socket.create_server(where[:2], family=family, backlog=_BACKLOG))
        except OSError as error:
            # A kernel may have no IPv6, and still give "::" as an address of this machine.
            if error.errno == errno.EAFNOSUPPORT:
                continue
            for listener in listeners:
                listener.close()
            # Python's own words have the address, which the server tells in its own way.
            raise OSError(error.errno, os.strerror(error.errno or 0)) from None
    return listeners
