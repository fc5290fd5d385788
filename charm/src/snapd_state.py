"""What snapd says of the installed snap beyond its version: whether the daemon runs, its health.

charmlibs-snap tells neither; this is one more GET on the same socket.
"""

import http.client
import json
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from snap_errors import TryLater

SOCKET = "/run/snapd.socket"
_TIMEOUT = 30.0


@dataclass(frozen=True)
class State:
    """The daemon as snapd sees it."""

    active: bool
    """The service runs."""
    enabled: bool
    """It is started with the machine, and again after a crash."""
    health: str
    """"okay", "waiting", "blocked", "error"; "unknown" before the daemon said anything."""
    message: str
    code: str
    since: datetime | None


def look(snap: str, service: str) -> State:
    """The state of one snap's service.

    Raises:
        TryLater: snapd is restarting, or does not know the snap.
    """
    info = _get(f"/v2/snaps/{snap}")
    health: dict[str, str] = info.get("health") or {}
    stamp = health.get("timestamp")
    apps: list[dict[str, Any]] = info.get("apps", [])
    app = next((one for one in apps if one["name"] == service), dict[str, Any]())
    return State(
        active=bool(app.get("active")),
        enabled=bool(app.get("enabled")),
        health=health.get("status", "unknown"),
        message=health.get("message", ""),
        code=health.get("code", ""),
        since=datetime.fromisoformat(stamp).astimezone(UTC) if stamp else None,
    )


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT)
        self.sock.connect(SOCKET)


def _get(path: str) -> dict[str, Any]:
    connection = _Connection("localhost")
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        content = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise TryLater(f"snapd does not answer: {error}") from None
    finally:
        connection.close()
    if answer.status != 200:
        raise TryLater(f"snapd: {content.get('result', {}).get('message', answer.status)}")
    return content["result"]
