"""PVOutput's intervals and answers."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sungather.exporters.pvoutput_answers import UploadRefusal, refusal, results
from sungather.exporters.pvoutput_fields import UploadFields
from sungather.exporters.pvoutput_slots import Slot, data, start_of
from sungather.options.all_options import PvoutputOptions

BERLIN = ZoneInfo("Europe/Berlin")
MEANS = {"v2": "pv_power", "v4": "house_power"}
LASTS = {"v1": "pv_energy_today", "v3": "house_energy_today"}


def ms(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp() * 1000)


def test_a_slot_has_the_mean_power_and_the_last_energy() -> None:
    slot = Slot(0)
    for power, energy in ((100, 1.0), (200, 1.1), (600, 1.25)):
        slot.add("roof", {"pv_power": power, "pv_energy_today": energy}, MEANS, LASTS)
    assert slot.totals({}) == {"v2": 300.0, "v1": 1.25}


def test_inverters_are_added_up_and_one_that_sleeps_keeps_its_energy() -> None:
    slot = Slot(0)
    slot.add("east", {"pv_power": 100, "pv_energy_today": 5.0}, MEANS, LASTS)
    slot.add("west", {"pv_power": 50}, MEANS, LASTS)
    assert slot.totals({"west": {"v1": 2.0}, "east": {"v1": 4.9}}) == {"v2": 150.0, "v1": 7.0}


def test_inverters_have_a_mean_temperature_and_no_common_level_of_batteries() -> None:
    slot = Slot(0)
    lasts = {"v8": "power", "v9": "level", "b2": "battery_level"}
    for name, degrees in (("east", 40), ("west", 50)):
        values = {"degrees": degrees, "power": 5, "level": 20, "battery_level": 60}
        slot.add(name, values, {"v5": "degrees"}, lasts)
    assert slot.totals({}, {"v5", "v9"}) == {"v5": 45.0, "v8": 10.0, "v9": 20.0}


def test_the_unit_tells_what_inverters_have_together_and_what_has_a_mean() -> None:
    options = PvoutputOptions(
        v5="internal_temperature", v6="phase_a_voltage", v7="total_active_power",
        v8="total_power_yields", v9="battery_level", v10="power_factor",
    )  # fmt: skip
    fields = UploadFields(options)
    assert fields.averaged == {"v5", "v6", "v9", "v10"}


def test_zero_is_a_value_and_absent_is_none() -> None:
    slot = Slot(ms(2026, 6, 21, 21, 55))
    slot.add("roof", {"pv_power": 0, "pv_energy_today": 0.0}, MEANS, LASTS)
    assert data(slot.start_ms, slot.totals({}), BERLIN, False) == "20260621,23:55,0,0"


def test_a_power_below_zero_is_none() -> None:
    """An inverter may show a few watts the wrong way at night; PVOutput refuses them."""
    slot = Slot(ms(2026, 6, 21, 21, 55))
    slot.add("roof", {"pv_power": -3, "house_power": -0.4}, MEANS, LASTS)
    assert data(slot.start_ms, slot.totals({}), BERLIN, False) == "20260621,23:55,,0,,0"


@pytest.mark.parametrize(
    ("when", "label"),
    [
        (ms(2026, 6, 21, 21, 59), "20260621,23:55"),  # never 00:00 of the next day
        (ms(2026, 6, 21, 22, 0), "20260622,00:00"),
        (ms(2026, 3, 29, 0, 59), "20260329,01:55"),
        (ms(2026, 3, 29, 1, 0), "20260329,03:00"),  # summer time begins
        (ms(2026, 10, 25, 0, 30), "20261025,02:30"),
        (ms(2026, 10, 25, 1, 30), "20261025,02:30"),  # the repeated hour
        (ms(2026, 10, 25, 2, 0), "20261025,03:00"),
    ],
)
def test_slots_carry_the_local_time_of_their_beginning(when: int, label: str) -> None:
    assert data(start_of(when, 5), {"v2": 1.0}, BERLIN, False).startswith(label)


def test_extended_values_come_in_their_places() -> None:
    record = data(ms(2026, 1, 1), {"v1": 1.5, "v2": 10.4, "v7": 41.25, "v12": 3.0}, UTC, True)
    assert record == "20260101,00:00,1500,10,,,,,41.25,,,,,3"


@given(st.integers(0, 2**42), st.sampled_from([5, 10, 15]))
def test_every_moment_is_in_one_slot(when: int, minutes: int) -> None:
    start = start_of(when, minutes)
    assert start <= when < start + minutes * 60_000
    assert start_of(start, minutes) == start


@given(
    st.dictionaries(
        st.text(),
        st.dictionaries(st.sampled_from(["pv_power", "pv_energy_today"]), st.floats(0, 1e6)),
    )
)
def test_a_slot_survives_a_restart(shares: dict[str, dict[str, float]]) -> None:
    slot = Slot(300_000)
    for name, values in shares.items():
        slot.add(name, dict(values), MEANS, LASTS)
    assert Slot.from_text(300_000, slot.as_text()) == slot


@pytest.mark.parametrize("text", ["[]", "{", '{"a": 1}', '{"a": [1, 2, 3]}', "null"])
def test_a_damaged_note_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (any text will do)
        Slot.from_text(0, text)


@pytest.mark.parametrize(
    ("status", "text", "what"),
    [
        (403, "Forbidden 403: Exceeded 60 requests per hour", UploadRefusal.WAIT),
        (400, "Bad request 400: Date is in the future [20261123]", UploadRefusal.WAIT),
        (500, "Internal error", UploadRefusal.WAIT),
        (503, "", UploadRefusal.WAIT),
        (429, "", UploadRefusal.WAIT),
        (400, "Bad request 400: Date is older than 14 days", UploadRefusal.SET_ASIDE),
        (
            400,
            "Energy value 100 lower than previously recorded value 200",
            UploadRefusal.SET_ASIDE,
        ),
        (400, "Energy value too high for system size", UploadRefusal.SET_ASIDE),
        (400, "Power value too high for system size", UploadRefusal.SET_ASIDE),
        (400, "Moon Powered: power at night", UploadRefusal.SET_ASIDE),
        (400, "Bad request 400: No statuses added or updated", UploadRefusal.SET_ASIDE),
        (400, "Could not read data", UploadRefusal.SET_ASIDE),
        (400, "Could not read from upstream", UploadRefusal.FOREIGN),
        (502, "Could not read data", UploadRefusal.WAIT),
        (404, "Date is older than the cache", UploadRefusal.FOREIGN),
        (200, "Energy value too high", UploadRefusal.FOREIGN),
        (401, "Unauthorized 401: Invalid API Key", UploadRefusal.PERSON),
        (401, "Unauthorized 401: Invalid System ID", UploadRefusal.PERSON),
        (401, "Unauthorized 401: Disabled API Key", UploadRefusal.PERSON),
        (403, "Forbidden 403: Read only key", UploadRefusal.PERSON),
        (403, "Forbidden 403: Donation Mode", UploadRefusal.NO_DONATION),
    ],
)
def test_each_refusal_is_handled_by_its_words(status: int, text: str, what: UploadRefusal) -> None:
    assert refusal(status, text) is what


def test_the_answer_to_a_batch_is_read_record_by_record() -> None:
    assert results("20260621,12:00,1;20260621,12:05,0;20260621,1210,2") == {
        ("20260621", "1200"): "1",
        ("20260621", "1205"): "0",
        ("20260621", "1210"): "2",
    }
