"""What snapd says of the installed snap beyond its version: whether the daemon runs, its health.

charmlibs-snap tells neither; this is one more GET on the same socket.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import snapd_socket
from snap_errors import TryLater


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
    try:
        info = snapd_socket.get(f"/v2/snaps/{snap}")
    except snapd_socket.Silent as error:
        raise TryLater(str(error)) from None
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
