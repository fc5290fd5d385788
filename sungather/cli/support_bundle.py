"""`support-bundle`: one text file to attach to a bug report, with secrets and serials masked.

Plain text, so that whoever sends it can read what it says.
"""

import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import cast

from sungather import __version__, control, errors
from sungather.cli.reports import configuration_report
from sungather.daemon import log_files
from sungather.options.configuration import Configuration
from sungather.options.keys import option
from sungather.privileges import SUPPORT, in_snap, logs_directory

_LONGEST_LOG = 512 * 1024
"""Bytes of the newest log lines."""
_SHORTEST_SECRET = 4
"""Shorter ones would turn up in everything; the options' list masks them all the same."""
_SERIAL_SHOWN = 3
_PACKAGES = ("aiomqtt", "h11", "pycryptodomex", "pymodbus", "pyyaml", "wsproto")
_QUESTIONS = ("readings", "get-inverter-info")


async def bundle(configuration: Configuration, now: datetime) -> str:
    """The text of the bundle."""
    answers = {name: await _answer(configuration, name) for name in _QUESTIONS}
    parts = {
        "versions": _json(_versions()),
        "options in force": _json(configuration_report(configuration)),
        **{f"answer of the daemon: {name}": _json(one) for name, one in answers.items()},
        "files": "\n".join(_files(configuration.state_directory)),
        "log": _log(),
    }
    text = "\n".join(f"== {title}\n{content}\n" for title, content in parts.items())
    head = (
        f"SunGather support bundle of {now.isoformat(timespec='seconds')}\n"
        "Secrets are left out and serial numbers cut short. Addresses, names of hosts and the\n"
        "readings are in it: please read it before you hand it on.\n\n"
    )
    return head + _masked(text, _secrets(configuration), _serials(answers.values()))


def place(now: datetime) -> Path:
    """The file for a bundle: in the snap below $SNAP_COMMON, else in the present directory."""
    name = f"sungather-support-{now:%Y%m%d-%H%M%S}.txt"
    return Path(os.environ["SNAP_COMMON"], SUPPORT, name) if in_snap() else Path(name)


def write(text: str, file: Path) -> None:
    """Write the bundle, for its owner and group alone; the snap keeps no older ones.

    Raises:
        OSError: the file cannot be written.
    """
    if in_snap():
        file.parent.mkdir(exist_ok=True)
        for older in file.parent.iterdir():
            older.unlink()
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640), "w") as stream:
        stream.write(text)


async def _answer(configuration: Configuration, command: str) -> Mapping[str, object]:
    try:
        socket = configuration.state_directory / control.SOCKET
        answer = await control.ask_daemon(socket, command, [])
    except errors.DaemonError as error:
        return {"error": str(error)}
    return answer or {"error": "no daemon is running"}


def _versions() -> dict[str, object]:
    names = ("SNAP_VERSION", "SNAP_REVISION", "SNAP_ARCH")
    return {
        "sungather": __version__,
        "python": sys.version,
        "system": platform.platform(),
        **{name: os.environ[name] for name in names if in_snap() and name in os.environ},
        **{name: _version(name) for name in _PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _files(directory: Path) -> Iterator[str]:
    """Names, sizes, modes and owners of what is stored."""
    yield str(directory)
    for file in sorted(directory.rglob("*")):
        try:
            found = file.lstat()
        except FileNotFoundError:
            continue
        owner = f"{found.st_uid}:{found.st_gid}"
        yield f"{found.st_mode:o} {owner} {found.st_size:>10} {file.relative_to(directory)}"


def _log() -> str:
    directory = logs_directory()
    if directory is None:
        return "The log went to standard error, and from there to the journal if systemd is used."
    older = [f"{log_files.FILE}.{number}" for number in range(log_files.OLDER, 0, -1)]
    content = b""
    for name in (*older, log_files.FILE):
        try:
            content += (directory / name).read_bytes()
        except OSError:
            continue
    return content[-_LONGEST_LOG:].decode("utf-8", "replace")


def _secrets(configuration: Configuration) -> Iterator[str]:
    for key, value in configuration.values.items():
        row = option(key)
        if row is not None and row.secret and isinstance(value, str):
            # A key of several lines may turn up line by line.
            yield from (line for line in value.splitlines() if len(line) >= _SHORTEST_SECRET)


def _serials(answers: Iterable[object]) -> Iterator[str]:
    """Every text that stands under "serial", however deep."""
    for one in answers:
        if isinstance(one, Mapping):
            fields = cast("Mapping[object, object]", one)
            for key, value in fields.items():
                if isinstance(value, str):
                    if "serial" in str(key) and len(value) > _SERIAL_SHOWN:
                        yield value
                else:
                    yield from _serials([value])
        elif isinstance(one, list):
            yield from _serials(cast("list[object]", one))


def _masked(text: str, secrets: Iterable[str], serials: Iterable[str]) -> str:
    # Longest first: one may be a part of another.
    for secret in sorted(set(secrets), key=len, reverse=True):
        text = text.replace(secret, "(secret)").replace(json.dumps(secret)[1:-1], "(secret)")
    for serial in sorted(set(serials), key=len, reverse=True):
        text = text.replace(serial, f"{serial[:_SERIAL_SHOWN]}…")
    return text


def _json(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, indent=2)
