"""Which ports are opened and told to others: where the snap serves, and nowhere else."""

import json
from pathlib import Path
from typing import Any

import pytest
from charm_model import (
    HOST,
    MODEL,
    Config,
    Context,
    active,
    after_config_changed,
    blocked,
    state,
    status,
)
from fake_snapd import FakeSnapd
from hypothesis import given
from hypothesis import strategies as st
from ops import testing

import config
import ownership
import snap_ports
from sungather.options.check import check
from sungather.options.configuration import configured

SERVED: Config = HOST | {"enable-modbus-server": True}
NONSENSE = (0, -1, 65536, 70000)
GARAGE = "inverters.garage.host: 10.0.0.2"


def opened(context: Context, given: Config, **more: Any) -> set[int | None]:
    out = after_config_changed(context, state(given, **more))
    return {port.port for port in out.opened_ports}


CASES: list[tuple[Config, set[int]]] = [
    ({}, {8080}),
    ({"webserver-port": 8090}, {8090}),
    ({"enable-webserver": False}, set()),
    ({"enable-modbus-server": True}, {8080, 5502}),
    ({"enable-modbus-server": True, "modbus-server-port": 502}, {8080, 502}),
    ({"enable-modbus-server": True, "enable-webserver": False}, {5502}),
    ({"modbus-server-port": 1502}, {8080}),
    ({"enable-modbus-server": True, "extra-options": GARAGE}, {8080, 5502, 5503}),
    (
        {
            "enable-modbus-server": True,
            "extra-options": f"{GARAGE}\ninverters.garage.modbus-server-port: 1502",
        },
        {8080, 1502, 5503},
    ),
]


@pytest.mark.parametrize(("more", "ports"), CASES)
def test_every_port_that_is_served_is_open_and_no_other(
    context: Context, snapd: FakeSnapd, more: Config, ports: set[int]
) -> None:
    assert opened(context, HOST | more) == ports


def test_a_port_that_is_served_no_more_is_closed(context: Context, snapd: FakeSnapd) -> None:
    before = after_config_changed(context, state(SERVED))
    out = after_config_changed(context, state(HOST, opened_ports=before.opened_ports))
    assert {port.port for port in out.opened_ports} == {8080}


def test_the_options_reach_the_snap(context: Context, snapd: FakeSnapd) -> None:
    assert status(context, state(SERVED | {"modbus-server-port": 502})) == active()
    assert snapd.options["modbus-server.enabled"] == "true"
    assert snapd.options["modbus-server.port"] == "502"


def test_a_standby_serves_nobody(context: Context, snapd: FakeSnapd) -> None:
    assert opened(context, SERVED, leader=False) == set()


def test_without_an_inverter_there_is_no_modbus_to_serve(
    context: Context, snapd: FakeSnapd
) -> None:
    assert opened(context, {"enable-modbus-server": True}) == {8080}


def test_a_unit_beside_the_one_that_polls_opens_nothing(
    context: Context, snapd: FakeSnapd, tmp_path: Path
) -> None:
    ownership.DIRECTORY.mkdir(exist_ok=True)
    entry = {"model": MODEL.uuid, "application": "sungather", "home": str(tmp_path)}
    file = ownership.DIRECTORY / "sungather.json"
    file.write_text(json.dumps(entry | {"polls": True}))
    assert opened(context, SERVED, leader=False) == set()


@pytest.mark.parametrize("port", NONSENSE)
@pytest.mark.parametrize(
    ("name", "key"), [("webserver-port", "web.port"), ("modbus-server-port", "modbus-server.port")]
)
def test_a_port_that_is_none_is_refused_and_what_was_served_goes_on(
    context: Context, snapd: FakeSnapd, name: str, key: str, port: int
) -> None:
    """The hook does not fail, and no neighbour hears of it: haproxy would stop for all."""
    relations = [testing.Relation(one) for one in ("ingress", "metrics-endpoint", "cos-agent")]
    usual: Config = SERVED | {"webserver-port": 8090, "modbus-server-port": 1502}
    after_config_changed(context, state(usual))
    out = after_config_changed(context, state(usual | {name: port}, relations=relations))
    message = blocked(out.unit_status)
    assert message.startswith(f"{key} must be a port number from 1 to 65535, not {port}. ")
    assert message.endswith(f"juju config sungather {name}=VALUE")
    assert {one.port for one in out.opened_ports} == {8090, 1502}
    ingress, scraped, beside = (out.get_relation(one.id) for one in relations)
    assert json.loads(ingress.local_app_data["port"]) == 8090
    assert "*:8090" in scraped.local_app_data["scrape_jobs"]
    assert "localhost:8090" in str(beside.local_unit_data)


@pytest.mark.parametrize("port", NONSENSE)
def test_a_wrong_port_from_the_start_is_told_to_nobody(
    context: Context, snapd: FakeSnapd, port: int
) -> None:
    relation = testing.Relation("ingress")
    given = HOST | {"webserver-port": port}
    out = after_config_changed(context, state(given, relations=[relation]))
    blocked(out.unit_status)
    assert json.loads(out.get_relation(relation.id).local_app_data["port"]) == 8080


def test_a_port_that_hangs_on_another_refused_option_is_not_told_before_it_is_served(
    context: Context, snapd: FakeSnapd
) -> None:
    after_config_changed(context, state(HOST))
    assert opened(context, HOST | {"webserver-port": 8090, "log-level": "LOUD"}) == {8080}
    assert opened(context, HOST | {"webserver-port": 8090}) == {8090}


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "zz"]),
        st.tuples(st.booleans(), st.one_of(st.none(), st.integers(1, 65535))),
    ),
    st.integers(1, 65533),
)
def test_the_ports_are_those_that_the_collector_serves(
    inverters: dict[str, tuple[bool, int | None]], first: int
) -> None:
    texts = {"modbus-server.enabled": "true", "modbus-server.port": str(first)}
    for name, (with_host, own) in sorted(inverters.items()):
        if with_host:
            texts[f"inverters.{name}.host"] = "10.0.0.1"
        texts[f"inverters.{name}.modbus-server-port"] = "" if own is None else str(own)
    checked = check(texts, need_inverter=False)
    if not checked.problems:
        assert list(snap_ports.read(texts).modbus) == configured(checked, {}).modbus_ports


@given(st.dictionaries(st.sampled_from(list(config.GOVERNED)), st.text(max_size=6)))
def test_whatever_the_options_are_ports_are_ports(texts: dict[str, str]) -> None:
    found = snap_ports.read(texts | {"modbus-server.enabled": "true"})
    assert all(0 < port < 65536 for port in (found.web, *found.modbus))
