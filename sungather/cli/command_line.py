"""The command line: `sungather COMMAND [--config FILE] [--set key=value …] [--format …]`.

JSON goes to standard output and nothing else does; everything said to a person goes to standard
error. What can be typed stands in `arguments.py`, what the commands do in `commands.py`; the heavy
imports wait until one is chosen.
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from sungather import errors, privileges
from sungather.cli import arguments
from sungather.cli.command_help import COMMANDS


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; the value is the exit code."""
    words = sys.argv[1:] if words is None else words
    command = ""
    try:
        chosen = arguments.parse(words)
        command = str(chosen.command)
        if command in ("run", "simulate", "demo"):
            # Until the loop runs, which handles them: what is stopped has not failed.
            signal.signal(signal.SIGTERM, _stopped)
            signal.signal(signal.SIGINT, _stopped)
        from sungather.cli import commands

        return commands.run(chosen)
    except errors.SungatherError as error:
        _fail(error, command, as_json=_wants_json(words))
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output has gone (`| head`); Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("SUNGATHER_TRACEBACK"):
            raise
        _say(
            f"This is a bug in SunGather ({type(error).__name__} in '{command}'). Please report "
            f"it, with what this prints: SUNGATHER_TRACEBACK=1 sungather {command} …"
        )
        return 1


def _stopped(*_: object) -> NoReturn:
    # An exception would not do: whatever is being imported or collected may swallow it.
    os._exit(0)


def _wants_json(words: Sequence[str]) -> bool:
    return "--format=json" in words or "--format json" in " ".join(words)


def _fail(error: errors.SungatherError, command: str, *, as_json: bool) -> None:
    problems = error.problems if isinstance(error, errors.OptionsError) else [str(error)]
    problems = [privileges.on_host(problem) for problem in problems]
    _say(*problems)
    if isinstance(error, arguments.UsageError):
        print(error.usage, file=sys.stderr)
    elif len(problems) == 1 and "inverter.host" in getattr(error, "missing", ()):
        _say(_how_to_name_an_inverter(command))
    if as_json:
        said = {"class": error.kind, "message": "\n".join(problems)}
        print(json.dumps({"error": said}, ensure_ascii=False))


def _how_to_name_an_inverter(command: str) -> str:
    if privileges.in_snap():
        snap = privileges.instance()
        return (
            f"Type: sudo snap set {snap} inverter.host=192.168.1.10, with your inverter's "
            f"address. 'sudo {snap}.discover' looks for it."
        )
    takes_address = command in COMMANDS and COMMANDS[command].address
    address = "192.168.1.10" if takes_address else "--set inverter.host=192.168.1.10"
    return (
        f"Type: sungather {command} {address}, with your inverter's address. "
        "'sungather discover' looks for it."
    )


def _say(*sentences: str) -> None:
    for sentence in sentences:
        print(f"sungather: {sentence}", file=sys.stderr)
