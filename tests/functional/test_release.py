"""`.ci/release`: what it makes, that it signs it, and that it refuses what is no release."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.real_parts import tool

ROOT = Path(__file__).parents[2]
SIGNER = "release@sungather"


@dataclass(frozen=True)
class Clone:
    """A clone of this repository, with stand-ins for the two tools that pack."""

    place: Path

    def git(self, *words: str) -> str:
        mine = ("-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "gpg.format=ssh")
        return self._run(["git", *mine, *words]).stdout

    def release(self, *words: object) -> subprocess.CompletedProcess[str]:
        return self._run([self.place / ".ci/release", *words], check=False)

    def uploads(self) -> list[str]:
        """What snapcraft and charmcraft were asked for, other than to pack."""
        asked = (self.place.parent / "asked").read_text().splitlines()
        assert asked
        return [line for line in asked if not line.endswith(" pack")]

    def _run(self, words: list[Any], *, check: bool = True) -> subprocess.CompletedProcess[str]:
        path = f"{self.place.parent / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "GIT_CONFIG_GLOBAL": "/dev/null"}
        return subprocess.run(
            words, cwd=self.place, env=environment, check=check, capture_output=True, text=True
        )


def cloned(directory: Path) -> Clone:
    tool("ssh-keygen", "openssh-client")
    clone = Clone(directory / "clone")
    subprocess.run(["git", "clone", "-q", ROOT, clone.place], check=True)
    shutil.copy2(ROOT / ".ci/release", clone.place / ".ci/release")
    clone.git("add", "-A")
    clone.git("commit", "-q", "--allow-empty", "-m", "What is tried here")
    (directory / "bin").mkdir()
    for program, file in (("snapcraft", "s_1_amd64.snap"), ("charmcraft", "c_amd64.charm")):
        stand_in = directory / "bin" / program
        stand_in.write_text(f'#!/bin/sh\necho "{program} $*" >>{directory}/asked\necho >{file}\n')
        stand_in.chmod(0o755)
    return clone


def key(directory: Path, name: str) -> Path:
    file = directory / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
    return file


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    return cloned(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="module")
def made(clone: Clone) -> Path:
    """What a dry run left."""
    out = clone.place.parent / "made"
    done = clone.release("--dry-run", out)
    assert done.returncode == 0, done.stderr
    return out


def verified(made: Path) -> bool:
    words = ["-Y", "verify", "-f", made / "signers", "-I", SIGNER, "-n", SIGNER]
    return not subprocess.run(
        ["ssh-keygen", *words, "-s", made / "SHA256SUMS.sig"],
        input=(made / "SHA256SUMS").read_bytes(), check=False, capture_output=True,
    ).returncode  # fmt: skip


def test_everything_that_is_released_is_signed(made: Path) -> None:
    lines = (made / "SHA256SUMS").read_text().splitlines()
    sums = {name: known for known, name in (line.split("  ") for line in lines)}
    files = {file.name for file in made.iterdir()}
    assert files == {*sums, "SHA256SUMS", "SHA256SUMS.sig", "signers"}
    kinds = {".whl", ".gz", ".snap", ".charm", ".json", ".txt"}
    assert {Path(name).suffix for name in sums} == kinds
    for name, known in sums.items():
        assert hashlib.sha256((made / name).read_bytes()).hexdigest() == known
    assert verified(made)


def test_what_was_changed_after_it_was_signed_is_noticed(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "changed")
    sums = tmp_path / "changed/SHA256SUMS"
    sums.write_text(sums.read_text().replace("a", "b"))
    assert not verified(tmp_path / "changed")


def test_a_dry_run_uploads_nothing(clone: Clone, made: Path) -> None:
    assert clone.uploads() == []


@pytest.mark.parametrize(("bill", "lock"), [("sungather", "."), ("sungather-charm", "charm")])
def test_the_bill_of_materials_names_all_that_is_locked_with_its_hash(
    made: Path, bill: str, lock: str
) -> None:
    content = json.loads((made / f"{bill}.cdx.json").read_text())
    assert content["bomFormat"] == "CycloneDX"
    assert content["metadata"]["component"]["name"] == bill
    assert content["metadata"]["component"]["version"]
    packages = {
        one["name"]: one for one in tomllib.loads((ROOT / lock / "uv.lock").read_text())["package"]
    }
    wanted = {one["name"] for one in packages[bill]["dependencies"]}
    named = {one["name"]: one for one in content["components"]}
    assert wanted <= named.keys() <= packages.keys()
    for name, one in named.items():
        assert one["version"] == packages[name]["version"]
        assert one["purl"] == f"pkg:pypi/{name}@{one['version']}"
        hashes = [h["content"] for r in one["externalReferences"] for h in r["hashes"]]
        files = [*packages[name].get("wheels", ()), packages[name]["sdist"]]
        assert {f"sha256:{known}" for known in hashes} == {file["hash"] for file in files}


def test_the_bill_of_materials_names_every_library_that_the_snap_packs(made: Path) -> None:
    """The snap is built from uv.lock, of which requirements.txt is what runs, on any machine."""
    content = json.loads((made / "sungather.cdx.json").read_text())
    named = {f"{one['name']}=={one['version']}" for one in content["components"]}
    packed = re.findall(r"^(\S+==\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert {one.partition("==")[0] for one in packed} >= {"aiomqtt", "paho-mqtt", "h11", "wsproto"}
    assert set(packed) == named


def test_what_pip_is_given_is_what_the_repository_says(made: Path) -> None:
    ours = (ROOT / "requirements.txt").read_text().splitlines()
    assert (made / "requirements.txt").read_text().splitlines() == ours[2:]


def test_the_same_commit_gives_the_same_wheel_without_what_is_in_no_commit(
    clone: Clone, made: Path, tmp_path: Path
) -> None:
    stray = clone.place / "sungather/stray.py"
    stray.write_text("")
    try:
        assert clone.release("--dry-run", "--packed", made, tmp_path / "out").returncode == 0
    finally:
        stray.unlink()
    for pattern in ("*.whl", "*.tar.gz"):
        (first,), (second,) = made.glob(pattern), (tmp_path / "out").glob(pattern)
        assert first.read_bytes() == second.read_bytes()
    (wheel,) = made.glob("*.whl")
    assert "sungather/stray.py" not in zipfile.ZipFile(wheel).namelist()


def test_a_release_is_what_a_signed_tag_says_and_nothing_else(
    clone: Clone, made: Path, tmp_path: Path
) -> None:
    ours, other = key(tmp_path, "ours"), key(tmp_path, "other")
    version = next(made.glob("*.whl")).name.split("-")[1]
    words = ("--key", ours, "--packed", made)

    def refused() -> str:
        done = clone.release(*words, tmp_path / "out")
        assert done.returncode == 1
        assert not list((tmp_path / "out").iterdir())
        return done.stderr

    def tag(signer: Path | None) -> None:
        how = ["-c", f"user.signingkey={signer}", "tag", "-s"] if signer else ["tag", "-a"]
        clone.git(*how, "-f", "-m", "A release", f"v{version}")

    assert "is not on this commit" in refused()
    tag(None)
    assert "is not signed with this key" in refused()
    tag(other)
    assert "is not signed with this key" in refused()
    tag(ours)
    readme = clone.place / "README.md"
    before = readme.read_text()
    readme.write_text("changed")
    assert "changes that are in no commit" in refused()
    readme.write_text(before)
    done = clone.release(*words, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert verified(tmp_path / "out")
    assert "nothing of it was uploaded" in done.stderr


def test_the_commands_of_the_security_page_verify_a_release(
    clone: Clone, made: Path, tmp_path: Path
) -> None:
    page = (ROOT / "SECURITY.md").read_text()
    (block,) = re.findall(r"```sh\n(ssh-keygen -Y verify.*?)```", page, re.DOTALL)
    commands, pip = block.split("pip install", 1)
    assert "--require-hashes" in pip
    version = next(made.glob("*.whl")).name.split("-")[1]
    ours = key(tmp_path, "ours")
    tag = ("tag", "-s", "-f", "-m", "A release", f"v{version}")
    clone.git("-c", f"user.signingkey={ours}", *tag)
    out = tmp_path / "out"
    done = clone.release("--key", ours, "--packed", made, out)
    assert done.returncode == 0, done.stderr
    script = commands.replace("v1.0.0", f"v{version}")

    def verify() -> int:
        environment = os.environ | {"GIT_DIR": str(clone.place / ".git")}
        words = ["bash", "-ec", script]
        done = subprocess.run(words, cwd=out, env=environment, check=False, capture_output=True)
        return done.returncode

    assert verify() == 0
    clone.git("-c", f"user.signingkey={key(tmp_path, 'other')}", *tag)
    assert verify() != 0, "another key has signed the tag"
    clone.git("-c", f"user.signingkey={ours}", *tag)
    (out / "requirements.txt").write_text("evil")
    assert verify() != 0, "a file is not the one that was signed"


def test_there_is_a_release_key_as_soon_as_there_is_a_release() -> None:
    released = re.search(r"^## 1\.", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    page = (ROOT / "SECURITY.md").read_text()
    stated = re.search(r"release@sungather ssh-ed25519 \w{60,}", page)
    assert bool(stated) is bool(released)
    assert ("There is none yet" in page) is not bool(released)


def test_a_release_without_its_snap_is_none(clone: Clone, made: Path, tmp_path: Path) -> None:
    (tmp_path / "packed").mkdir()
    (charm,) = made.glob("*.charm")
    shutil.copy2(charm, tmp_path / "packed")
    done = clone.release("--dry-run", "--packed", tmp_path / "packed", tmp_path / "out")
    assert done.returncode == 1
    assert "no snap" in done.stderr


def test_a_directory_that_holds_something_is_left_alone(clone: Clone, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    done = clone.release("--dry-run", tmp_path)
    assert done.returncode == 2
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("words", [(), ("out",), ("--dry-run",)])
def test_wrong_words_are_answered_with_the_right_ones(clone: Clone, words: tuple[str]) -> None:
    done = clone.release(*words)
    assert done.returncode == 2
    assert "usage: .ci/release" in done.stderr
