"""`/metrics`, judged by the parsers of the reference library."""

from collections.abc import Iterable
from dataclasses import replace
from typing import cast

import pytest
from households import NOW, SERVICES, reading, silent
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families as text_families

from sungather.clock import Clock
from sungather.reading import Reading, State, Value
from sungather.service import Health
from sungather.web.metrics import OPEN_METRICS, TEXT, Metrics
from tests.plain_values import measurements

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


def open_families(text: str) -> Iterable[Metric]:
    return cast(
        Iterable[Metric],
        openmetrics_parser.text_string_to_metric_families(text),  # pyright: ignore[reportUnknownMemberType]
    )


def exposed(*readings: Reading, accept: str = "") -> tuple[str, str]:
    metrics = Metrics()
    for one in readings:
        metrics.on_reading(one)
    body, kind = metrics.exposition(readings, SERVICES, accept)
    return body.decode(), kind


def samples(families: Iterable[Metric]) -> dict[str, float]:
    """ "name{label=value,…}" -> value, labels but the inverter's serial and model."""
    found: dict[str, float] = {}
    for family in families:
        for sample in family.samples:
            kept = {k: v for k, v in sample.labels.items() if k not in ("serial", "model")}
            inside = ",".join(f"{k}={v}" for k, v in kept.items())
            found[f"{sample.name}{{{inside}}}"] = sample.value
    return found


def test_how_old_the_newest_values_are_tells_night_from_trouble() -> None:
    """The clock that is never set tells: one that is set makes no reading older."""
    seconds = 100.0
    metrics = Metrics(Clock(monotonic=lambda: seconds))
    name = "sungather_newest_reading_age_seconds{name=house}"

    def age(one: Reading) -> float | None:
        metrics.on_reading(one)
        text, _ = metrics.exposition([one], (), "")
        return samples(text_families(text.decode())).get(name)

    assert age(silent(State.UNREACHABLE)) is None, "there were no values so far"
    assert age(reading()) == 0
    seconds += 4000.5
    assert age(silent(State.ASLEEP)) == 4000.5
    seconds += 1
    assert age(silent(State.UNREACHABLE)) == 4001.5
    assert age(reading()) == 0


def test_a_time_of_day_is_no_duration() -> None:
    values = measurements(
        {"forced_charging_1_start_hour": 22, "forced_charging_1_start_minute": 30, "run_time": 2},
        {"forced_charging_1_start_hour": "h", "forced_charging_1_start_minute": "min",
         "run_time": "h"},
    )  # fmt: skip
    text, _ = exposed(replace(reading(), measurements=values))
    found = samples(text_families(text))
    start = "sungather_forced_charging_1_start"
    assert found[f"{start}_hour{{name=house}}"] == 22
    assert found[f"{start}_minute{{name=house}}"] == 30
    assert found[f"{start}_hour_seconds{{name=house}}"] == 79200, "for one more version"
    assert found["sungather_run_time_seconds{name=house}"] == 7200
    assert f"Deprecated, and gone in the next version: use {start}_hour." in text


@pytest.mark.parametrize("accept", ["", PROMETHEUS])
def test_both_formats_carry_the_same_values(accept: str) -> None:
    text, kind = exposed(reading(total_power_yields=1234.5), accept=accept)
    assert kind == (OPEN_METRICS if accept else TEXT)
    found = samples((open_families if accept else text_families)(text))
    assert found["sungather_total_power_yields_kwh_total{name=house}"] == 1234.5
    assert found["sungather_mppt_voltage_volts{name=house,mppt=2}"] == 550.0
    assert found["sungather_phase_voltage_volts{name=house,phase=b}"] == 233.7
    assert found["sungather_run_state_info{name=house,value=ON}"] == 1
    assert found["sungather_total_running_time_seconds{name=house}"] == 8123 * 3600
    assert found["sungather_up{name=house}"] == 1
    assert found["sungather_inverter_state{name=house,state=ok}"] == 1
    assert found["sungather_service_queue_readings{service=influxdb}"] == 37
    asked = {"requests_total": 379, "from_cache_total": 371, "passed_on_total": 6}
    for name, count in {**asked, "connections": 2}.items():
        assert found[f"sungather_modbus_server_{name}{{client=192.168.1.5}}"] == count
    assert found["sungather_modbus_server_inverter_requests_total{name=roof}"] == 4
    exceptions = "sungather_modbus_server_exceptions_total{client=192.168.1.5,code="
    assert (found[exceptions + "0x02}"], found[exceptions + "0x0b}"]) == (1, 1)


