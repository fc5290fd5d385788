"""A unit of the packed charm on the machine: what Juju's agent would do, by hand."""

import json
import shlex
import uuid
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

import yaml
from packing import ROOT
from vm import VirtualMachine

_NAMES = (
    *("config-get", "action-get", "action-set", "action-fail", "is-leader", "resource-get"),
    *("secret-get", "status-set", "juju-log", "application-version-set", "network-get"),
    *("relation-ids", "relation-list", "relation-get", "relation-set"),
    *("opened-ports", "open-port", "close-port"),
)
_OPTIONS = yaml.safe_load((ROOT / "charmcraft.yaml").read_text())["config"]["options"]
DEFAULTS: dict[str, object] = {
    n: row["default"] for n, row in _OPTIONS.items() if "default" in row
}
"""Option of the charm -> its default."""
UUID = "00000000-0000-4000-8000-000000000001"


@dataclass
class Relation:
    """One relation of the unit; the other side is played by the test."""

    endpoint: str
    app: str
    units: list[str]
    data: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """Application or unit -> its databag."""


@dataclass
class Model:
    """What Juju's controller would know."""

    config: dict[str, object]
    leader: bool = True
    relations: dict[str, Relation] = field(default_factory=dict[str, Relation])
    """Number -> relation."""
    ports: list[str] = field(default_factory=list[str])
    params: dict[str, object] = field(default_factory=dict[str, object])
    """Parameters of the next action."""
    resources: dict[str, str] = field(default_factory=dict[str, str])
    """Name -> path on the machine."""
    secrets: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """URI -> content."""
    granted: list[str] = field(default_factory=list[str])
    """URIs that the application may read."""


@dataclass(frozen=True)
class Dispatch:
    """What the charm told Juju in one dispatch."""

    calls: list[list[str]]

    @property
    def status(self) -> tuple[str, str]:
        """The last status, and its message."""
        _, _, status, *rest = next(c for c in reversed(self.calls) if c[0] == "status-set")
        return status, rest[-1] if rest else ""

    @property
    def results(self) -> dict[str, str]:
        """What the action gave."""
        found: dict[str, str] = {}
        for call in self.calls:
            if call[0] == "action-set":
                found |= dict(setting.split("=", 1) for setting in call[1:])
        return found

    @property
    def failure(self) -> str | None:
        """Why the action failed."""
        return next((call[-1] for call in self.calls if call[0] == "action-fail"), None)

    @property
    def log(self) -> str:
        """Everything logged, at any level."""
        return "\n".join(call[-1] for call in self.calls if call[0] == "juju-log")


class HookFailed(Exception):
    """A hook ended with an error; the message is what was logged. Juju runs it again."""


class Unit:
    """A unit of an application, on the machine where Juju would have put it."""

    def __init__(
        self, machine: VirtualMachine, charm: Path, model: Model, name: str = "sungather/0"
    ) -> None:
        self._machine = machine
        self.model = model
        self.name = name
        dashed = name.replace("/", "-")
        self._tools = f"/root/juju/{dashed}"
        self._charm = f"/var/lib/juju/agents/unit-{dashed}/charm"
        content = charm.with_name(f"{charm.stem}-{dashed}")
        with zipfile.ZipFile(charm) as archive:
            archive.extractall(content)
        (content / "dispatch").chmod(0o755)
        machine.run(f"mkdir -p {self._tools} {Path(self._charm).parent}")
        machine.put(content, to=self._charm)
        machine.put(Path(__file__).with_name("hook_tools.py"), to=f"{self._tools}/")
        names = " ".join(_NAMES)
        machine.run(
            f"cd {self._tools} && chmod 755 hook_tools.py && "
            f"for name in {names}; do ln -s hook_tools.py $name; done && "
            # As on Ubuntu 24.04, where python3 is 3.12.
            "ln -s /usr/bin/python3.12 python3"
        )
        # What the timer of the charm calls; the tests dispatch by themselves.
        machine.write("/usr/bin/juju-exec", '#!/bin/sh\necho "$@" >> /root/juju/woken\n')
        machine.run("chmod 755 /usr/bin/juju-exec")

    def event(self, name: str, **variables: str) -> Dispatch:
        """Dispatch a hook: "install", "config-changed", …"""
        return self._dispatch(f"hooks/{name}", {"JUJU_HOOK_NAME": name, **variables})

    def relation_event(self, number: str, what: str) -> Dispatch:
        """Dispatch a hook of a relation: "created", "joined", "changed", "broken"."""
        relation = self.model.relations[number]
        variables = {
            "JUJU_RELATION": relation.endpoint,
            "JUJU_RELATION_ID": f"{relation.endpoint}:{number}",
            "JUJU_REMOTE_APP": relation.app,
        }
        if what in ("joined", "departed") or (what == "changed" and relation.units):
            variables["JUJU_REMOTE_UNIT"] = relation.units[0]
        return self.event(f"{relation.endpoint}-relation-{what}", **variables)

    def action(self, name: str, **params: object) -> Dispatch:
        """Run an action."""
        self.model.params = params
        variables = {"JUJU_ACTION_NAME": name, "JUJU_ACTION_UUID": str(uuid.uuid4())}
        return self._dispatch(f"actions/{name}", variables)

    def goes(self) -> Dispatch:
        """Stop and remove, as at the end of its life; its directory goes too."""
        self.event("stop")
        last = self.event("remove")
        self.vanishes()
        return last

    def vanishes(self) -> None:
        """What Juju does after the last hook: the charm and all that it was told go."""
        self._machine.run(f"rm -r {Path(self._charm).parent} {self._tools}")

    def _dispatch(self, path: str, variables: dict[str, str]) -> Dispatch:
        variables |= {
            "JUJU_DISPATCH_PATH": path,
            "JUJU_CHARM_DIR": self._charm,
            "JUJU_MODEL_NAME": "lab",
            "JUJU_MODEL_UUID": UUID,
            "JUJU_UNIT_NAME": self.name,
            "JUJU_VERSION": "3.6.0",
            "PATH": f"{self._tools}:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin",
        }
        given = asdict(self.model)
        given |= {
            "config-get": given.pop("config"),
            "action-get": given.pop("params"),
            "unit": self.name,
            "address": self._machine.address,
        }
        self._machine.write(f"{self._tools}/model.json", json.dumps(given))
        self._machine.run(f": >{self._tools}/calls.jsonl")
        environment = shlex.join(f"{name}={value}" for name, value in variables.items())
        ended = self._machine.run(
            f"cd {self._charm} && env -i {environment} ./dispatch", check=False
        )
        lines = self._machine.run(f"cat {self._tools}/calls.jsonl").stdout.splitlines()
        told = Dispatch([json.loads(line) for line in lines])
        if ended.returncode:
            raise HookFailed(told.log or ended.stderr)
        written = json.loads(self._machine.run(f"cat {self._tools}/model.json").stdout)
        self.model.ports = written["ports"]
        for number, relation in self.model.relations.items():
            relation.data = written["relations"][number]["data"]
        return told
