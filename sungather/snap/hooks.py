"""What the snap's hooks do, one function a hook.

snapd stores any key and any JSON value, so the configure hook is where options are judged: a hook
that fails makes snapd store nothing and show what the hook wrote to standard error.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from sungather import control, errors
from sungather.options.configuration import load
from sungather.options.keys import option
from sungather.privileges import SUPPORT, drop_root, prepare
from sungather.snap.apply import FILE, apply
from sungather.snap.snapctl import snapctl
from sungather.snap.stored import stored


def main(hook: str) -> int:
    """Run one hook; the value is the exit code."""
    try:
        _HOOKS[hook]()
    except errors.SungatherError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def install() -> None:
    """Before the configure hook of a fresh installation: the place where the daemon may write."""
    # The slot shares one of the directories, so they are there before the daemon has run.
    prepare(Path(os.environ["SNAP_COMMON"]))


def configure() -> None:
    """Judge all options and let them take effect."""
    apply(stored())


def post_refresh() -> None:
    """In the new version, before snapd starts its daemon: options that it does not know go."""
    known = stored()
    for key in [key for key in known.texts if option(key) is None]:
        snapctl("unset", key)
        del known.texts[key]
    apply(known, steer=False)


def pre_refresh() -> None:
    """In the old version: its daemon puts on the disk what it still has in memory."""
    try:
        state = load(Path(os.environ["SNAP_DATA"]) / FILE, need_inverter=False).state_directory
        asyncio.run(control.ask_daemon(state / control.SOCKET, "write-down", []))
    except errors.SungatherError as error:
        # Whatever is wrong here must not stand in the way of the version that cures it.
        print(error, file=sys.stderr)


def remove() -> None:
    """At a removal snapd may keep a copy of the data: without what was made for a bug report."""
    drop_root()
    shutil.rmtree(Path(os.environ["SNAP_COMMON"]) / SUPPORT, ignore_errors=True)


_HOOKS: Mapping[str, Callable[[], None]] = {
    "configure": configure,
    "install": install,
    "post-refresh": post_refresh,
    "pre-refresh": pre_refresh,
    "remove": remove,
}
