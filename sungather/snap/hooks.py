"""What the snap's hooks do, one function a hook; and what is done after the daemon's end.

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
from sungather.privileges import SUPPORT, drop_root, on_host, prepare
from sungather.snap import set_aside
from sungather.snap.apply import FILE, apply, stop
from sungather.snap.health import without_daemon, without_inverter
from sungather.snap.snapctl import snapctl
from sungather.snap.stored import stored


def main(hook: str) -> int:
    """Run one hook; the value is the exit code."""
    try:
        _HOOKS[hook]()
    except errors.SungatherError as error:
        print(folded(on_host(str(error))), file=sys.stderr)
        return error.exit_code
    return 0


def folded(text: str) -> str:
    """`text` in as many lines as snapd shows of a hook, which is the last hundred."""
    lines = text.splitlines()
    share = -(-len(lines) // _SHOWN_LINES) or 1
    return "\n".join(" ".join(lines[at : at + share]) for at in range(0, len(lines), share))


def install() -> None:
    """Before anything else of a fresh installation: no daemon yet, and where it may write."""
    # The slot shares one of the directories, so they are there before the daemon has run.
    prepare(Path(os.environ["SNAP_COMMON"]))
    # The configure hook starts it as soon as an inverter has a host. (`install-mode: disable`
    # would do it at each `snap revert` too.)
    stop()


def configure() -> None:
    """Judge all options and let them take effect."""
    apply(stored())


def post_refresh() -> None:
    """In the new version, before snapd starts its daemon: nothing that was set may stop it.

    Options that it does not know go, and those with values that it refuses are set aside.
    """
    known = stored()
    gone = [key for key in known.texts if option(key) is None]
    for key in gone:
        del known.texts[key]
    refused = set_aside.take_refused(known, Path(os.environ["SNAP_COMMON"]))
    for key in (*gone, *refused):
        snapctl("unset", key)
    apply(known, refused=refused, steer=False)


def pre_refresh() -> None:
    """In the old version: its daemon puts on the disk what it still has in memory."""
    try:
        state = load(Path(os.environ["SNAP_DATA"]) / FILE, need_inverter=False).state_directory
        asking = control.ask_daemon(state / control.SOCKET, "write-down", [])
        asyncio.run(asyncio.wait_for(asking, _WRITES_WITHIN))
    # Whatever is wrong here must not stand in the way of the version that cures it.
    except TimeoutError:
        print("The daemon is alive, but does not write down what it has.", file=sys.stderr)
    except errors.SungatherError as error:
        print(on_host(str(error)), file=sys.stderr)


def stopped() -> None:
    """After the daemon's end, whatever ended it: what it said of its health is true no more."""
    try:
        has_inverter = bool(
            load(Path(os.environ["SNAP_DATA"]) / FILE, need_inverter=False).inverters
        )
    except errors.OptionsError:
        has_inverter = True  # or not: the daemon's log says what is wrong with the options
    try:
        health = without_daemon(os.environ) if has_inverter else without_inverter()
        snapctl("set-health", *health.arguments, patience=_SHUTDOWN_WAITS)
    except errors.SungatherError as error:
        # systemd would take an error here for one of the daemon's.
        print(error, file=sys.stderr)


def remove() -> None:
    """At a removal snapd may keep a copy of the data: without what was made for a bug report."""
    drop_root()
    shutil.rmtree(Path(os.environ["SNAP_COMMON"]) / SUPPORT, ignore_errors=True)


_SHOWN_LINES = 90
_WRITES_WITHIN = 60.0
"""Seconds for a daemon that is alive to write down what it has: its disk may hang. snapd gives a
hook ten minutes, and undoes the refresh then."""
_SHUTDOWN_WAITS = 5.0
"""Seconds for snapd, which may have ended before us when the machine is shut down."""
_HOOKS: Mapping[str, Callable[[], None]] = {
    "configure": configure,
    "install": install,
    "post-refresh": post_refresh,
    "pre-refresh": pre_refresh,
    "remove": remove,
    "stopped": stopped,
}
