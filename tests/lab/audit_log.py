"""The machine's audit log: the command lines that were run, and all that was refused."""

import contextlib
import re
import time
from collections.abc import Generator

from vm import VirtualMachine

_LOG = "/var/log/audit/audit.log"
_OURS = re.compile(
    r'apparmor="DENIED" .*profile="snap\.sungather[._]|^type=SECCOMP .*subj=snap\.sungather[._]'
)
_ARGUMENT = re.compile(r' a\d+(?:\[\d+\])?=(?:"(?P<plain>[^"]*)"|(?P<hex>[0-9A-F]+))')


@contextlib.contextmanager
def recorded(machine: VirtualMachine) -> Generator[None]:
    """Record command lines from here to the end of the block."""
    machine.run("auditctl -a always,exit -F arch=b64 -S execve")
    yield
    machine.run("auditctl -D")


def command_lines(machine: VirtualMachine) -> list[str]:
    """Every command line recorded so far; the kernel writes them itself, so none is missed."""
    return [_command(line) for line in _lines(machine) if line.startswith("type=EXECVE ")]


def denials(machine: VirtualMachine) -> list[str]:
    """Every line about an access that AppArmor refused."""
    return [line for line in _lines(machine) if 'apparmor="DENIED"' in line]


def refused(machine: VirtualMachine) -> list[str]:
    """Every line about our snap, daemon, apps or hooks: AppArmor refused, or seccomp killed."""
    return [line for line in _lines(machine) if _OURS.search(line)]


def _lines(machine: VirtualMachine) -> list[str]:
    # The log is in order: when this command has come through, so has all before it.
    mark = f"mark-{time.monotonic_ns()}"
    machine.run(
        f"auditctl -m {mark}; timeout 30 sh -c 'until grep -q {mark} {_LOG}; do sleep 0.1; done'"
    )
    return machine.run(f"cat {_LOG}*").stdout.splitlines()


def _command(line: str) -> str:
    """The arguments of one record; the kernel writes those with special signs in hexadecimal."""
    found = _ARGUMENT.finditer(line)
    return " ".join(
        argument["plain"]
        if argument["plain"] is not None
        else bytes.fromhex(argument["hex"]).decode(errors="replace")
        for argument in found
    )
