"""Run by a systemd timer: has the daemon's health changed? Then the charm is to look.

    python3 look_at_health.py UNIT FILE

Juju has no event for it, so update-status is dispatched, as Juju does every five minutes. FILE
keeps what was seen last.
"""

import json
import pathlib
import subprocess
import sys

import snapd_socket

CHARM = pathlib.Path(__file__).parents[1]


def look(unit: str, file: pathlib.Path) -> None:
    """Look once."""
    try:
        info = snapd_socket.get("/v2/snaps/sungather")
    except snapd_socket.Silent:
        return
    running = [bool(app.get("active")) for app in info.get("apps", [])]
    now = json.dumps([info.get("health"), running])
    if file.exists() and file.read_text() == now:
        return
    dispatch = f"JUJU_DISPATCH_PATH=hooks/update-status {CHARM}/dispatch"
    # Should this fail, the next round tries again, for nothing is noted.
    subprocess.run(["/usr/bin/juju-exec", "-u", unit, dispatch], check=True)  # noqa: S603
    file.write_text(now)


if __name__ == "__main__":  # pragma: no cover
    look(sys.argv[1], pathlib.Path(sys.argv[2]))
