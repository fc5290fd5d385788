"""The household's powers of one inverter: signs, the house, and what cannot be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sungather.registers.device import Device
from sungather.registers.powers import off_grid, powers

STRING = Device(0x2430, "SG10RT", "SG-RT", nominal_kw=10)
HYBRID = Device(0x0E03, "SH10RT", "SH-RT", nominal_kw=10)
BLIND = Device(0x2430, "SG10RT", "SG-RT", nominal_kw=10, meter=False)


@pytest.mark.parametrize(
    ("device", "said", "expected"),
    [
        pytest.param(
            HYBRID,
            {
                "total_dc_power": 5096,
                "load_power_hybrid": 1544,
                "export_power_hybrid": 1823,
                "battery_power": -1640,
                "total_active_power": 3367,
            },
            {"pv": 5096, "house": 1544, "grid_export": 1823, "battery_charge": 1640},
            id="hybrid exports and charges",
        ),
        pytest.param(
            HYBRID,
            {"load_power_hybrid": 2000, "export_power_hybrid": -402, "battery_power": 1598},
            {"house": 2000, "grid_import": 402, "battery_discharge": 1598},
            id="hybrid imports and discharges",
        ),
        pytest.param(
            HYBRID,
            {"meter_total_power": -1823, "total_active_power": 3367},
            {"grid_export": 1823, "house": 1544},
            id="hybrid with the meter's own figure only",
        ),
        pytest.param(
            STRING,
            {"total_active_power": 6581, "meter_power": -4210, "load_power": 2371},
            {"pv": 6581, "house": 2371, "grid_export": 4210},
            id="string inverter exports",
        ),
        pytest.param(
            STRING,
            {"total_active_power": -3, "meter_power": 400, "total_dc_power": 9},
            {"pv": 0, "house": 397, "grid_import": 400},
            id="string inverter at dusk",
        ),
        pytest.param(
            STRING,
            {"total_active_power": 6581, "load_power": 2371, "battery_power": 7},
            {"pv": 6581},
            id="without an answer of the meter there is neither grid nor house",
        ),
        pytest.param(
            BLIND,
            {"total_active_power": 6581, "meter_power": 0, "load_power": 0},
            {"pv": 6581},
            id="without a meter there is neither grid nor house",
        ),
        pytest.param(STRING, {}, {}, id="nothing from nothing"),
    ],
)
def test_powers_have_one_sign_on_every_model(
    device: Device, said: dict[str, float], expected: dict[str, float]
) -> None:
    found = powers(said, device).flows
    assert {flow: watts for flow, watts in found.items() if watts} == {
        flow: watts for flow, watts in expected.items() if watts
    }
    assert expected.keys() <= found.keys()
    pairs = {"grid_import": "grid_export", "battery_charge": "battery_discharge"}
    both = set(pairs) | set(pairs.values())
    for one, other in pairs.items():
        assert (one in found) == (other in found)
    assert found.keys() - both <= set(expected)


SOURCES = (
    *("total_dc_power", "total_active_power", "load_power", "load_power_hybrid", "meter_power"),
    *("meter_total_power", "export_power_hybrid", "battery_power"),
)
watts = st.integers(-20000, 20000)


@given(st.dictionaries(st.sampled_from(SOURCES), watts), st.sampled_from([STRING, HYBRID, BLIND]))
def test_no_power_is_negative_and_only_one_direction_flows(
    said: dict[str, float], device: Device
) -> None:
    found = powers(said, device).flows
    assert all(power >= 0 for power in found.values())
    for one, other in (
        ("grid_import", "grid_export"),
        ("battery_charge", "battery_discharge"),
    ):
        assert not (found.get(one) and found.get(other))


@given(
    st.fixed_dictionaries(dict.fromkeys(("total_active_power", "export_power_hybrid"), watts)),
    st.sampled_from([STRING, HYBRID]),
)
def test_a_house_figure_made_of_inverter_and_grid_balances(
    said: dict[str, float], device: Device
) -> None:
    if device is STRING:
        said["meter_power"] = -said.pop("export_power_hybrid")
    found = powers(said, device)
    balance = said["total_active_power"] + found.flows["grid_import"] - found.flows["grid_export"]
    if found.negative_house is not None:
        assert found.negative_house == balance < -50
        assert "house" not in found.flows
    else:
        assert found.flows["house"] == max(0, balance)


# --- the house ---


@pytest.mark.parametrize(
    ("device", "said", "house"),
    [
        pytest.param(
            STRING,
            {"total_active_power": 4550, "meter_power": -3400, "load_power": 0},
            1150,
            id="a load of 0 beside a balance: the balance is right",
        ),
        pytest.param(
            STRING,
            {"total_active_power": 0, "meter_power": 726, "load_power": 0},
            726,
            id="the same at night",
        ),
        pytest.param(
            STRING,
            {"total_active_power": 3000, "meter_power": -2990, "load_power": 0},
            10,
            id="hardly any load is no contradiction",
        ),
        pytest.param(
            STRING,
            {"total_active_power": 3000, "meter_power": -3040, "load_power": 0},
            0,
            id="a balance just below 0 is an error of measurement",
        ),
        pytest.param(
            STRING,
            {"total_active_power": 3000, "meter_power": -4500, "load_power": 0},
            None,
            id="a meter that counts another inverter's feed-in tells no house",
        ),
        pytest.param(
            STRING,
            {"total_active_power": 3000, "meter_power": -1000, "load_power": -2000},
            None,
            id="a negative load is a meter's problem, whatever the balance is",
        ),
        pytest.param(
            STRING,
            {"total_active_power": 3000, "meter_power": -1000, "load_power": -5},
            2000,
            id="a load of -5 W is as good as none",
        ),
        pytest.param(STRING, {"meter_power": 726, "load_power": 0}, None, id="0 alone is no load"),
        pytest.param(
            STRING, {"total_active_power": 2000, "load_power": 2000}, None, id="no meter, no load"
        ),
        pytest.param(
            HYBRID,
            {
                "total_dc_power": 4000,
                "total_active_power": 3900,
                "battery_power": 0,
                "export_power_hybrid": 8000,
                "load_power_hybrid": 0,
            },
            None,
            id="hybrid beside a string inverter on one meter",
        ),
        pytest.param(
            HYBRID,
            {
                "total_dc_power": 4000,
                "total_active_power": 2900,
                "battery_power": -1000,
                "export_power_hybrid": 2000,
            },
            900,
            id="hybrid that does not tell its load",
        ),
        pytest.param(
            HYBRID,
            {
                "total_dc_power": 4000,
                "total_active_power": 0,
                "battery_power": -1000,
                "export_power_hybrid": 2000,
            },
            None,
            id="inverter and panels contradict each other",
        ),
        pytest.param(
            HYBRID,
            {
                "total_dc_power": 1000,
                "total_active_power": 5000,
                "battery_power": 0,
                "export_power_hybrid": 1000,
            },
            None,
            id="an output that comes from nowhere makes no house",
        ),
        pytest.param(
            HYBRID,
            {"total_dc_power": 4000, "battery_power": -1000, "export_power_hybrid": 2000},
            1000,
            id="hybrid that does not tell its output",
        ),
        pytest.param(
            HYBRID,
            {"total_dc_power": 4000, "export_power_hybrid": 2000},
            None,
            id="an unknown battery leaves the balance open",
        ),
    ],
)
def test_the_house_is_the_load_or_the_balance_or_absent(
    device: Device, said: dict[str, float], house: float | None
) -> None:
    assert powers(said, device).flows.get("house") == house


@pytest.mark.parametrize(
    ("device", "said", "name"),
    [
        (
            STRING,
            {"total_active_power": 4550, "meter_power": -3400, "load_power": 0},
            "load_power",
        ),
        (STRING, {"total_active_power": 2000, "load_power": 2000}, "load_power"),
        (STRING, {"total_active_power": 3000, "meter_power": -2990, "load_power": 0}, ""),
        (STRING, {"total_active_power": 3000, "meter_power": -800, "load_power": 2200}, ""),
        (HYBRID, {"load_power_hybrid": 850}, ""),
        (
            HYBRID,
            {"total_active_power": 900, "export_power_hybrid": -100, "load_power_hybrid": 0},
            "load_power_hybrid",
        ),
    ],
)
def test_a_load_register_that_cannot_be_right_is_named(
    device: Device, said: dict[str, float], name: str
) -> None:
    assert powers(said, device).false_load == name


@pytest.mark.parametrize(
    ("said", "house"),
    [
        ({"load_power_hybrid": 850, "total_backup_power": 850}, 850),
        ({"load_power_hybrid": 0, "total_backup_power": 700}, 700),
        ({"total_backup_power": 700}, 700),
        ({"total_dc_power": 300, "battery_power": 400}, 700),
        ({"total_dc_power": 300}, None),
    ],
)
def test_without_the_grid_the_house_is_what_the_inverter_feeds(
    said: dict[str, float], house: float | None
) -> None:
    found = powers(said, HYBRID, without_grid=True).flows
    assert found.get("house") == house
    assert "grid_import" not in found
    assert powers(said, HYBRID).flows.get("house") is None


def test_nothing_stands_in_for_a_load_that_is_doubted() -> None:
    said = {"total_active_power": 2639, "export_power_hybrid": -300}
    assert powers(said, HYBRID).flows["house"] == 2939
    doubted = powers(said, HYBRID, doubted={"load_power_hybrid"}).flows
    assert "house" not in doubted
    assert doubted["grid_import"] == 300


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"system_state": "Running off-grid"}, True),
        ({"system_state": "Off-grid charge"}, True),
        ({"grid_state": "Off grid", "system_state": "Running"}, True),
        ({"grid_state": "On grid", "system_state": "Running"}, False),
        ({}, False),
    ],
)
def test_the_device_says_whether_it_works_without_the_grid(
    values: dict[str, str], expected: bool
) -> None:
    assert off_grid(values) is expected
