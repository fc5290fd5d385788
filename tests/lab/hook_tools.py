#!/usr/bin/python3
"""Juju's hook tools, as far as the charm uses them: one program under many names.

Strict: what `ops.hookcmds` would not send is an error, and so is what Juju would refuse. What the
model holds stands in model.json beside this file, and what the charm writes to it goes there too;
every call is written to calls.jsonl.
"""

import json
import pathlib
import re
import sys
from typing import Any

Model = dict[str, Any]

HERE = pathlib.Path(__file__).resolve().parent
STATUSES = ("active", "blocked", "maintenance", "waiting")
LEVELS = ("TRACE", "DEBUG", "INFO", "WARNING", "ERROR")
RESULT = re.compile(r"[a-z0-9][a-z0-9.-]*=.*", re.DOTALL)
PORT = re.compile(r"\d+/tcp")


def main(tool: str, *arguments: str) -> None:
    """Answer one call as Juju would."""
    with (HERE / "calls.jsonl").open("a") as record:
        record.write(json.dumps([tool, *arguments]) + "\n")
    file = HERE / "model.json"
    model = json.loads(file.read_text())
    answer = _answer(model, tool, list(arguments))
    if answer is not None:
        print(answer, end="")
    file.write_text(json.dumps(model))


def _answer(model: Model, tool: str, arguments: list[str]) -> str | None:
    match [tool, *arguments]:
        case ["config-get" | "action-get", "--format=json"]:
            return json.dumps(model[tool])
        case ["is-leader", "--format=json"]:
            return json.dumps(model["leader"])
        case ["resource-get", name] if name in model["resources"]:
            return model["resources"][name]
        case ["secret-get", "--format=json", secret, *how] if how in ([], ["--refresh"]):
            return _secret(model, secret)
        case ["relation-ids", endpoint, "--format=json"]:
            found = [n for n, one in model["relations"].items() if one["endpoint"] == endpoint]
            return json.dumps([f"{endpoint}:{number}" for number in found])
        case ["relation-list", "--format=json", "-r", ref]:
            return json.dumps(_relation(model, ref)["units"])
        case ["relation-list", "--format=json", "--app", "-r", ref]:
            return json.dumps(_relation(model, ref)["app"])
        case ["relation-get", "--format=json", "-r", ref, *app, "-", who] if app in (
            [],
            ["--app"],
        ):
            return json.dumps(_relation(model, ref)["data"].get(who, {}))
        case ["relation-set", "-r", ref, *app, "--file", "-"] if app in ([], ["--app"]):
            if app and not model["leader"]:
                sys.exit("ERROR cannot write relation settings")
            ours = model["unit"].partition("/")[0] if app else model["unit"]
            bag = _relation(model, ref)["data"].setdefault(ours, {}) | json.load(sys.stdin)
            _relation(model, ref)["data"][ours] = {k: v for k, v in bag.items() if v}
        case ["network-get", "--format=json", *_]:
            address = {"hostname": "", "value": model["address"], "cidr": "10.77.0.0/28"}
            binding = {"macaddress": "", "interfacename": "eth0", "addresses": [address]}
            networks = {
                "bind-addresses": [binding],
                "egress-subnets": [f"{model['address']}/32"],
                "ingress-addresses": [model["address"]],
            }
            return json.dumps(networks)
        case ["opened-ports", "--format=json"]:
            return json.dumps(model["ports"])
        case ["open-port", port] if PORT.fullmatch(port):
            model["ports"] = sorted({*model["ports"], port})
        case ["close-port", port] if port in model["ports"]:
            model["ports"].remove(port)
        case ["status-set", "--application=False", status, *rest] if status in STATUSES:
            if rest and (len(rest) != 2 or rest[0] != "--"):
                _refuse(tool, arguments)
        case ["juju-log", "--log-level", level, "--", _] if level in LEVELS:
            pass
        case ["application-version-set", "--", _]:
            pass
        case ["action-set", *results] if all(RESULT.fullmatch(one) for one in results):
            pass
        case ["action-fail", "--", _]:
            pass
        case _:
            _refuse(tool, arguments)
    return None


def _secret(model: Model, secret: str) -> str:
    if secret not in model["secrets"]:
        sys.exit(f'ERROR secret "{secret.removeprefix("secret:")}" not found')
    if secret not in model["granted"]:
        sys.exit("ERROR permission denied")
    return json.dumps(model["secrets"][secret])


def _relation(model: Model, ref: str) -> Model:
    endpoint, _, number = ref.rpartition(":")
    found = model["relations"].get(number)
    if found is None or endpoint not in ("", found["endpoint"]):
        sys.exit("ERROR relation not found")
    return found


def _refuse(tool: str, arguments: list[str]) -> None:
    print(f"{tool} {arguments}: not a call that Juju takes", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[0]).name, *sys.argv[1:])
