"""Several inverters as one household."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_values import measurements

from sungather.household import BATTERY_LEVEL, INTO_HOUSE
from sungather.reading import Reading, State, Value
from sungather.site import (
    ALL,
    AUTO,
    BATTERY,
    GRID,
    Amounts,
    Plant,
    metered,
    sources,
    summed,
    together,
)

NOW = datetime(2026, 6, 18, 12, tzinfo=UTC)
HYBRID: Amounts = {
    "pv": 4000.0,
    "grid_import": 0.0,
    "grid_export": 8000.0,
    "battery_charge": 0.0,
    "battery_discharge": 0.0,
    BATTERY_LEVEL: 80.0,
}
STRING: Amounts = {"pv": 5000.0}


def said(name: str, state: State = State.OK, **values: Value) -> Reading:
    return Reading(name, state, NOW, measurements=measurements(values))


def test_the_house_of_a_hybrid_and_a_string_inverter_is_the_balance_of_both() -> None:
    found = together({"roof": {**HYBRID, "house": 0.0}, "barn": STRING}, AUTO)
    assert found == {
        "pv": 9000,
        "house": 1000,
        "grid_import": 0,
        "grid_export": 8000,
        "battery_charge": 0,
        "battery_discharge": 0,
        BATTERY_LEVEL: 80,
    }


def test_three_inverters_two_batteries_and_one_meter() -> None:
    second = {"pv": 1000.0, "battery_charge": 0.0, "battery_discharge": 310.0, BATTERY_LEVEL: 40.0}
    bought = {**HYBRID, "grid_export": 0.0, "grid_import": 200.0}
    found = together({"roof": bought, "barn": STRING, "shed": second}, AUTO)
    assert (found["pv"], found["house"], found["battery_discharge"]) == (10000, 10510, 310)
    assert found[BATTERY_LEVEL] == 60


def test_one_inverter_alone_tells_its_own_house() -> None:
    assert together({"roof": {**HYBRID, "house": 850.0, "pv": None}}, AUTO)["house"] == 850


@pytest.mark.parametrize("missing", ["pv", "grid_import", "grid_export", "battery_charge"])
def test_without_a_part_there_is_no_sum_and_no_house(missing: str) -> None:
    found = together({"roof": {**HYBRID, missing: None}, "barn": STRING}, AUTO)
    assert missing not in found
    assert "house" not in found
    assert "house" not in together({"roof": HYBRID, "barn": {}}, AUTO)


@pytest.mark.parametrize(
    ("amount", "house"), [(9000.0, 0), (9100.0, 0), (9800.0, None), (8000.0, 1000)]
)
def test_a_house_below_0_is_absent_but_for_errors_of_measurement(
    amount: float, house: float | None
) -> None:
    found = together({"roof": {**HYBRID, "grid_export": amount}, "barn": STRING}, AUTO)
    assert found.get("house") == house


METER = dict.fromkeys(GRID, 100.0)


@pytest.mark.parametrize(
    ("parts", "meter", "expected"),
    [
        ({"roof": METER, "barn": STRING}, AUTO, ("roof",)),
        ({"roof": METER, "barn": METER}, AUTO, ()),
        ({"roof": METER, "barn": METER}, "barn", ("barn",)),
        ({"roof": METER, "barn": METER}, ALL, ("roof", "barn")),
        ({"roof": STRING, "barn": STRING}, AUTO, ()),
        ({"roof": METER, "barn": STRING}, "shed", ()),
    ],
)
def test_whose_meter_counts(
    parts: dict[str, Amounts], meter: str, expected: tuple[str, ...]
) -> None:
    assert metered(parts, meter) == expected


def test_meters_of_connections_of_their_own_add_up() -> None:
    parts = {name: {"pv": 1000.0, "grid_import": 50.0, "grid_export": 0.0} for name in "ab"}
    assert together(parts, ALL)["house"] == 2100
    assert "house" not in together(parts, AUTO)
    assert together(parts, "b")["house"] == 2050


amounts = st.dictionaries(
    st.sampled_from((*INTO_HOUSE, BATTERY_LEVEL)), st.none() | st.integers(0, 9000)
)


@given(st.dictionaries(st.sampled_from("abc"), amounts, min_size=2), st.sampled_from([AUTO, "a"]))
def test_a_sum_is_of_its_sources_all_of_which_are_known(
    parts: dict[str, Amounts], meter: str
) -> None:
    found, of = together(parts, meter), sources(parts, meter)
    for flow in INTO_HOUSE:
        known = [parts[name].get(flow) for name in of[flow]]
        assert (flow in found) == (bool(known) and None not in known)
        if flow in found:
            assert found[flow] == sum(amount or 0 for amount in known)
    if "house" in found:
        balance = sum(sign * found.get(flow, 0) for flow, sign in INTO_HOUSE.items())
        assert found["house"] == max(0, balance)


def test_a_string_inverter_that_sleeps_gives_nothing_and_one_that_is_lost_is_unknown() -> None:
    plant = Plant()
    barn = said("barn", pv_power=1200)
    roof = said("roof", pv_power=0, grid_import_power=400, grid_export_power=0)
    for reading in (barn, roof):
        plant.on_reading(reading)
    assert plant.powers([roof, barn])["house"] == 1600
    asleep = said("barn", State.ASLEEP)
    assert plant.powers([roof, asleep]) == {
        "pv": 0,
        "house": 400,
        "grid_import": 400,
        "grid_export": 0,
    }
    for lost, stale in ((said("barn", State.UNREACHABLE), ()), (barn, ("barn",))):
        assert plant.powers([roof, lost], stale) == {"grid_import": 400, "grid_export": 0}
    assert plant.powers([asleep]) == {}


def test_what_an_inverter_has_is_remembered_while_it_does_not_tell() -> None:
    plant = Plant()
    known = said("roof", battery_level=50.0, grid_import_power=1, grid_export_power=0)
    plant.on_reading(known)
    plant.on_reading(replace(known, state=State.UNREACHABLE, measurements={}))
    plant.on_reading(said("barn", pv_power=1))
    assert plant.has_battery("roof")
    assert not plant.has_battery("barn")
    assert plant.sources(["roof", "barn"])[GRID[0]] == ("roof",)
    assert not plant.several_meters(["roof", "barn"])
    assert plant.sources(["roof", "barn"])[BATTERY[0]] == ()


def test_several_meters_are_ambiguous_until_somebody_says_which_one_counts() -> None:
    for meter, ambiguous in ((AUTO, True), ("roof", False), (ALL, False)):
        plant = Plant(meter)
        for name in ("roof", "barn"):
            plant.on_reading(said(name, grid_import_power=1, grid_export_power=0))
        assert plant.several_meters(["roof", "barn"]) is ambiguous
        assert not plant.several_meters(["roof"])


IHM: Amounts = {
    "house": 1200.0,
    "grid_import": 0.0,
    "grid_export": 4310.0,
    "battery_charge": 2000.0,
    "battery_discharge": 0.0,
    BATTERY_LEVEL: 65.5,
}


def test_with_a_home_manager_grid_house_and_battery_are_its_own_and_the_panels_the_inverters() -> (
    None
):
    meterless = {"pv": 7510.0, "battery_charge": 1990.0, "battery_discharge": 0.0}
    parts = {"roof": meterless, "barn": STRING, "home": IHM}
    assert together(parts, AUTO, managers={"home"}) == {"pv": 12510, **IHM}
    of = sources(parts, AUTO, {"home"})
    assert (of["pv"], of["house"], of[GRID[0]], of[BATTERY[0]]) == (
        ("roof", "barn"),
        ("home",),
        ("home",),
        ("home",),
    )


@pytest.mark.parametrize("figure", [name for name in IHM if name != "house"])
def test_what_a_home_manager_does_not_tell_now_no_inverter_tells_in_its_place(
    figure: str,
) -> None:
    parts = {"roof": {**HYBRID, "house": 0.0}, "home": {**IHM, figure: None}}
    assert figure not in together(parts, AUTO, managers={"home"})


def test_a_battery_that_a_home_manager_has_not_is_the_inverters() -> None:
    home = {figure: IHM[figure] for figure in ("house", *GRID)}
    found = together({"roof": HYBRID, "home": home}, AUTO, managers={"home"})
    assert (found[BATTERY_LEVEL], found["house"]) == (80, 1200)


def test_energies_of_a_house_with_a_home_manager_are_the_balance_of_both() -> None:
    roof: Amounts = {"pv": 30.0, "battery_charge": 6.0, "battery_discharge": 4.0}
    home: Amounts = {"grid_import": 2.0, "grid_export": 18.0}
    found = together({"roof": roof, "home": home}, AUTO, "kWh", {"home"})
    assert (found["house"], found["grid_export"]) == (12, 18)


def test_the_meter_of_an_inverter_that_a_person_names_goes_before_a_home_manager() -> None:
    parts = {"roof": HYBRID, "home": IHM}
    found = together(parts, "roof", managers={"home"})
    assert (found["grid_export"], found[BATTERY_LEVEL]) == (8000, 80)


def of_family(name: str, family: str, at: str = "") -> Reading:
    return Reading(name, State.OK, NOW, family=family, connection=at or name)


@pytest.mark.parametrize(
    ("readings", "names"),
    [
        ([("roof", "SH-RT", ""), ("home", "ems", "")], ["roof", "home"]),
        ([("roof", "SH-RT", ""), ("roof-battery-1", "battery", "roof")], ["roof"]),
        # A logger stands for the string inverters behind it, and for no others.
        (
            [
                ("a", "SG-CX", "x"),
                ("b", "SG-CX", "x"),
                ("plant", "logger", "x"),
                ("c", "SG-RT", ""),
            ],
            ["plant", "c"],
        ),
        ([("plant", "logger", "x")], ["plant"]),
        # What it says of hybrids is also their batteries'.
        ([("a", "SH-T", "x"), ("plant", "logger", "x")], ["a"]),
        ([("a", "SH-T", "y"), ("plant", "logger", "x")], ["a", "plant"]),
        # One that nobody has seen yet is counted, so that no sum is taken for whole.
        ([("a", "", ""), ("home", "ems", "")], ["a", "home"]),
    ],
)
def test_nothing_is_counted_twice(readings: list[tuple[str, str, str]], names: list[str]) -> None:
    found = summed(of_family(*one) for one in readings)
    assert [one.name for one in found] == names


def test_a_plant_with_a_home_manager_takes_each_figure_from_where_it_is() -> None:
    plant = Plant()
    roof = replace(said("roof", pv_power=7510.0, grid_export_power=0.0), family="SH-RT")
    home = replace(said("home", house_power=1200.0, grid_export_power=4310.0), family="ems")
    for reading in (roof, home):
        plant.on_reading(reading)
    assert plant.powers([roof, home])["house"] == 1200
    assert plant.powers([roof, home])["pv"] == 7510
    assert not plant.several_meters(["roof", "home"])
