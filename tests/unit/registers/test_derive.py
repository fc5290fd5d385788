"""Household figures and SunGather's derived names, for whole readings."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sungather.household import FLOWS
from sungather.reading import Value
from sungather.registers.derive import UNITS, Derivation, Derived, run_state
from sungather.registers.device import Device

BERLIN = ZoneInfo("Europe/Berlin")
STRING = Device(0x2430, "SG10RT", "SG-RT", nominal_kw=10)
BLIND = Device(0x2430, "SG10RT", "SG-RT", nominal_kw=10, meter=False)
HYBRID = Device(0x0E03, "SH10RT", "SH-RT", nominal_kw=10)
NOON = datetime(2026, 6, 15, 10, tzinfo=UTC)


def step(
    values: Mapping[str, Value],
    device: Device = HYBRID,
    derivation: Derivation | None = None,
    now: datetime = NOON,
) -> Derived:
    derivation = derivation or Derivation(BERLIN)
    return derivation.step(values, device, now, now.timestamp())


# --- powers ---


def test_the_incumbents_grid_powers_are_the_household_figures() -> None:
    found = step({"export_power_hybrid": -402}).values
    assert found["import_from_grid"] == found["grid_import_power"] == 402
    assert found["export_to_grid"] == found["grid_export_power"] == 0


def test_a_load_of_0_that_the_balance_contradicts_is_not_published() -> None:
    said = {"total_active_power": 4550, "meter_power": -3400, "load_power": 0}
    found = step(said, STRING)
    assert found.rejected == {"load_power"}
    assert found.values["house_power"] == 1150
    assert not found.meter_problem


def test_a_house_below_0_is_a_meter_problem_that_the_log_is_told_once_a_day() -> None:
    said = {"total_active_power": 3000, "meter_power": -4500, "load_power": -1500}
    derivation = Derivation(BERLIN)
    first = step(said, STRING, derivation)
    assert "house_power" not in first.values
    assert first.rejected == set()  # the register is shown as what it is
    assert "1500 W" in first.meter_problem
    assert first.notes == [first.meter_problem]
    again = step(said, STRING, derivation, NOON + timedelta(minutes=5))
    assert (again.notes, again.meter_problem) == ([], first.meter_problem)
    good = step({**said, "meter_power": -500}, STRING, derivation, NOON + timedelta(minutes=6))
    assert "house_power" not in good.values
    fine = {**said, "meter_power": -500, "load_power": 2500}
    assert not step(fine, STRING, derivation, NOON + timedelta(minutes=7)).meter_problem
    tomorrow = step(said, STRING, derivation, NOON + timedelta(days=1))
    assert tomorrow.notes == [tomorrow.meter_problem]


def test_a_blackout_has_a_house_and_no_grid() -> None:
    found = step(
        {"system_state": "Running off-grid", "load_power_hybrid": 850, "battery_power": 9}
    )
    assert found.values["house_power"] == 850
    assert "grid_import_power" not in found.values


def test_texts_and_histories_under_a_power_name_are_not_taken_for_numbers() -> None:
    odd: dict[str, Value] = {
        "total_dc_power": [1.0, None],
        "export_power_hybrid": "402",
        "battery_power": True,
        "load_power_hybrid": float("nan"),
    }
    assert step(odd).values == {}


# --- run_state ---


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"work_state_1": "Run", "start_stop": "Start"}, "ON"),
        ({"work_state_1": "Derating run"}, "ON"),
        ({"system_state": "Running in forced mode"}, "ON"),
        ({"system_state": "Off-grid charge"}, "ON"),
        ({"system_state": "Restarting"}, "OFF"),
        ({"work_state_1": "Starting"}, "OFF"),
        ({"work_state_1": "Standby", "start_stop": "Start"}, "OFF"),
        ({"work_state_1": "Run", "start_stop": "Stop"}, "OFF"),
        ({"work_state_1": "unknown (0x1234)", "start_stop": "Start"}, "ON"),
        ({"work_state_1": "unknown (0x1234)"}, None),
        ({"start_stop": "Start"}, "ON"),
        ({}, None),
    ],
)
def test_run_state_follows_the_state_before_the_switch(
    values: dict[str, Value], expected: str | None
) -> None:
    assert run_state(values) == expected
    assert step(values).values.get("run_state") == expected


# --- energies ---

HYBRID_TODAY: dict[str, Value] = {
    "daily_pv_generation": 18.7,
    "daily_import_energy": 1.2,
    "daily_export_energy": 4.3,
    "daily_charge_energy": 5.3,
    "daily_battery_discharge_energy": 3.8,
}
HYBRID_TOTAL: dict[str, Value] = {
    "total_pv_generation": 12345.6,
    "total_import_energy": 1111.1,
    "total_export_energy": 4567.8,
    "total_charge_energy": 2345.6,
    "total_battery_discharge_energy": 2222.2,
}
STRING_BOTH: dict[str, Value] = {
    "daily_power_yields": 21.3,
    "total_power_yields": 34567.8,
    "daily_import_energy": 2.5,
    "total_import_energy": 800.0,
    "daily_export_energy": 11.0,
    "total_export_energy": 9000.0,
}


def test_energies_of_a_hybrid_come_from_its_counters_and_the_house_from_their_balance() -> None:
    found = step(HYBRID_TODAY | HYBRID_TOTAL | {"daily_power_yields": 99, "total_power_yields": 9})
    energies = {n: v for n, v in found.values.items() if "_energy_" in n}
    assert energies == {
        "pv_energy_today": 18.7,
        "grid_import_energy_today": 1.2,
        "grid_export_energy_today": 4.3,
        "battery_charge_energy_today": 5.3,
        "battery_discharge_energy_today": 3.8,
        "house_energy_today": 14.1,
        "pv_energy_total": 12345.6,
        "grid_import_energy_total": 1111.1,
        "grid_export_energy_total": 4567.8,
        "battery_charge_energy_total": 2345.6,
        "battery_discharge_energy_total": 2222.2,
        "house_energy_total": 8765.5,
    }
    assert found.units == {name: UNITS[name] for name in found.values if name != "last_reset"}


def test_energies_of_a_string_inverter() -> None:
    found = step(STRING_BOTH, STRING).values
    assert found["pv_energy_today"] == 21.3
    assert found["house_energy_today"] == 12.8
    assert found["house_energy_total"] == 26367.8
    assert not any("battery" in name for name in found)


def test_without_a_meter_only_the_pv_energy_is_told() -> None:
    found = step(STRING_BOTH, BLIND).values
    assert {n for n in found if "_energy_" in n} == {"pv_energy_today", "pv_energy_total"}


@pytest.mark.parametrize(
    ("exported", "house"), [(5.0, 0.5), (5.7, 0.0), (5.9, None), (12.0, None)]
)
def test_an_energy_of_the_house_below_0_is_absent_and_not_0(
    exported: float, house: float | None
) -> None:
    today = {"daily_power_yields": 5.0, "daily_import_energy": 0.5}
    total = {"total_power_yields": 5.0, "total_import_energy": 0.5}
    said = {**today, **total, "daily_export_energy": exported, "total_export_energy": exported}
    found = step(said, STRING).values
    assert found.get("house_energy_today") == found.get("house_energy_total") == house


@given(st.sets(st.sampled_from(sorted(HYBRID_TODAY | HYBRID_TOTAL))))
def test_a_figure_is_absent_when_one_of_its_sources_is(missing: set[str]) -> None:
    values = {n: v for n, v in (HYBRID_TODAY | HYBRID_TOTAL).items() if n not in missing}
    found = step(values).values
    assert ("house_energy_today" in found) == (not missing & HYBRID_TODAY.keys())
    assert ("house_energy_total" in found) == (not missing & HYBRID_TOTAL.keys())
    assert ("pv_energy_today" in found) == ("daily_pv_generation" not in missing)
    assert ("battery_charge_energy_total" in found) == ("total_charge_energy" not in missing)


def test_the_house_counter_does_not_fall_when_the_battery_counter_ticks_first() -> None:
    derivation = Derivation(BERLIN)
    before = step(HYBRID_TOTAL, derivation=derivation).values["house_energy_total"]
    ticked = HYBRID_TOTAL | {"total_charge_energy": 2345.8}
    later = NOON + timedelta(minutes=1)
    after = step(ticked, derivation=derivation, now=later).values["house_energy_total"]
    assert before == after == 8765.5


energies = st.fixed_dictionaries({name: st.floats(0, 1e6) for name in HYBRID_TODAY | HYBRID_TOTAL})


@given(st.lists(energies, max_size=5))
def test_no_energy_is_ever_negative(readings: list[dict[str, float]]) -> None:
    derivation = Derivation(BERLIN)
    for minute, said in enumerate(readings):
        found = step(said, derivation=derivation, now=NOON + timedelta(minutes=minute)).values
        numbers = [v for v in found.values() if not isinstance(v, str)]
        assert all(isinstance(v, int | float) and v >= 0 for v in numbers)


def test_every_derived_name_has_a_unit() -> None:
    assert len(UNITS) == 3 * len(FLOWS) + 4


# --- daily_export_to_grid and its like ---


def test_the_inverters_own_counters_are_taken_where_they_move() -> None:
    found = step(HYBRID_TODAY | {"export_power_hybrid": 1000}).values
    assert found["daily_export_to_grid"] == 4.3
    assert found["daily_import_from_grid"] == 1.2
    assert found["last_reset"] == "2026-06-15 00:00:00"


def integrate(
    samples: list[tuple[datetime, float]], derivation: Derivation, device: Device = HYBRID
) -> list[Mapping[str, Value]]:
    return [
        derivation.step({"export_power_hybrid": w}, device, at, at.timestamp()).values
        for at, w in samples
    ]


def test_without_counters_power_is_integrated_over_the_measured_intervals() -> None:
    times = [NOON + timedelta(seconds=s) for s in (0, 30, 90, 100)]
    found = integrate(list(zip(times, (3600, 3600, 7200, 7200), strict=True)), Derivation(BERLIN))
    assert [f["daily_export_to_grid"] for f in found] == [0, 0.03, 0.12, 0.14]
    assert found[-1]["daily_import_from_grid"] == 0
    assert found[-1]["last_reset"] == "2026-06-15 12:00:00"


def test_a_long_gap_is_not_integrated() -> None:
    times = [NOON, NOON + timedelta(hours=1), NOON + timedelta(hours=1, seconds=30)]
    found = integrate([(at, 3600) for at in times], Derivation(BERLIN))
    assert [f["daily_export_to_grid"] for f in found] == [0, 0, 0.03]


def test_long_intervals_are_integrated_when_the_scan_interval_is_long() -> None:
    times = [NOON + timedelta(hours=hour) for hour in range(3)]
    found = integrate([(at, 1000) for at in times], Derivation(BERLIN))
    assert [f["daily_export_to_grid"] for f in found] == [0, 0, 1]


def test_a_sample_without_power_breaks_the_integration() -> None:
    derivation = Derivation(BERLIN)
    integrate([(NOON, 3600)], derivation)
    step({}, derivation=derivation, now=NOON + timedelta(seconds=30))
    later = NOON + timedelta(seconds=60)
    found = integrate([(later, 3600), (later + timedelta(seconds=10), 3600)], derivation)
    assert [f["daily_export_to_grid"] for f in found] == [0, 0.01]


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        pytest.param(datetime(2026, 6, 15), 24, id="an ordinary day"),
        pytest.param(datetime(2026, 3, 29), 23, id="the clock goes forward"),
        pytest.param(datetime(2026, 10, 25), 25, id="the clock goes back"),
    ],
)
def test_a_local_day_of_constant_power_gives_power_times_its_length(
    day: datetime, hours: int
) -> None:
    begin = day.replace(tzinfo=BERLIN).astimezone(UTC) - timedelta(seconds=250)
    seconds = range(0, hours * 3600 + 250, 100)
    times = [begin + timedelta(seconds=s) for s in seconds]
    found = integrate([(at, 1000) for at in times], Derivation(BERLIN))
    assert found[2]["daily_export_to_grid"] == pytest.approx(0.2 / 3.6, abs=1e-6)
    assert found[3]["daily_export_to_grid"] == pytest.approx(0.05 / 3.6, abs=1e-6)
    until = (times[-1] - begin).total_seconds() - 250
    assert until > hours * 3600 - 100
    assert found[-1]["daily_export_to_grid"] == pytest.approx(until / 3600, abs=1e-5)
    assert found[-1]["last_reset"] == f"{day:%Y-%m-%d} 00:00:00"


def test_a_restart_in_the_middle_of_the_day_keeps_what_was_integrated() -> None:
    derivation = Derivation(BERLIN)
    times = [NOON + timedelta(seconds=s) for s in (0, 100)]
    integrate([(at, 3600) for at in times], derivation)
    saved = json.loads(json.dumps(derivation.as_json()))
    restarted = Derivation.from_json(saved, BERLIN)
    later = [NOON + timedelta(seconds=s) for s in (200, 300)]
    found = integrate([(at, 3600) for at in later], restarted)
    assert [f["daily_export_to_grid"] for f in found] == [0.1, 0.2]


@pytest.mark.parametrize("counters", [HYBRID_TODAY, HYBRID_TOTAL], ids=["today", "lifetime"])
def test_a_missing_counter_is_not_replaced_by_an_integral_that_would_jump(
    counters: dict[str, Value],
) -> None:
    derivation = Derivation(BERLIN)
    step(counters | {"export_power_hybrid": 100}, derivation=derivation)
    found = integrate([(NOON + timedelta(seconds=30), 100)], derivation)[0]
    assert "daily_export_to_grid" not in found
    assert found["export_to_grid"] == 100


def test_lifetime_counters_give_the_day_where_there_is_none_of_today() -> None:
    derivation = Derivation(BERLIN)
    midnight = datetime(2026, 6, 14, 22, tzinfo=UTC)
    first = step(
        {"total_export_energy": 100.0}, derivation=derivation, now=midnight - timedelta(hours=2)
    )
    assert first.values["last_reset"] == "2026-06-14 22:00:00"
    assert "grid_export_energy_today" not in first.values
    for minutes, kwh in ((-1, 100.4), (1, 100.4), (600, 107.5)):
        found = step(
            {"total_export_energy": kwh},
            derivation=derivation,
            now=midnight + timedelta(minutes=minutes),
        ).values
    assert found["daily_export_to_grid"] == found["grid_export_energy_today"] == 7.1
    assert found["last_reset"] == "2026-06-15 00:00:00"


def importing(
    watts: float, counters: Mapping[str, Value], minutes: int, derivation: Derivation
) -> list[Derived]:
    """Readings of a house that buys, and whose counters stay as they are."""
    said = {**counters, "export_power_hybrid": -watts}
    return [
        step(said, derivation=derivation, now=NOON + timedelta(minutes=minute))
        for minute in range(minutes)
    ]


def test_counters_that_never_count_are_left_out_and_power_is_integrated() -> None:
    derivation = Derivation(BERLIN)
    never: dict[str, Value] = {"daily_import_energy": 0.0, "total_import_energy": 0.0}
    found = importing(
        3000, HYBRID_TODAY | HYBRID_TOTAL | {"total_pv_generation": 5.0} | never, 61, derivation
    )
    last = found[-1]
    assert {"daily_import_energy", "total_import_energy"} <= last.rejected
    figures = ("grid_import_energy_today", "house_energy_today", "house_energy_total")
    assert not set(figures) & last.values.keys()
    assert last.values["daily_import_from_grid"] == pytest.approx(3.0)
    assert last.values["last_reset"] == "2026-06-15 12:00:00"
    notes = [note for each in found for note in each.notes]
    assert len(notes) == 1
    assert "daily_import_energy stays 0 though power flows" in notes[0]
    counts = never | {"daily_import_energy": 0.1, "total_import_energy": 0.1}
    now = NOON + timedelta(minutes=62)
    assert step(counts, derivation=derivation, now=now).values["grid_import_energy_today"] == 0.1


def test_what_is_integrated_since_midnight_is_the_energy_of_today() -> None:
    derivation = Derivation(BERLIN)
    never: dict[str, Value] = {"daily_import_energy": 0.0, "total_import_energy": 0.0}
    said: dict[str, Value] = {**never, "total_pv_generation": 500.0, "export_power_hybrid": -3000}
    now = midnight = datetime(2026, 6, 15, tzinfo=BERLIN).astimezone(UTC)
    found = Derived()
    for minute in range(-60, 121):
        now = midnight + timedelta(minutes=minute)
        found = step(said, derivation=derivation, now=now)
        assert ("grid_import_energy_today" in found.values) == (minute >= 0)
    assert found.values["grid_import_energy_today"] == pytest.approx(6.0)
    later = step(said, derivation=derivation, now=now + timedelta(hours=2))
    assert "grid_import_energy_today" not in later.values, "two hours of today are not in it"


def test_an_inverter_long_in_use_that_never_bought_anything_does_not_count_what_it_buys() -> None:
    derivation = Derivation(BERLIN)
    never: dict[str, Value] = {"daily_import_energy": 0.0, "total_import_energy": 0.0}
    found = importing(13064, HYBRID_TODAY | HYBRID_TOTAL | never, 1, derivation)[0]
    assert {"daily_import_energy", "total_import_energy"} <= found.rejected
    assert found.values["grid_import_power"] == 13064
    new = importing(
        13064, HYBRID_TODAY | {"total_pv_generation": 5.0} | never, 1, Derivation(BERLIN)
    )[0]
    assert new.values["grid_import_energy_today"] == 0.0


def test_what_power_gave_yesterday_does_not_hide_that_a_counter_is_silent_today() -> None:
    """Of an inverter whose own midnight is an hour before the site's."""
    derivation = Derivation(BERLIN)
    midnight = datetime(2026, 6, 15, 22, tzinfo=UTC)
    counter, found = 0.0, Derived()
    for minute in range(-180, 100, 5):
        watts = 9000 if minute < -70 else 3000 if minute > 10 else 0
        counter = 0.0 if minute >= -60 else counter + watts / 1000 / 12
        said: dict[str, Value] = {
            "export_power_hybrid": -watts,
            "daily_import_energy": round(counter, 1),
            "total_import_energy": 500.0 + min(minute + 180, 110) * 0.15,
        }
        found = step(said, derivation=derivation, now=midnight + timedelta(minutes=minute))
    assert "daily_import_energy" in found.rejected
    assert found.values["daily_import_from_grid"] == pytest.approx(3 * 85 / 60, abs=0.3)


