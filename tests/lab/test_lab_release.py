"""`.ci/release` with the snap and the charm that the lab has packed."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import packing


def test_the_packed_snap_and_charm_are_in_the_release(
    packed: packing.Packed, tmp_path: Path
) -> None:
    ours = tmp_path / "packed"
    ours.mkdir()
    files = [packed.snap.result(), packed.charm.result()]
    for file in files:
        shutil.copy2(file, ours)
    script = packing.ROOT / ".ci/release"
    out = tmp_path / "out"
    # uv stands beside the Python of these tests.
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = [script, "--dry-run", "--packed", ours, out]
    subprocess.run(command, env=os.environ | {"PATH": path}, check=True)
    sums = (out / "SHA256SUMS").read_text().splitlines()
    for file in files:
        assert f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}" in sums
