"""Every command line that was run on the machine, from the kernel's audit log: none is missed."""

import contextlib
import re
from collections.abc import Generator

from vm import VirtualMachine

_ARGUMENT = re.compile(r' a\d+(?:\[\d+\])?=(?:"(?P<plain>[^"]*)"|(?P<hex>[0-9A-F]+))')


@contextlib.contextmanager
def recorded(machine: VirtualMachine) -> Generator[None]:
    """Record from here to the end of the block."""
    machine.run("systemctl start auditd && auditctl -a always,exit -F arch=b64 -S execve")
    yield
    machine.run("auditctl -D && systemctl stop auditd")


def seen(machine: VirtualMachine) -> list[str]:
    """What was recorded so far, one command line an element."""
    log = machine.run("cat /var/log/audit/audit.log*").stdout
    return [_command(line) for line in log.splitlines() if line.startswith("type=EXECVE ")]


def _command(line: str) -> str:
    """The arguments of one record; the kernel writes those with special signs in hexadecimal."""
    found = _ARGUMENT.finditer(line)
    return " ".join(
        argument["plain"]
        if argument["plain"] is not None
        else bytes.fromhex(argument["hex"]).decode(errors="replace")
        for argument in found
    )
