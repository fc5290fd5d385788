"""How a secret gets to snapd: over the socket that the program `snapctl` uses itself.

The arguments of a program can be seen by every user of the machine.
"""

import http.client
import json
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from sungather.snap.snapctl import SnapctlFailed

SOCKET = Path("/run/snapd-snap.socket")


def set_texts(texts: Mapping[str, str]) -> None:
    """Have snapd store these texts without judging them, and on no command line.

    Raises:
        SnapctlFailed: snapd did not; without a word of the texts.
    """
    settings = [f"{key}={text}" for key, text in texts.items()]
    try:
        _post(["set", "-s", *settings])
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise SnapctlFailed(f"snapd did not store {', '.join(texts)} ({error}).") from None


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _post(arguments: Sequence[str]) -> None:
    """What the program `snapctl` sends."""
    request = {"context-id": os.environ.get("SNAP_COOKIE", ""), "args": arguments}
    connection = _Connection(SOCKET)
    try:
        body = json.dumps(request)
        connection.request("POST", "/v2/snapctl", body, {"Content-Type": "application/json"})
        answer = cast("dict[str, object]", json.loads(connection.getresponse().read()))
    finally:
        connection.close()
    if answer.get("type") != "sync":
        raise OSError(f"status {answer.get('status-code')}")
