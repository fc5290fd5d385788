"""Which networks may be looked through, and the options that come out of it."""

from dataclasses import replace
from ipaddress import IPv4Network

import pytest
import yaml

from sungather import errors
from sungather.device.found import Found, options_text
from sungather.device.networks import LARGEST, networks_of
from sungather.options.keys import inverter_name
from sungather.reading import Path

CABLE = Found("192.168.1.10", "modbus", 1, "SH10RT", "A2310715068", Path.CABLE, "inverter", "")
WEB = Found("192.168.1.11", "http", 1, "", "", Path.DONGLE, "WiNet-S with login dongle", "")


@pytest.mark.parametrize(
    "text", ["192.168.1.0/24", "10.1.2.3/32", "172.16.0.0/22", " 169.254.1.0/24 ", "127.0.0.1"]
)
def test_private_networks_may_be_looked_through(text: str) -> None:
    assert networks_of([text]) == (IPv4Network(text.strip(), strict=False),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("8.8.8.0/24", "not a private network"),
        ("192.0.2.0/24", "not a private network"),
        ("100.64.0.0/24", "not a private network"),
        ("172.32.0.0/24", "not a private network"),
        ("0.0.0.0/0", "not a private network"),
        ("192.168.0.0/15", "not a private network"),
        ("10.0.0.0/8", f"at most {LARGEST}"),
        ("fd00::/64", "IPv6"),
        ("my-home", "not a network"),
        ("", "not a network"),
    ],
)
def test_public_networks_and_those_too_large_are_refused(text: str, says: str) -> None:
    with pytest.raises(errors.OptionsError, match=says):
        networks_of([text])


def test_all_wrong_networks_are_named_at_once() -> None:
    with pytest.raises(errors.OptionsError) as caught:
        networks_of(["192.168.1.0/24", "8.8.8.0/24", "nonsense"])
    assert len(caught.value.problems) == 2


def test_one_device_gives_the_short_form() -> None:
    assert yaml.safe_load(options_text([CABLE])) == {"inverter": {"host": "192.168.1.10"}}


def test_a_dongle_and_the_second_of_a_cascade_say_so_in_the_options() -> None:
    found = replace(WEB, unit=2)
    assert yaml.safe_load(options_text([found])) == {
        "inverter": {"host": "192.168.1.11", "connection": "http", "unit": 2}
    }


def test_several_devices_get_names_that_the_options_take() -> None:
    twin = replace(CABLE, host="192.168.1.12", serial="A2310715069")
    odd = replace(CABLE, host="192.168.1.13", serial="X", model="SG5.5RS-JP / SG6.0RS_é!")
    options = yaml.safe_load(options_text([CABLE, WEB, twin, odd]))
    assert {name: row["host"] for name, row in options["inverters"].items()} == {
        "sh10rt": "192.168.1.10",
        "inverter": "192.168.1.11",
        "sh10rt-2": "192.168.1.12",
        "sg5-5rs-jp-sg6-0rs": "192.168.1.13",
    }
    assert all(map(inverter_name, options["inverters"]))


def test_of_two_ways_to_one_inverter_the_cable_is_taken_and_the_other_mentioned() -> None:
    dongle = replace(CABLE, host="192.168.1.9", path=Path.DONGLE, connection="http")
    text = options_text([dongle, CABLE])
    assert yaml.safe_load(text) == {"inverter": {"host": "192.168.1.10"}}
    assert "# 192.168.1.9 is another way to SH10RT A2310715068" in text


def test_nothing_found_gives_nothing_to_paste() -> None:
    assert options_text([]) == ""
