"""What the real libraries on the other side of our relations wrote and read, as recorded.

Each file of `recorded/` is data of one interface: which library in which version, and for each
situation the databags that our charm wrote ("ours"), what the library's own charm side writes for
the same charm ("theirs"), what the library's other side read from ours ("read"), and what it wrote
back ("back"). None of their code is here.
"""

import json
from pathlib import Path
from typing import Any, cast

import pytest
from charm_model import HOST, Config, Context, state
from cosl import LZMABase64
from ops import testing

import observability

RECORDED = Path(__file__).with_name("recorded")
ADDRESS = "192.0.2.0"
FQDN = "house.home"
JUJU_KEYS = {"egress-subnets", "ingress-address", "private-address"}
RULES = """\
groups:
  - name: sungather
    rules:
      - alert: Fault
        expr: max by (name) (sungather_faults{%%juju_topology%%}) > 0
        for: 2m
        labels:
          severity: critical
        annotations:
          summary: "{{ $labels.juju_application }}: a fault"
"""
DASHBOARD = {
    "title": "Small",
    "tags": ["solar"],
    "panels": [{"targets": [{"expr": "sungather_pv_power_watts", "legendFormat": "PV"}]}],
}
"""So small that editing a real one makes no record old."""

SITUATIONS: dict[str, tuple[Config, bool]] = {
    "reads": (HOST, True),
    "standby": (HOST, False),
    "page off": (HOST | {"enable-webserver": False}, True),
}
"""Name -> config, and whether the unit leads."""


def small_charm(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our charm with one small rule and dashboard, on a machine with a name."""
    for name, file, text in (
        (observability.RULES, "sungather.yaml", RULES),
        (observability.DASHBOARDS, "small.json", json.dumps(DASHBOARD)),
    ):
        (directory / "src" / name).mkdir(parents=True)
        (directory / "src" / name / file).write_text(text)
    monkeypatch.setattr(observability, "SOURCE", directory / "src")
    monkeypatch.setattr("socket.getfqdn", lambda: FQDN)


def related(
    context: Context, endpoint: str, situation: str, **more: Any
) -> tuple[dict[str, str], dict[str, str], testing.State]:
    """Our databags of application and unit, as they are on the wire, and the state after."""
    config, leader = SITUATIONS[situation]
    relation = testing.Relation(endpoint, **more)
    before = state(config, leader=leader, relations=[relation])
    out = context.run(context.on.relation_changed(relation, remote_unit=0), before)
    after = out.get_relation(relation.id)
    assert isinstance(after, testing.Relation)
    return _sent(after.local_app_data), _sent(after.local_unit_data), out


def plain(value: Any) -> Any:
    """A databag as values: JSON read, dashboards unpacked, random numbers left out."""
    if isinstance(value, dict):
        parts = cast("dict[str, Any]", value).items()
        return {key: plain(part) for key, part in parts if key != "uuid"}
    if isinstance(value, list):
        return [plain(part) for part in cast("list[Any]", value)]
    if not isinstance(value, str):
        return value
    if value.startswith("/Td6WFoA"):
        return json.loads(LZMABase64.decompress(value))
    try:
        found = json.loads(value)
    except ValueError:
        return value
    return plain(cast("Any", found)) if isinstance(found, dict | list) else found


def _sent(bag: Any) -> dict[str, str]:
    return {key: text for key, text in bag.items() if key not in JUJU_KEYS}
