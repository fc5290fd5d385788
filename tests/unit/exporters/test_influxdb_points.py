"""Which value goes into which measurement, and how many columns that makes."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sungather.exporters.influxdb_points import Layout, began
from sungather.options.all_options import InfluxdbOptions
from sungather.outbox import Record
from sungather.reading import Value
from sungather.registers import derive
from sungather.registers.catalogue import registers_for
from sungather.registers.models import model_named, model_names

MOST_COLUMNS = 190
BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 6, 21, 12, 7, tzinfo=BERLIN)


def record(values: Mapping[str, Value], kind: str = "inverter", at: datetime = NOON) -> Record:
    ms = int(at.timestamp() * 1000)
    return Record(1, "roof", "SH10RT", "A22", ms, ms, values, kind)


def array(length: int, first: int = 0) -> list[float | None]:
    return [float(first + index) for index in range(length)]


def layout(zone: ZoneInfo = BERLIN, **options: str) -> Layout:
    return Layout(replace(InfluxdbOptions(url="", bucket="b"), **options), zone)


def everything(level: int) -> Iterator[tuple[str, dict[str, Value]]]:
    """Kind, and every value of every device at this level."""
    devices = [("inverter", model_named(name)) for name in model_names()]
    for kind, model in (("battery", "SBR096"), ("charger", "AC22E-01")):
        devices.append((kind, model_named(model)))
    for kind, device in devices:
        names = {one.name: one.length for one in registers_for(device, level)}
        values: dict[str, Value] = {
            name: array(length) if length > 1 else 1.0 for name, length in names.items()
        }
        yield kind, values | dict.fromkeys((*derive.UNITS, "run_state", "last_reset"), 1.0)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_no_measurement_has_more_columns_than_every_server_takes(level: int) -> None:
    """A site may have an inverter of every model: they share the measurements."""
    columns: dict[str, set[str]] = {}
    tags = {"time", "name", "kind", "model", "serial", "via"}
    for kind, values in everything(level):
        for point in layout().points([record(values, kind)]):
            columns.setdefault(point.measurement, set(tags)).update(point.names)
    counts = {measurement: len(names) for measurement, names in columns.items()}
    assert max(counts.values()) <= MOST_COLUMNS, counts
    assert counts.keys() == {
        "sungather", "sungather_settings", "sungather_strings", "sungather_battery",
        "sungather_charger",
    } - ({"sungather_strings"} if level == 1 else set[str]())  # fmt: skip


def test_settings_strings_and_sub_devices_have_measurements_of_their_own() -> None:
    values: dict[str, Value] = {"pv_power": 1, "mppt_2_voltage": 2, "max_soc": 3, "max_cell": 4}
    points = layout(measurement="pv").points([record(values), record({"soc": 1}, "battery")])
    assert {point.measurement: point.names for point in points} == {
        "pv": ("pv_power", "max_cell"),
        "pv_strings": ("mppt_2_voltage",),
        "pv_settings": ("max_soc",),
        "pv_battery": ("soc",),
    }


def test_history_arrays_are_no_fields_of_a_reading() -> None:
    values: dict[str, Value] = {"pv_power": 1, "pv_power_of_today": array(96)}
    (point,) = layout().points([record(values)])
    assert point.names == ("pv_power",)
    assert layout().points([record({"pv_power_of_today": array(96)})]) == []
    assert not layout().has_any(record({"pv_power_of_today": array(96)}))


def test_history_arrays_are_points_of_their_own_times() -> None:
    quarters = array(96)
    quarters[1] = None
    values: dict[str, Value] = {
        "pv_power": 9,
        "pv_power_of_today": quarters,
        "daily_pv_energy_yields": array(31, 1),
        "monthly_pv_energy_yields": array(12, 1),
        "yearly_pv_energy_yields": array(20, 2015),
    }
    lines = layout().history([record(values)])
    assert all(one.startswith("sungather_history,kind=inverter,") for one in lines)
    found = {
        datetime.fromtimestamp(int(one.rpartition(" ")[2]) / 1000, BERLIN): one.split(" ")[-2]
        for one in lines
    }
    midnight = NOON.replace(hour=0, minute=0)
    assert found[midnight] == "pv_power_of_today=0.0,daily_pv_energy_yields=21.0"
    assert midnight.replace(minute=15) not in found, "absent is not zero"
    assert found[midnight.replace(hour=11, minute=45)] == "pv_power_of_today=47.0"
    assert midnight.replace(hour=12) not in found, "a mean that is not over"
    assert found[midnight.replace(day=2)] == "daily_pv_energy_yields=2.0"
    assert found[midnight.replace(day=1)] == (
        "daily_pv_energy_yields=1.0,monthly_pv_energy_yields=6.0"
    )
    assert found[datetime(2026, 5, 1, tzinfo=BERLIN)] == "monthly_pv_energy_yields=5.0"
    assert found[datetime(2026, 1, 1, tzinfo=BERLIN)] == (
        "monthly_pv_energy_yields=1.0,yearly_pv_energy_yields=2026.0"
    )
    assert found[datetime(2015, 1, 1, tzinfo=BERLIN)] == "yearly_pv_energy_yields=2015.0"
    assert max(found) < NOON


def test_what_the_inverter_told_last_of_a_moment_counts() -> None:
    earlier = record({"daily_pv_energy_yields": array(31)}, at=NOON - timedelta(hours=1))
    lines = layout().history([earlier, record({"daily_pv_energy_yields": array(31, 100)})])
    assert len(lines) == 21
    assert all("daily_pv_energy_yields=1" in one for one in lines), "100 to 120"


@given(
    st.sampled_from([96, 31, 12, 20]),
    st.datetimes(datetime(2015, 1, 1), datetime(2034, 12, 31)),
    st.sampled_from(["Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "UTC"]),
)
def test_elements_begin_one_after_the_other_and_none_in_the_future(
    length: int, moment: datetime, zone: str
) -> None:
    now = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    found = list(began(length, now))
    indices, times = [index for index, _ in found], [time for _, time in found]
    assert indices == sorted(set(indices))
    assert all(index < length for index in indices)
    assert times == sorted(set(times))
    assert all(time <= now for time in times)
