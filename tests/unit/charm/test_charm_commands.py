"""Every command that the charm tells people to give is one that Juju and the charm know."""

import re
from pathlib import Path
from typing import Any

import observability

SOURCES = sorted(observability.SOURCE.glob("*.py"))
KNOWN = {
    "add-unit",
    *("config", "run", "exec", "scp", "attach-resource", "status", "remove-unit", "expose"),
    *("add-secret", "grant-secret", "update-secret"),
}


def texts() -> str:
    """All sources, with strings that continue in the next line put together."""
    found = "\n".join(Path(file).read_text() for file in SOURCES)
    return re.sub(r'"\n\s*f?"', "", found)


def test_every_command_is_one_of_jujus() -> None:
    named = set(re.findall(r"juju ([a-z-]+)", texts()))
    assert named <= KNOWN
    assert {"config", "run", "grant-secret"} <= named


def test_every_option_that_a_command_sets_is_one_of_the_charm(charmcraft: dict[str, Any]) -> None:
    set_ones = re.findall(r"juju config (?:\{[^}]+\}|APPLICATION) ([a-z-]+)=", texts())
    assert len(set_ones) > 4
    assert set(set_ones) <= set(charmcraft["config"]["options"])


def test_every_action_that_a_command_runs_is_one_of_the_charm(charmcraft: dict[str, Any]) -> None:
    run = re.findall(r"juju run \{[^}]+\}(?:/leader)? ([a-z-]+)", texts())
    assert len(run) > 2
    assert set(run) <= set(charmcraft["actions"])


def test_the_resource_that_a_command_attaches_is_the_charms(charmcraft: dict[str, Any]) -> None:
    attached = set(re.findall(r"juju attach-resource \{[^}]+\} ([a-z-]+)=", texts()))
    assert attached == set(charmcraft["resources"])
