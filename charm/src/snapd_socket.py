"""One GET on snapd's socket. Needs nothing but Python itself, so that a timer can run it."""

import http.client
import json
import socket
from typing import Any

SOCKET = "/run/snapd.socket"
_TIMEOUT = 30.0


class Silent(Exception):
    """snapd is restarting, or does not know what it is asked for."""


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT)
        self.sock.connect(SOCKET)


def get(path: str) -> dict[str, Any]:
    """The result of a GET.

    Raises:
        Silent: there is none.
    """
    connection = _Connection("localhost")
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        content = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Silent(f"snapd does not answer: {error}") from None
    finally:
        connection.close()
    if answer.status != 200:
        raise Silent(f"snapd: {content.get('result', {}).get('message', answer.status)}")
    return content["result"]
