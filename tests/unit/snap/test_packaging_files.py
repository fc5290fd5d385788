"""snapcraft.yaml, charmcraft.yaml and the locks: what they take along, and that none drifts."""

import configparser
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

ROOT = Path(__file__).parents[3]
LOCKS = [".", "charm", "tests/homeassistant", "tests/lab/tools"]


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / name).read_text())


def test_the_snap_needs_nothing_that_does_not_connect_by_itself() -> None:
    apps = read("snapcraft.yaml")["apps"].values()
    plugs = {plug for app in apps for plug in app.get("plugs", ())}
    assert plugs == {"network", "network-bind"}
    assert all(app.get("plugs", True) for app in apps), "the Store refuses an empty list"
    assert "plugs" not in read("snapcraft.yaml")


def test_the_listing_has_what_the_store_and_its_linters_want() -> None:
    snap = read("snapcraft.yaml")
    assert 0 < len(snap["title"]) <= 40
    assert 0 < len(snap["summary"]) <= 78
    assert not snap["summary"].endswith(".")
    for key in ("contact", "issues", "source-code", "website"):
        assert str(snap[key]).startswith("https://"), key
    icon = ROOT / snap["icon"]
    assert icon.suffix == ".svg"
    assert icon.stat().st_size < 256_000
    left, top, width, height = re.search(r'viewBox="([^"]+)"', icon.read_text())[1].split()  # pyright: ignore
    assert (left, top, width) == ("0", "0", height), "a square"
    assert snap["lint"] == {"ignore": [{"metadata": ["donation"]}]}


def test_a_revert_does_not_disable_the_daemon() -> None:
    """snapd 2.68 takes the oldest revision that is there for a first installation, and disables
    at each revert to it what has `install-mode: disable`."""
    assert "install-mode" not in read("snapcraft.yaml")["apps"]["daemon"]


def test_the_user_of_the_daemon_is_one_that_old_snapds_know() -> None:
    """`_daemon_` came with snapd 2.61; Debian 12 and Raspberry Pi OS 12 have 2.57."""
    assert read("snapcraft.yaml")["system-usernames"] == {"snap_daemon": "shared"}


def test_what_is_packed_takes_no_virtual_environment_along() -> None:
    pull = read("snapcraft.yaml")["parts"]["sungather"]["override-pull"]
    assert "--exclude='.*'" in pull
    assert "find . -mindepth 1 -delete" in pull


def test_legacy_names_of_time_zones_come_along() -> None:
    """core24 has no tzdata-legacy, and a machine may be in US/Eastern."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "tzdata" in {plain(text).partition(">")[0] for text in project["dependencies"]}


def test_every_option_endpoint_and_action_of_the_charm_has_a_description() -> None:
    charm = read("charmcraft.yaml")
    described = [*charm["config"]["options"].values(), *charm["actions"].values()]
    assert all(row["description"].endswith(".") for row in described)
    assert all(action["additionalProperties"] is False for action in charm["actions"].values())


@pytest.mark.parametrize("directory", LOCKS)
def test_the_lock_knows_what_the_projects_in_it_depend_on(directory: str) -> None:
    """'uv lock' in that directory brings it up to date."""
    lock = tomllib.loads((ROOT / directory / "uv.lock").read_text())
    ours = [one for one in lock["package"] if "registry" not in one["source"]]
    assert ours
    for package in ours:
        (place,) = package["source"].values()
        project = tomllib.loads((ROOT / directory / place / "pyproject.toml").read_text())
        known = package["metadata"]
        wanted = project["project"].get("dependencies", [])
        assert specified(known.get("requires-dist", [])) == {plain(text) for text in wanted}
        if place != ".":
            continue
        groups = project.get("dependency-groups", {})
        assert known.get("requires-dev", {}).keys() == groups.keys()
        for name, wanted in groups.items():
            assert specified(known["requires-dev"][name]) == {plain(text) for text in wanted}


def specified(rows: list[dict[str, str]]) -> set[str]:
    return {row["name"] + row.get("specifier", "") for row in rows}


def plain(requirement: str) -> str:
    return re.sub(r"\s|\[.*?\]|;.*", "", requirement)


@pytest.mark.parametrize("directory", LOCKS)
def test_every_package_of_a_lock_comes_from_the_one_index_with_its_hash(directory: str) -> None:
    lock = tomllib.loads((ROOT / directory / "uv.lock").read_text())
    sources = [package["source"] for package in lock["package"]]
    assert len({source["registry"] for source in sources if "registry" in source}) == 1
    elsewhere = [source for source in sources if "registry" not in source]
    assert all(source.keys() <= {"editable", "virtual"} for source in elsewhere)
    packages = [one for one in lock["package"] if "registry" in one["source"]]
    files = [f for one in packages for f in [*one.get("wheels", ()), one.get("sdist")] if f]
    assert len({urlsplit(str(file["url"])).hostname for file in files}) == 1
    assert all(file["hash"].startswith("sha256:") for file in files)


def test_tox_and_pip_take_the_tools_that_the_lock_says() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    locked = {one["name"]: one.get("version") for one in lock["package"]}
    lines = [line for line in (ROOT / "tests/tox.txt").read_text().splitlines() if line[0] != "#"]
    told = dict(re.findall(r"^([\w-]+)==([\w.]+)", "\n".join(lines), re.MULTILINE))
    assert told.items() <= locked.items()
    assert set(told) == needed("tox", "tox-uv", "uv", of=lock)
    assert len(told) == len(lines)
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    required = dict(line.split("==") for line in tox["tox"]["requires"].split())
    assert set(required) == {"tox", "tox-uv", "uv"}
    assert required.items() <= told.items()


def test_pip_takes_what_the_lock_says_by_its_hashes() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    locked = {one["name"]: one for one in lock["package"]}
    rows = re.findall(
        r"^([\w-]+)==(\S+)[^\\]*((?: \\\n    --hash=\S+)+)$",
        (ROOT / "requirements.txt").read_text(),
        re.MULTILINE,
    )
    assert {name for name, *_ in rows} == needed("sungather", of=lock) - {"sungather"}
    for name, version, hashes in rows:
        package = locked[name]
        files = [*package.get("wheels", ()), package["sdist"]]
        assert package["version"] == version
        assert set(re.findall(r"--hash=(\S+)", hashes)) == {file["hash"] for file in files}


def names_of_our_files(*patterns: str) -> list[str]:
    """Paths of what is committed, from the top."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", *patterns]
    try:
        names = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("which files are ours is known in a clone only, and needs git")
    return [name for name in names.split("\0") if name]