def test_what_became_of_readings_is_counted_for_each_exporter() -> None:
    health = Health("influxdb", "ok", queue=1, delivered=2, rejected=3, dropped=4)
    text, _ = Metrics().exposition((), (health,), "")
    found = samples(text_families(text.decode()))
    counts = {"queue": 1, "delivered_total": 2, "rejected_total": 3, "dropped_total": 4}
    for name, count in counts.items():
        what, _, total = name.partition("_")
        key = f"sungather_service_{what}_readings{'_total' if total else ''}"
        assert found[key + "{service=influxdb}"] == count


def test_a_value_that_is_absent_is_not_exposed() -> None:
    text, _ = exposed(reading("garage"))
    assert "house_power" not in text
    assert "backup_power" not in text
    assert "pv_power" in text


def test_an_inverter_without_a_reading_tells_its_state_and_no_values() -> None:
    metrics = Metrics()
    metrics.on_reading(reading())
    lost = silent(State.UNREACHABLE, kind="no-route", message="Nobody is there.")
    metrics.on_reading(lost)
    body, _ = metrics.exposition([lost], (), "")
    found = samples(text_families(body.decode()))
    assert found["sungather_up{name=house}"] == 0
    assert found["sungather_inverter_state{name=house,state=unreachable}"] == 1
    assert found["sungather_errors_total{name=house,class=no-route}"] == 1
    assert found["sungather_last_success_timestamp_seconds{name=house}"] == NOW.timestamp()
    assert "pv_power" not in body.decode()


def test_values_that_cannot_be_are_counted_by_name() -> None:
    metrics = Metrics()
    for names in (("total_dc_power",), (), ("total_dc_power", "total_import_energy")):
        metrics.on_reading(replace(reading(), impossible=names))
    body, _ = metrics.exposition([reading()], (), "")
    found = samples(text_families(body.decode()))
    assert found["sungather_impossible_values_total{name=house,value=total_dc_power}"] == 2
    assert found["sungather_impossible_values_total{name=house,value=total_import_energy}"] == 1


def test_sleep_is_not_an_error() -> None:
    text, _ = exposed(silent(State.ASLEEP, kind="asleep", message="Asleep."))
    assert "sungather_errors_total" not in text


def test_a_lifetime_energy_is_a_counter_and_a_days_energy_is_not() -> None:
    text, _ = exposed(reading())
    assert "# TYPE sungather_pv_energy_kwh_total counter" in text
    assert "# TYPE sungather_pv_energy_today_kwh gauge" in text


def test_a_device_behind_an_inverter_says_what_it_is_and_behind_which() -> None:
    battery = replace(reading(), name="house-battery-1", kind="battery", via="house")
    found = samples(text_families(exposed(battery)[0]))
    labels = "{name=house-battery-1,kind=battery,via=house}"
    assert f"sungather_internal_temperature_celsius{labels}" in found


def test_arrays_and_times_are_left_out() -> None:
    text, _ = exposed(reading(last_reset="2026-11-23 14:26:21"))
    assert "daily_pv_energy_yields" not in text
    assert "last_reset" not in text


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/plain", TEXT),
        ("application/openmetrics-text", OPEN_METRICS),
        ("application/openmetrics-text;q=0.2, text/plain;q=0.5", TEXT),
        ("application/openmetrics-text;q=nonsense", TEXT),
        ("application/openmetrics-text; q=0", TEXT),
    ],
)
def test_the_format_follows_the_accept_header(accept: str, kind: str) -> None:
    assert exposed(reading(), accept=accept)[1] == kind


def test_models_that_share_a_code_are_one_label() -> None:
    text, _ = exposed(replace(reading(), model="SG10RT", other_models=("SG10RT-20",)))
    assert 'model="SG10RT"' in text
    assert "SG10RT-20" not in text


def test_two_inverters_of_one_kind_are_two_series() -> None:
    text, _ = exposed(reading(), replace(reading(), name="second", serial="A2290123457"))
    powers = [line for line in text.splitlines() if line.startswith("sungather_pv_power_watts{")]
    assert len(powers) == 2


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)
VALUES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(), NAMES, st.booleans()
)


@settings(deadline=None)
@given(
    st.dictionaries(st.from_regex(r"[a-z][a-z0-9_-]{0,25}", fullmatch=True), VALUES),
    NAMES,
    st.sampled_from(["", PROMETHEUS]),
)
def test_whatever_a_device_says_the_exposition_can_be_parsed(
    values: dict[str, Value], serial: str, accept: str
) -> None:
    hostile = replace(
        reading(), serial=serial, measurements=measurements(values, dict.fromkeys(values, "kWh"))
    )
    text, _ = exposed(hostile, accept=accept)
    families = list((open_families if accept else text_families)(text))
    assert len({family.name for family in families}) == len(families)
