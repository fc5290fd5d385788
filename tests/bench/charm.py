"""What an idle event of the charm costs beside one of a charm that does nothing.

Both run as Juju runs them, as processes with hook tools on PATH; snapd is the unit tests' fake, on
snapd's own socket in a mount namespace, which needs root.
"""

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.bench.figures import Figure
from tests.unit.charm.fake_snapd import FakeSnapd, Server

ROOT = Path(__file__).parents[2]
_ROUNDS = 9
_TOOLS = (
    *("config-get", "is-leader", "relation-ids", "opened-ports", "resource-get", "status-set"),
    *("juju-log", "application-version-set", "open-port", "close-port"),
    *("snap", "systemctl"),
)
_TOOL = """#!/bin/sh
case "${0##*/}" in
config-get) cat "$JUJU_CHARM_DIR/../config.json" ;;
is-leader) echo true ;;
relation-ids) echo '[]' ;;
opened-ports) echo '["8080/tcp"]' ;;
resource-get) exit 1 ;;
snap) echo '{"inverters": [{"model": "SH10RT"}]}' ;;
esac
"""
_BARE = """import ops


class Bare(ops.CharmBase):
    def __init__(self, framework):
        super().__init__(framework)
        self.tracing = ops.tracing.Tracing(
            self, "charm-tracing", ca_relation_name="receive-ca-cert"
        )
        framework.observe(self.on.update_status, self._on_update_status)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)

    def _on_update_status(self, event):
        pass

    def _on_collect_unit_status(self, event):
        event.add_status(ops.ActiveStatus())


ops.main(Bare)
"""


async def charm() -> list[Figure]:
    """CPU time of an idle update-status, and snap changes of a config-changed without any."""
    if os.geteuid() != 0:
        raise SystemExit("the part charm needs root, for a mount namespace")
    command = ["unshare", "--mount", sys.executable, "-m", "tests.bench.charm"]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    found: dict[str, float] = json.loads(told)
    return [
        Figure("charm: CPU of an idle update-status, against bare ops", found["ratio"], 1.3, "×"),
        Figure("charm: snap changes of an idle config-changed", found["changes"], 0),
    ]


def _measure(directory: Path) -> dict[str, float]:
    places = {"run": "/run", "lib": "/var/lib", "systemd": "/etc/systemd"}
    for name, place in places.items():
        (directory / name).mkdir()
        subprocess.run(["mount", "--bind", directory / name, place], check=True)
    (directory / "systemd/system").mkdir()
    environment = _prepared(directory)
    fake = FakeSnapd(directory / "run")
    with Server(Path("/run/snapd.socket"), fake):
        _dispatch("charm.py", environment | {"JUJU_DISPATCH_PATH": "hooks/install"})
        before = len(fake.changes)
        _dispatch("charm.py", environment | {"JUJU_DISPATCH_PATH": "hooks/config-changed"})
        changes = len(fake.changes) - before
        rounds = [
            (_dispatch("bare.py", environment), _dispatch("charm.py", environment))
            for _ in range(_ROUNDS)
        ]
    bare, ours = (statistics.median(times) for times in zip(*rounds, strict=True))
    return {"ratio": ours / bare, "changes": changes}


def _prepared(directory: Path) -> dict[str, str]:
    """A charm's directory and hook tools; the environment of an update-status."""
    project: dict[str, Any] = yaml.safe_load((ROOT / "charmcraft.yaml").read_text())
    options = project.pop("config")
    settings = {k: row["default"] for k, row in options["options"].items() if "default" in row}
    (directory / "config.json").write_text(json.dumps(settings | {"inverter-host": "10.0.0.1"}))
    home = directory / "charm"
    shutil.copytree(ROOT / "charm/src", home / "src")
    (home / "src/bare.py").write_text(_BARE)
    (home / "actions.yaml").write_text(yaml.safe_dump(project.pop("actions")))
    (home / "config.yaml").write_text(yaml.safe_dump(options))
    (home / "metadata.yaml").write_text(yaml.safe_dump(project))
    tools = directory / "tools"
    tools.mkdir()
    for name in _TOOLS:
        (tools / name).write_text(_TOOL)
        (tools / name).chmod(0o755)
    return {
        "PATH": f"{tools}:/usr/bin:/bin",
        "JUJU_CHARM_DIR": str(home),
        "JUJU_DISPATCH_PATH": "hooks/update-status",
        "JUJU_MODEL_NAME": "bench",
        "JUJU_MODEL_UUID": "11111111-1111-4111-8111-111111111111",
        "JUJU_UNIT_NAME": "sungather/0",
        "JUJU_VERSION": "3.6.0",
    }


def _dispatch(script: str, environment: dict[str, str]) -> float:
    """CPU seconds of one event, hook tools included."""
    before = os.times()
    home = environment["JUJU_CHARM_DIR"]
    command = [sys.executable, f"{home}/src/{script}"]
    subprocess.run(command, env=environment, cwd=home, check=True, stderr=subprocess.DEVNULL)
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(_measure(Path(scratch))))
