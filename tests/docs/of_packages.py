"""Tables about the snap and the charm, from snapcraft.yaml and charmcraft.yaml."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from tests.docs.markdown import code, table

_ROOT = Path(__file__).parents[2]
_SIDES = {
    "provides": "we provide it",
    "requires": "we use it",
    "peers": "between our own units",
}


def _read(name: str) -> Mapping[str, Any]:
    content: object = yaml.safe_load((_ROOT / name).read_text(encoding="utf-8"))
    return cast(Mapping[str, Any], content)


def snap_apps() -> str:
    """The commands of the snap, what each runs and may reach."""
    rows: list[list[str]] = []
    for name, app in _read("snapcraft.yaml")["apps"].items():
        called = "sungather" if name == "sungather" else f"sungather.{name}"
        what = "service" if "daemon" in app else "command"
        words = str(app["command"]).partition("-m ")[2]
        rows.append([code(called), what, code(words), ", ".join(app.get("plugs", ()))])
    return table(["App", "Kind", "Runs `python3 -m …`", "Plugs"], rows)


def charm_options() -> str:
    """The config options of the charm."""
    rows = [
        [code(name), one["type"], _default(one), one["description"]]
        for name, one in _read("charmcraft.yaml")["config"]["options"].items()
    ]
    return table(["Option", "Type", "Default", "Meaning"], rows)


def _default(option: Mapping[str, Any]) -> str:
    value = option.get("default", "")
    return code(str(value).lower() if isinstance(value, bool) else str(value))


def charm_actions() -> str:
    """The actions of the charm."""
    rows = [
        [code(name), one["description"], ", ".join(map(code, one.get("params", ())))]
        for name, one in _read("charmcraft.yaml").get("actions", {}).items()
    ]
    return table(["Action", "What it does", "Parameters"], rows)


def charm_resources() -> str:
    """The resources of the charm."""
    rows = [
        [code(name), one["type"], one["description"]]
        for name, one in _read("charmcraft.yaml").get("resources", {}).items()
    ]
    return table(["Resource", "Type", "Meaning"], rows)


def charm_relations() -> str:
    """The endpoints of the charm; a sentence where it has none."""
    charm = _read("charmcraft.yaml")
    rows = [
        [code(name), code(one["interface"]), words, one.get("description", "")]
        for side, words in _SIDES.items()
        for name, one in charm.get(side, {}).items()
    ]
    if not rows:
        return "The charm has no relations yet.\n"
    return table(["Endpoint", "Interface", "Side", "Meaning"], rows)


def charm_alerts() -> str:
    """The alert rules that go with the charm; labels in their words become NAMEs."""
    rows = [
        [code(rule["alert"]), rule["labels"]["severity"],
         "at once" if rule["for"] == "0m" else rule["for"],
         re.sub(r"{{ \$labels\.(?:juju_)?(\w+) }}", lambda one: one[1].upper(), _words(rule))]
        for file in sorted((_ROOT / "charm/src/prometheus_alert_rules").iterdir())
        for group in _read(str(file.relative_to(_ROOT)))["groups"]
        for rule in group["rules"]
    ]  # fmt: skip
    return table(["Alert", "Severity", "After", "What it says"], rows)


def _words(rule: Mapping[str, Any]) -> str:
    return re.sub(r"{{ \$value.*?}}|{{ printf.*?}}", "…", rule["annotations"]["summary"])


def charm_dashboards() -> str:
    """The dashboards that go with the charm."""
    rows: list[list[str]] = []
    for file in sorted((_ROOT / "charm/src/grafana_dashboards").glob("*.json")):
        board = cast(Mapping[str, Any], json.loads(file.read_text(encoding="utf-8")))
        panels = [one["title"] for one in board["panels"] if one["type"] != "row"]
        rows.append([board["title"], board["description"], ", ".join(panels)])
    return table(["Dashboard", "What it is about", "Panels"], rows)
