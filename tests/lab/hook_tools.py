#!/usr/bin/python3
"""Juju's hook tools, as far as the charm uses them: one program under many names.

Strict: what `ops.hookcmds` would not send is an error. What the model holds stands in model.json
beside this file; every call is written to calls.jsonl.
"""

import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
STATUSES = ("active", "blocked", "maintenance", "waiting")
LEVELS = ("TRACE", "DEBUG", "INFO", "WARNING", "ERROR")
RESULT = re.compile(r"[a-z0-9][a-z0-9.-]*=.*", re.DOTALL)


def main(tool: str, *arguments: str) -> None:
    """Answer one call as Juju would."""
    with (HERE / "calls.jsonl").open("a") as record:
        record.write(json.dumps([tool, *arguments]) + "\n")
    model = json.loads((HERE / "model.json").read_text())
    match [tool, *arguments]:
        case ["config-get" | "action-get", "--format=json"]:
            print(json.dumps(model[tool]))
        case ["is-leader", "--format=json"]:
            print("true")
        case ["resource-get", name] if name in model["resources"]:
            print(model["resources"][name], end="")
        case ["secret-get", "--format=json", secret, "--refresh"]:
            if secret not in model["secrets"]:
                sys.exit(f'ERROR secret "{secret.removeprefix("secret:")}" not found')
            if secret not in model["granted"]:
                sys.exit("ERROR permission denied")
            print(json.dumps(model["secrets"][secret]))
        case ["status-set", "--application=False", status, "--", _] if status in STATUSES:
            pass
        case ["status-set", "--application=False", "active"]:
            pass
        case [
            "juju-log",
            "--log-level",
            "TRACE" | "DEBUG" | "INFO" | "WARNING" | "ERROR",
            "--",
            _,
        ]:
            pass
        case ["application-version-set", "--", _]:
            pass
        case ["action-set", *results] if all(RESULT.fullmatch(one) for one in results):
            pass
        case ["action-fail", "--", _]:
            pass
        case _:
            print(f"{tool} {arguments}: not a call that Juju takes", file=sys.stderr)
            sys.exit(2)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[0]).name, *sys.argv[1:])