def test_a_counter_of_today_at_0_whose_lifetime_counter_moves_is_not_silent() -> None:
    derivation = Derivation(BERLIN)
    for minute in range(60):
        said: dict[str, Value] = {
            "export_power_hybrid": -3000,
            "daily_import_energy": 0.0,
            "total_import_energy": 500 + minute * 0.05,
        }
        now = NOON + timedelta(minutes=minute)
        found = step(said, derivation=derivation, now=now)
        assert "total_import_energy" in found.values | said
        assert "total_import_energy" not in found.rejected


def test_a_lifetime_counter_of_coarse_steps_is_not_silent_between_them() -> None:
    """It tells that today's counter, which stays 0, is the one that does not count."""
    derivation = Derivation(BERLIN)
    midnight = datetime(2026, 6, 15, tzinfo=BERLIN).astimezone(UTC)
    for minute in range(-60, 300, 5):
        steps = max(0, minute) // 40  # of 2 kWh
        said: dict[str, Value] = {
            "export_power_hybrid": -3000 if minute >= 0 else 0,
            "daily_import_energy": 0.0,
            "total_import_energy": 500 + 2 * steps,
        }
        now = midnight + timedelta(minutes=minute)
        found = step(said, derivation=derivation, now=now)
        if steps:
            assert found.values["grid_import_energy_today"] == 2 * steps
            assert found.values["grid_import_energy_total"] == 500 + 2 * steps


