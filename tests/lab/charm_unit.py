"""A unit of the packed charm on the machine: what Juju's agent would do, by hand."""

import json
import shlex
import uuid
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from vm import VirtualMachine

_TOOLS = "/root/juju"
_CHARM = "/var/lib/juju/agents/unit-sungather-0/charm"
_NAMES = (
    *("config-get", "action-get", "action-set", "action-fail", "is-leader", "resource-get"),
    *("secret-get", "status-set", "juju-log", "application-version-set"),
)


@dataclass
class Model:
    """What Juju's controller would know."""

    config: dict[str, object]
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


class Unit:
    """sungather/0, on the machine where Juju would have put it."""

    def __init__(self, machine: VirtualMachine, charm: Path, model: Model) -> None:
        self._machine = machine
        self.model = model
        content = charm.with_suffix("")
        with zipfile.ZipFile(charm) as archive:
            archive.extractall(content)
        (content / "dispatch").chmod(0o755)
        machine.run(f"mkdir -p {_TOOLS} {Path(_CHARM).parent}")
        machine.put(content, to=_CHARM)
        machine.put(Path(__file__).with_name("hook_tools.py"), to=f"{_TOOLS}/")
        names = " ".join(_NAMES)
        machine.run(
            f"cd {_TOOLS} && chmod 755 hook_tools.py && "
            f"for name in {names}; do ln -s hook_tools.py $name; done && "
            # As on Ubuntu 24.04, where python3 is 3.12.
            "ln -s /usr/bin/python3.12 python3"
        )

    def event(self, name: str) -> Dispatch:
        """Dispatch a hook: "install", "config-changed", …"""
        return self._dispatch(f"hooks/{name}", {"JUJU_HOOK_NAME": name})

    def action(self, name: str) -> Dispatch:
        """Run an action that takes no parameters."""
        variables = {"JUJU_ACTION_NAME": name, "JUJU_ACTION_UUID": str(uuid.uuid4())}
        return self._dispatch(f"actions/{name}", variables)

    def _dispatch(self, path: str, variables: dict[str, str]) -> Dispatch:
        variables |= {
            "JUJU_DISPATCH_PATH": path,
            "JUJU_CHARM_DIR": _CHARM,
            "JUJU_MODEL_NAME": "lab",
            "JUJU_MODEL_UUID": "00000000-0000-4000-8000-000000000001",
            "JUJU_UNIT_NAME": "sungather/0",
            "JUJU_VERSION": "3.6.0",
            "PATH": f"{_TOOLS}:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin",
        }
        model = json.dumps(
            {
                "config-get": self.model.config,
                "action-get": {},
                "resources": self.model.resources,
                "secrets": self.model.secrets,
                "granted": self.model.granted,
            }
        )
        self._machine.write(f"{_TOOLS}/model.json", model)
        self._machine.run(f"rm -f {_TOOLS}/calls.jsonl")
        environment = shlex.join(f"{name}={value}" for name, value in variables.items())
        self._machine.run(f"cd {_CHARM} && env -i {environment} ./dispatch")
        lines = self._machine.run(f"cat {_TOOLS}/calls.jsonl").stdout.splitlines()
        return Dispatch([json.loads(line) for line in lines])
