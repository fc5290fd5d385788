"""What the tests of the snap share: how to ask the machine about the installed snap."""

import contextlib
import itertools
import json
import re
import shlex
import time
from collections.abc import Callable, Generator
from typing import Any, cast

from vm import Answer, VirtualMachine

from sungather.options.all_options import OPTIONS

SERVICE = "snap.sungather.daemon.service"
DATA = "/var/snap/sungather/current"
COMMON = "/var/snap/sungather/common"
DAEMON_USER = "584788"
"""The user snap_daemon, the same number on every machine."""
VISITOR = "visitor"
"""An ordinary user of the machine."""
_PATIENCE = 90


def options(machine: VirtualMachine) -> dict[str, Any]:
    """Every option as snapd has it, by dotted key."""
    tree = json.loads(machine.run("snap get -d sungather").stdout)
    return dict(_flat(tree, ""))


def _flat(tree: dict[str, Any], above: str) -> Generator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(cast("dict[str, Any]", value), f"{above}{name}.")
        else:
            yield above + name, value


def set_texts(machine: VirtualMachine, texts: dict[str, str], *, check: bool = True) -> Answer:
    """`snap set` of all these at once, each in quotes for the shell."""
    words = " ".join(shlex.quote(f"{key}={text}") for key, text in texts.items())
    return machine.run(f"snap set sungather {words}", check=check)


def set_alone(machine: VirtualMachine, texts: dict[str, str]) -> None:
    """`snap set` of all these, and of every other option to its default: whatever was before."""
    groups = dict.fromkeys([*(row.key.partition(".")[0] for row in OPTIONS), "inverters"])
    words = shlex.join(
        [*(f"{group}!" for group in groups), *(f"{k}={v}" for k, v in texts.items())]
    )
    machine.run(f"snap set sungather {words}")


@contextlib.contextmanager
def set_for_now(machine: VirtualMachine, texts: dict[str, str]) -> Generator[None]:
    """These options until the end of the block, which may fail; then their defaults."""
    set_texts(machine, texts)
    try:
        yield
    finally:
        machine.run(f"snap unset sungather {shlex.join(texts)}")


def eventually(
    machine: VirtualMachine, command: str, wanted: Callable[[Any], bool], *, check: bool = False
) -> Any:
    """The JSON that a command prints, as soon as it is as wanted."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        answer = machine.run(command, check=check)
        found = json.loads(answer.stdout) if answer.stdout else None
        # An error is an answer too: of a daemon that is not there yet, say.
        if found is not None and "error" not in found and wanted(found):
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{command} still says {answer.stdout}{answer.stderr}")
        time.sleep(0.5)


def readings(machine: VirtualMachine) -> Any:
    """The daemon's newest readings, once the inverter is well."""
    return eventually(machine, "sungather.readings --format json", inverter_is_ok)


def inverter_is_ok(answer: Any) -> bool:
    """Whether all inverters give readings."""
    return all(one["state"] == "ok" for one in answer["inverters"])


def exporter(answer: Any, name: str) -> Any:
    """The health of one exporter."""
    return next(one for one in answer["exporters"] if one["name"] == name)


def main_pid(machine: VirtualMachine) -> str:
    """The daemon's process; "0" while there is none."""
    return machine.run(f"systemctl show --property MainPID --value {SERVICE}").stdout.strip()


@contextlib.contextmanager
def frozen(machine: VirtualMachine) -> Generator[None]:
    """The daemon, if it runs, does nothing for a while: what it owes comes afterwards."""
    machine.run(f"systemctl kill --signal STOP {SERVICE}", check=False)
    try:
        yield
    finally:
        machine.run(f"systemctl kill --signal CONT {SERVICE}", check=False)


def health(machine: VirtualMachine, snap: str = "sungather") -> tuple[str, str]:
    """What `snap info` says: a word and a sentence."""
    said = machine.run(f"snap info --verbose {snap}").stdout.partition("\nhealth:")[2]
    lines = itertools.takewhile(lambda line: line.startswith(" "), said.splitlines()[1:])
    # A long message is broken into lines.
    text = " ".join(line.strip() for line in lines)
    found = re.match(
        r"status: +(?P<status>\S+)( message: +(?P<message>.+?))?( code:| checked:)", text
    )
    return (found["status"], (found["message"] or "").strip('"')) if found else ("", "")


def becomes_healthy(
    machine: VirtualMachine, status: str, saying: str = "", *, snap: str = "sungather"
) -> str:
    """Wait until `snap info` has this word, and `saying` in the sentence beside it: that one."""
    deadline = time.monotonic() + _PATIENCE
    while (found := health(machine, snap))[0] != status or saying not in found[1]:
        if time.monotonic() > deadline:
            raise AssertionError(f"the health is still {found}, not {status} {saying}")
        time.sleep(0.5)
    return found[1]