def test_every_lock_is_watched_for_updates() -> None:
    known = names_of_our_files("*uv.lock", "*package-lock.json")
    places = {(Path("/") / name).parent.as_posix() for name in known}
    watched = [
        place
        for row in read(".github/dependabot.yml")["updates"]
        if row["package-ecosystem"] in ("uv", "npm")
        for place in row.get("directories", [row.get("directory")])
    ]
    assert len(known) >= len(LOCKS)
    assert sorted(watched) == sorted(places)


def test_whoever_runs_tox_is_told_to_install_the_locked_one() -> None:
    files = [ROOT / "README.md", ROOT / ".ci/run", *(ROOT / ".github/workflows").iterdir()]
    said = {
        what for f in files for what in re.findall(r"\bpipx? install +([^&\n`]+)", f.read_text())
    }
    assert {what.strip().removeprefix("-q ") for what in said} == {
        "-r tests/tox.txt",
        "--require-hashes -r requirements.txt",
        "--no-deps .",
        ".",
    }


def needed(*names: str, of: dict[str, Any]) -> set[str]:
    """The packages of a lock that these need on Linux, themselves included."""
    packages = {one["name"]: one for one in of["package"]}
    found: set[str] = set()
    open_ = list(names)
    while open_:
        name = open_.pop()
        if name not in found:
            found.add(name)
            open_ += [one["name"] for one in packages[name].get("dependencies", ())]
    return found


# Put together here, so that this file is none that names one.
HOSTS = [".".join(parts) for parts in (
    ("pypi", "org"), ("pythonhosted", "org"), ("piwheels", "org"), ("debian", "org"),
    ("npmjs", "org"), ("npmjs", "com"), ("yarnpkg", "com"), ("archive", "ubuntu", "com"),
    ("ports", "ubuntu", "com"), ("security", "ubuntu", "com"), ("crates", "io"),
    ("proxy", "golang", "org"), ("rubygems", "org"),
)]  # fmt: skip
"""Package registries. Which of them, or which mirror, is for the machine to say."""


def test_nothing_but_a_lock_names_a_registry() -> None:
    sign = re.compile("|".join(map(re.escape, HOSTS)).encode())
    files = [ROOT / name for name in names_of_our_files()]
    found = [
        str(file.relative_to(ROOT))
        for file in files
        if file.name not in {"uv.lock", "package-lock.json"}
        if file.is_file() and sign.search(file.read_bytes())
    ]
    assert files
    assert found == []


BUILT_FROM = {
    "snapcraft.yaml": ["LICENSE", "README.md", "pyproject.toml", "uv.lock", "sungather/a/b.py"],
    "charmcraft.yaml": ["pyproject.toml", "uv.lock", "src/a/b.py"],
}
LEFT_BEHIND = (
    ".venv/pyvenv.cfg", ".tox/unit/x", ".git/config", "node_modules/x", "dist/x.whl", "x.snap",
    "src/__pycache__/x.pyc", "src/.venv/x", "sungather/__pycache__/x.pyc", "sungather/.tox/x",
)  # fmt: skip


@pytest.mark.parametrize("name", BUILT_FROM)
def test_only_what_it_is_made_of_travels_into_the_build(name: str, tmp_path: Path) -> None:
    (part,) = (one for one in read(name)["parts"].values() if "source" in one)
    project, build = tmp_path / "project", tmp_path / "build"
    source = project / part["source"]
    for file in ["sungather/__init__.py", *BUILT_FROM[name], *LEFT_BEHIND]:
        (source / file).parent.mkdir(parents=True, exist_ok=True)
        (source / file).write_text('__version__ = "1"\n')
    (build / "of-the-last-time").mkdir(parents=True)
    default = f'cp -a "$CRAFT_PROJECT_DIR/{part["source"]}/." .'
    craftctl = f'craftctl() {{ if [ "$1" = default ]; then {default}; fi; }}'
    pull = part.get("override-pull", "craftctl default")
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{craftctl}\n{pull}"],
        cwd=build,
        env=os.environ | {"CRAFT_PROJECT_DIR": str(project)},
        check=True,
    )
    found = {str(file.relative_to(build)) for file in build.rglob("*") if not file.is_dir()}
    extra = {"sungather/__init__.py"} if name == "snapcraft.yaml" else set[str]()
    assert found == {*BUILT_FROM[name], *extra}
    assert not (build / "of-the-last-time").exists()


def test_the_charm_has_no_other_files_than_those_that_are_pulled() -> None:
    assert {file.name for file in (ROOT / "charm").iterdir() if file.name[0] != "."} == {
        "pyproject.toml",
        "src",
        "uv.lock",
    }
