"""Builds the snap from snapcraft.yaml on any Debian or Ubuntu, without snapcraft.

The parts go through craft-parts, the library that snapcraft itself runs them with; meta/snap.yaml
is made from the same file; `snap pack` makes the snap.

Run by `packing.py` with the tools' Python: snap_build.py PROJECT OUT PYTHON ROOT, where PYTHON is
a CPython of the base's version and ROOT the userland of the lab's machine.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import craft_parts
import yaml
from craft_parts.plugins.uv_plugin import UvPlugin

BASE_PYTHON = "/usr/bin/python3.12"
"""What the base core24 lends to every snap."""
COPIED = (
    *("name", "title", "summary", "description", "license", "type", "base", "grade"),
    *("confinement", "epoch", "assumes", "apps", "hooks", "plugs", "slots", "layout"),
    *("environment", "system-usernames"),
)


class StrictUvPlugin(UvPlugin):
    """As snapcraft's own does for a strict snap: the virtual environment uses a given Python."""

    def _get_system_python_interpreter(self) -> str:
        return sys.argv[3]


def build(project: Path, out: Path) -> None:
    """Build the snap of `project` into the empty directory `out`."""
    plan = yaml.safe_load((project / "snapcraft.yaml").read_text())
    craft_parts.plugins.register({"uv": StrictUvPlugin})
    work = out / "work"
    work.mkdir()
    os.chdir(project)
    lifecycle = craft_parts.LifecycleManager(
        {"parts": plan["parts"]},
        application_name="lab",
        cache_dir=out / "cache",
        work_dir=work,
        base=plan["base"],
        project_name=plan["name"],
        project_vars={"version": ""},
        project_vars_part_name=plan["adopt-info"],
    )
    with lifecycle.action_executor() as executor:
        steps = lifecycle.plan(craft_parts.Step.PRIME)
        executor.execute(steps, stdout=sys.stdout, stderr=sys.stderr)
    info = lifecycle.project_info
    prime = info.prime_dir
    _point_to_base_python(prime)
    _write_meta(prime, project, plan, str(info.get_project_var("version")))
    shutil.copytree(project / "snap/hooks", prime / "meta/hooks")
    (prime / "meta/gui").mkdir()
    shutil.copy(project / plan["icon"], prime / "meta/gui/icon.svg")
    prime.chmod(0o755)
    _pack(prime, out, plan["compression"])
    shutil.rmtree(work)


def _pack(prime: Path, out: Path, compression: str) -> None:
    """Pack with the snapd of the lab's machine: this host's may be too old for the snap."""
    root = sys.argv[4]
    script = 'mount --bind "$1" "$2/mnt" && exec chroot "$2" snap pack "$3" "/mnt/$4" /mnt'
    inside = [out, root, f"--compression={compression}", prime.relative_to(out)]
    subprocess.run(["unshare", "--mount", "sh", "-euc", script, "sh", *inside], check=True)


def _point_to_base_python(prime: Path) -> None:
    """Built with this machine's 3.12, run with the base's."""
    for link in (prime / "bin").glob("python*"):
        if link.is_symlink() and link.readlink().is_absolute():
            link.unlink()
            link.symlink_to(BASE_PYTHON)
    settings = prime / "pyvenv.cfg"
    lines = settings.read_text().splitlines()
    home = f"home = {Path(BASE_PYTHON).parent}"
    settings.unlink()  # it is a hard link into the parts' own directories
    settings.write_text("\n".join(home if x.startswith("home =") else x for x in lines) + "\n")


def _write_meta(prime: Path, project: Path, plan: dict[str, Any], version: str) -> None:
    meta = {key: plan[key] for key in COPIED if key in plan} | {"version": version}
    meta["architectures"] = ["amd64"]
    meta["environment"] = plan.get("environment", {}) | {
        "PATH": "$SNAP/usr/sbin:$SNAP/usr/bin:$SNAP/sbin:$SNAP/bin:$PATH",
        "LD_LIBRARY_PATH": "${SNAP_LIBRARY_PATH}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}",
    }
    (prime / "meta").mkdir(exist_ok=True)
    (prime / "meta/snap.yaml").write_text(yaml.safe_dump(meta, sort_keys=False))


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]))