# --- corrections of the inverter's own values ---


def test_a_zero_sample_of_a_lifetime_counter_is_left_out_and_noted_once() -> None:
    derivation = Derivation(BERLIN)
    step(HYBRID_TOTAL, derivation=derivation)
    zero = HYBRID_TOTAL | {"total_pv_generation": 0}
    notes: list[str] = []
    for seconds in (30, 60):
        found = step(zero, derivation=derivation, now=NOON + timedelta(seconds=seconds))
        notes += found.notes
        assert found.rejected == {"total_pv_generation"}
        assert "pv_energy_total" not in found.values
        assert "house_energy_total" not in found.values
        assert found.values["grid_import_energy_total"] == 1111.1
    assert len(notes) == 1
    assert "total_pv_generation fell from 12345.6 to 0" in notes[0]
    back = step(HYBRID_TOTAL, derivation=derivation, now=NOON + timedelta(seconds=90))
    assert not back.rejected
    assert not back.notes
    assert back.values["pv_energy_total"] == 12345.6


def test_a_counter_that_has_begun_anew_is_published_again_and_noted() -> None:
    derivation = Derivation(BERLIN)
    for minutes in (-1, 0):
        now = NOON + timedelta(minutes=minutes)
        step({"total_pv_generation": 12345.6}, derivation=derivation, now=now)
    for minutes in (1, 5, 11):
        now = NOON + timedelta(minutes=minutes)
        found = step({"total_pv_generation": 2.0}, derivation=derivation, now=now)
    assert found.values["pv_energy_total"] == 2.0
    assert not found.rejected
    assert found.notes == ["total_pv_generation has begun anew: it went from 12345.6 to 2.0 kWh."]


