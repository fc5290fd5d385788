"""The option `unit-inverters`: YAML that gives units an inverter of their own; pure.

    sungather/0: 192.168.1.10
    sungather/1: {host: 192.168.1.11, connection: http}
    2/lxd/0: 192.168.1.12

A key is a unit or a machine, as `juju status` names them.
"""

import re

import config
import extra_options

_WHERE = re.compile(r"[a-z][a-z0-9-]*/\d+|\d+(/[a-z]+/\d+)*")


def parse(text: str) -> dict[str, dict[str, str]]:
    """Unit or machine -> the options of its inverter, such as "inverter.host".

    Raises:
        WrongOptionText: with every problem.
    """
    found: dict[str, dict[str, str]] = {}
    problems: list[str] = []
    for path, value in extra_options.flat(text, "unit-inverters"):
        where, _, name = path.partition(".")
        key = f"inverter.{name or 'host'}"
        if not _WHERE.fullmatch(where) or value is None:
            problems.append("write UNIT: ADDRESS, one a line, such as sungather/0: 192.168.1.10.")
        elif config.GOVERNED.get(key) in config.SECRETS:
            problems.append(f"{path} belongs into the secret of inverter-credentials.")
        elif key in found.setdefault(where, {}):
            problems.append(f"{path} is there twice.")
        else:
            found[where][key] = value
    problems += [f"{w} has no host." for w, one in found.items() if not one.get("inverter.host")]
    if problems:
        raise extra_options.WrongOptionText("unit-inverters", dict.fromkeys(problems))
    return found


def remedy(text: str, unit: str) -> str:
    """How a unit gets an inverter of its own, for the status of a standby.

    Args:
        text: the option as it is; a command that sets it must not lose other units' lines.
        unit: the unit's name.
    """
    line = f"{unit}: ADDRESS"
    if text.strip():
        return f"for an inverter of its own, add a line to unit-inverters: {line}"
    app = unit.partition("/")[0]
    return f"for an inverter of its own: juju config {app} unit-inverters='{line}'"
