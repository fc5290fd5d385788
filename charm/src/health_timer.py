"""A systemd timer that tells Juju when the daemon's health has changed.

Every minute `look_at_health.py` asks snapd, which costs about a tenth of a second of processor
time; a hook is run only after a change. Without it news wait for update-status, up to five
minutes.
"""

import pathlib
import subprocess

import process
import snap_errors

UNITS = pathlib.Path("/etc/systemd/system")
SCRIPT = pathlib.Path(__file__).with_name("look_at_health.py")


@snap_errors.translated()
def ensure(unit: str) -> None:
    """Have the timer of a unit.

    Args:
        unit: such as "sungather/0".

    Raises:
        TryLater: systemd was not done in time, or failed.
    """
    name = _name(unit)
    seen = f"/run/{name}"
    command = f"/usr/bin/python3 -B {SCRIPT} {unit} {seen}"
    service = (
        f"[Unit]\nDescription=Whether the health of SunGather has changed ({unit})\n"
        f"[Service]\nType=oneshot\nExecStart={command}\n"
    )
    timer = (
        f"[Unit]\nDescription=Looks at the health of SunGather every minute ({unit})\n"
        "[Timer]\nOnActiveSec=1min\nOnUnitActiveSec=1min\nAccuracySec=10s\n"
        "[Install]\nWantedBy=timers.target\n"
    )
    wanted = {UNITS / f"{name}.service": service, UNITS / f"{name}.timer": timer}
    if all(file.exists() and file.read_text() == text for file, text in wanted.items()):
        return
    for file, text in wanted.items():
        file.write_text(text)
    try:
        _systemctl("daemon-reload")
        _systemctl("enable", "--now", f"{name}.timer")
    except (subprocess.TimeoutExpired, snap_errors.TryLater):
        # So that the next event tries again.
        (UNITS / f"{name}.timer").unlink()
        raise


@snap_errors.translated()
def ensure_removed(unit: str) -> None:
    """Have no timer of the unit.

    Raises:
        TryLater: systemd was not done in time.
    """
    name = _name(unit)
    files = [UNITS / f"{name}.timer", UNITS / f"{name}.service"]
    if any(file.exists() for file in files):
        process.run("systemctl", "disable", "--now", f"{name}.timer")
        for file in files:
            file.unlink(missing_ok=True)
        process.run("systemctl", "daemon-reload")


def _systemctl(*words: str) -> None:
    """Have systemd do it.

    Raises:
        TryLater: it failed.
    """
    done = process.run("systemctl", *words)
    if done.returncode:
        raise snap_errors.TryLater(f"systemctl {' '.join(words)}: {done.stderr.strip()}")


def _name(unit: str) -> str:
    return f"sungather-health-{unit.replace('/', '-')}"