def test_a_counter_of_today_that_stays_0_is_replaced_by_the_lifetime_counters_day() -> None:
    derivation = Derivation(BERLIN)
    midnight = datetime(2026, 6, 14, 22, tzinfo=UTC)
    notes: list[str] = []
    for minutes, total, today in (
        (-30, 500.0, 0),
        (0, 500.2, 0.0),
        (30, 500.7, 0.0),
        (60, 502, 1.8),
    ):
        found = step(
            {"daily_import_energy": 0, "total_import_energy": total},
            derivation=derivation,
            now=midnight + timedelta(minutes=minutes),
        )
        notes += found.notes
        assert found.values.get("daily_import_energy", 0) == today
        assert found.values["grid_import_energy_today"] == today
        assert found.values["daily_import_from_grid"] == today
    assert len(notes) == 1
    assert "daily_import_energy stays 0 while total_import_energy moves" in notes[0]


def test_a_day_that_is_known_in_part_only_is_not_todays_energy() -> None:
    derivation = Derivation(BERLIN)
    for minutes, total in ((0, 500.0), (60, 502.0)):
        found = step(
            {"daily_import_energy": 0, "total_import_energy": total},
            derivation=derivation,
            now=NOON + timedelta(minutes=minutes),
        )
    assert found.rejected == {"daily_import_energy"}
    assert "grid_import_energy_today" not in found.values
    assert found.values["daily_import_from_grid"] == 2.0
    assert found.values["last_reset"] == "2026-06-15 12:00:00"


def test_another_inverter_begins_with_counters_of_its_own() -> None:
    derivation = Derivation(BERLIN)
    step(HYBRID_TOTAL, derivation=derivation)
    derivation.forget()
    found = step({"total_pv_generation": 3.0}, derivation=derivation)
    assert found.values["pv_energy_total"] == 3.0
    assert not found.rejected
