"""What the machine says where nobody else does: its time zone, and where files belong."""

import zoneinfo
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_ZONES = "zoneinfo/"
_UTC = frozenset(
    f"{area}{name}"
    for area in ("", "Etc/")
    for name in ("UTC", "UCT", "GMT", "Universal", "Zulu", "Greenwich", "GMT0", "GMT+0", "GMT-0")
)


def machine_timezone(environment: Mapping[str, str], etc: Path = Path("/etc")) -> str:
    """IANA name of the machine's time zone: $TZ, /etc/localtime, /etc/timezone, else "UTC"."""
    for name in (environment.get("TZ", "").removeprefix(":"), _linked(etc), _written(etc)):
        if name and _is_zone(name):
            return name
    return "UTC"


def is_utc(name: str) -> bool:
    """Whether a zone is UTC by one of its names: what a machine says that nobody set up."""
    return name in _UTC


def state_directory(environment: Mapping[str, str]) -> Path:
    """Where state is kept: by systemd, by snapd, or by the user's own directories (XDG)."""
    # systemd separates several directories with colons; the first is the main one.
    candidates = [environment.get("STATE_DIRECTORY", "").partition(":")[0]]
    # In the snap the directory itself stays root's, so there is one in it for the daemon.
    candidates.append(f"{common}/state" if (common := environment.get("SNAP_COMMON", "")) else "")
    for directory in candidates:
        if directory.startswith("/"):
            return Path(directory)
    home = environment.get("XDG_STATE_HOME", "")
    if home.startswith("/"):  # the XDG specification has relative paths ignored
        return Path(home) / "sungather"
    return Path(environment.get("HOME") or "/") / ".local" / "state" / "sungather"


def options_file(
    environment: Mapping[str, str], here: Path, etc: Path = Path("/etc")
) -> Path | None:
    """The options file that is there though nobody named one: of here, the user, or the machine.

    What cannot be looked at is not there.
    """
    home = environment.get("XDG_CONFIG_HOME", "")
    if not home.startswith("/"):  # the XDG specification has relative paths ignored
        home = f"{environment.get('HOME') or '/'}/.config"
    for directory in (here, Path(home) / "sungather", etc / "sungather"):
        file = directory / "sungather.yaml"
        with suppress(OSError):
            if file.is_file():
                return file
    return None


def _linked(etc: Path) -> str:
    try:
        target = (etc / "localtime").readlink().as_posix()
    except OSError:
        return ""
    return target.partition(_ZONES)[2]


def _written(etc: Path) -> str:
    try:
        return (etc / "timezone").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _is_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
