"""What stands around the charm: the Terraform module and the workflows."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yaml"))


@pytest.mark.parametrize("side", ["provides", "requires"])
def test_the_terraform_module_knows_every_endpoint(charmcraft: dict[str, Any], side: str) -> None:
    text = (ROOT / "terraform/outputs.tf").read_text()
    block = re.search(rf'output "{side}" {{(.*?)\n}}', text, re.DOTALL)
    assert block is not None
    named = dict(re.findall(r"(\w+) += \"([\w-]+)\"", block[1].partition("value =")[2]))
    assert set(named.values()) == set(charmcraft[side])
    assert all(key == name.replace("-", "_") for key, name in named.items())


def test_the_terraform_module_deploys_this_charm(charmcraft: dict[str, Any]) -> None:
    text = (ROOT / "terraform/main.tf").read_text()
    assert f'name     = "{charmcraft["name"]}"' in text
    bases = {one.partition(":")[0] for one in built_for(charmcraft)}
    for module in ("terraform", "terraform/sites"):
        default = block("variable", "base", ROOT / module)["default"].strip('"')
        assert default in bases


def built_for(charmcraft: dict[str, Any]) -> set[str]:
    """BASE:ARCHITECTURE of every charm that is packed."""
    rows = charmcraft["platforms"].values()
    assert all(row["build-on"] == row["build-for"] for row in rows)
    return {one for row in rows for one in row["build-for"]}


def block(kind: str, name: str, module: Path) -> dict[str, str]:
    """The plain settings of one block of a Terraform module; empty if there is none."""
    text = "\n".join(file.read_text() for file in sorted(module.glob("*.tf")))
    found = re.search(rf'^{kind} "{name}" {{\n(.*?)^}}', text, re.DOTALL | re.MULTILINE)
    return dict(re.findall(r"^ *(\w+) += (.+)$", found[1], re.MULTILINE)) if found else {}


def test_the_charm_is_built_for_both_supported_bases_and_architectures(
    charmcraft: dict[str, Any],
) -> None:
    assert built_for(charmcraft) == {
        f"ubuntu@{release}:{machine}"
        for release in ("24.04", "26.04")
        for machine in ("amd64", "arm64")
    }


@pytest.mark.parametrize("module", ["terraform", "terraform/sites"])
def test_a_terraform_module_uses_what_it_declares_and_nothing_else(module: str) -> None:
    text = "\n".join(file.read_text() for file in (ROOT / module).glob("*.tf"))
    declared = set(re.findall(r'^variable "(\w+)"', text, re.MULTILINE))
    assert set(re.findall(r"\bvar\.(\w+)", text)) == declared
    assert all(block("variable", one, ROOT / module)["description"] for one in declared)
    assert text.count("{") == text.count("}")


def test_the_module_of_sites_gives_the_other_module_what_it_takes() -> None:
    text = (ROOT / "terraform/sites/main.tf").read_text()
    given = set(re.findall(r"^  (\w+) +=", text, re.MULTILINE)) - {"source", "for_each"}
    inner = (ROOT / "terraform/variables.tf").read_text()
    assert given <= set(re.findall(r'^variable "(\w+)"', inner, re.MULTILINE))
    fields = set(re.findall(r"\beach\.value\.(\w+)", text))
    sites = block("variable", "sites", ROOT / "terraform/sites")
    assert fields == sites.keys() - {"description", "type"}


def test_what_the_charm_assumes_is_what_is_tried(charmcraft: dict[str, Any]) -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yaml").read_text())
    tried = workflow["jobs"]["integration"]["strategy"]["matrix"]["juju"]
    assert tried == ["3.6/stable", "4.0/stable"]
    assert charmcraft["assumes"] == ["juju >= 3.6", "juju < 5"]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_actions_of_workflows_are_pinned_to_a_commit(file: Path) -> None:
    uses = re.findall(r"uses: (\S+)(.*)", file.read_text())
    for what, comment in uses:
        local = what.startswith("./")
        assert local or re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", what), what
        assert local or re.search(r"# v\d", comment), what


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_workflows_get_no_more_rights_than_they_need(file: Path) -> None:
    workflow = yaml.safe_load(file.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert "uses" in job or "timeout-minutes" in job


def test_what_is_uploaded_is_attested_with_what_it_is_made_of() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/release.yaml").read_text())
    job = workflow["jobs"]["release"]
    assert job["permissions"] == {
        "contents": "read", "id-token": "write", "attestations": "write"
    }  # fmt: skip
    attested: dict[str, set[str]] = {}
    for step in job["steps"]:
        if step.get("uses", "").startswith("actions/attest@"):
            bill = step["with"].get("sbom-path", "provenance")
            attested[bill] = set(step["with"]["subject-path"].split())
        elif "upload" in step.get("run", ""):
            assert len(attested) == 3, "before anything is handed out"
    everything = {"*.snap", "*.charm", "*.whl", "*.tar.gz"}
    assert attested == {
        "provenance": everything,
        "sungather.cdx.json": everything - {"*.charm"},
        "sungather-charm.cdx.json": {"*.charm"},
    }


def test_what_is_packed_is_what_the_release_script_makes() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yaml").read_text())
    steps = workflow["jobs"]["pack"]["steps"]
    (upload,) = (one["with"] for one in steps if "upload-artifact" in one.get("uses", ""))
    assert any(".ci/release --dry-run built" in one.get("run", "") for one in steps)
    assert all(name.startswith("built/") for name in upload["path"].split())
    assert not {name for name in upload["path"].split() if "SHA256SUMS" in name}


def test_every_environment_of_tox_that_a_workflow_runs_exists() -> None:
    known = set(re.findall(r"^\[testenv:([^]]+)\]", (ROOT / "tox.ini").read_text(), re.MULTILINE))
    run = {name for f in WORKFLOWS for name in re.findall(r"tox run -e (\S+)", f.read_text())}
    assert run
    assert run <= known
