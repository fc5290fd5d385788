"""Topics, night and identity of the MQTT exporter, without a broker."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sungather.exporters import mqtt_identity
from sungather.exporters.mqtt_identity import fingerprint, known_client_id, new_client_id
from sungather.exporters.mqtt_layout import (
    arrays_of,
    is_another,
    page_url,
    place_of,
    plain,
    serial_in,
    state_of,
)
from sungather.exporters.mqtt_retained import DeviceRecord
from sungather.options.patterns import value_filter
from sungather.reading import Measurement, Reading, State
from tests.outbox_parts import NOON, reading, sub_device

BERLIN = ZoneInfo("Europe/Berlin")
ALL = value_filter("", "")
EVENING = NOON + timedelta(hours=9)


@pytest.mark.parametrize(
    ("name", "via", "base"),
    [
        ("inverter", "", "t/A223098765"),
        ("inverter-battery-1", "inverter", "t/A223098765-battery-1"),
        ("roof", "", "t/roof"),
        ("roof-charger-1", "roof", "t/roof-charger-1"),
    ],
)
def test_an_inverter_without_a_name_is_under_its_serial_number(
    name: str, via: str, base: str
) -> None:
    assert place_of(name, via, "t", "A223098765").base == base


def test_a_serial_number_cannot_break_a_topic() -> None:
    assert place_of("inverter", "", "t", "A/1+#\0é").base == "t/A_1____"


@pytest.mark.parametrize(
    ("payload", "serial"),
    [
        (b'{"time":"x","serial":"A1"}', "A1"),
        (b'{"model":"SH10RT","serial_number":"A223098765"}', "A223098765"),
        (b"A1", "A1"),
        (b'{"other":1}', ""),
        (b"", ""),
    ],
)
def test_a_state_tells_whose_it_is(payload: bytes, serial: str) -> None:
    assert serial_in(payload) == serial


@given(st.binary(max_size=200))
def test_any_bytes_are_somebodys_or_nobodys(payload: bytes) -> None:
    assert isinstance(serial_in(payload), str)


@pytest.mark.parametrize(
    ("serial", "own", "another"),
    [
        ("A1", "B1", True),
        ("A1", "A1", False),
        ("A223098765", "A223098765XYZ", False),
        ("A223098765XYZ", "A223098765ABC", True),
        ("", "A1", False),
        ("A1", "", False),
    ],
)
def test_another_serial_number_is_told_from_the_short_form_of_the_same(
    serial: str, own: str, another: bool
) -> None:
    assert is_another(serial, own) is another


@pytest.mark.parametrize(
    ("value", "text"),
    [(4821, "4821"), (0.5, "0.5"), (True, "true"), ("Run", "Run"), (None, "")],
)
def test_a_value_alone_is_plain(value: object, text: str) -> None:
    assert plain(value) == text


def asleep(time: object = EVENING, **changes: object) -> Reading:
    one = replace(reading(NOON, state=State.ASLEEP), time=time)  # type: ignore[arg-type]
    return replace(one, **changes)  # type: ignore[arg-type]


DAY = replace(
    reading(
        pv_power=4821, house_power=400, total_dc_power=4900, total_active_power=4700,
        pv_energy_total=12.5, pv_energy_today=3.5, grid_import_energy_total=7.0,
        system_state="Running", run_state="ON",
    ),
    family="SG-RT",
)  # fmt: skip


def test_at_night_only_what_the_night_explains_is_known() -> None:
    said = state_of(asleep(), DAY, BERLIN, ALL, zero_at_night=True)
    del said["time"]
    assert said == {
        "serial": "A223098765", "system_state": "asleep", "run_state": "OFF",
        "pv_power": 0, "total_dc_power": 0, "total_active_power": 0,
        "pv_energy_total": 12.5, "pv_energy_today": 3.5,
    }  # fmt: skip


def test_the_energy_of_today_is_not_known_after_midnight() -> None:
    after = asleep(NOON + timedelta(hours=10, minutes=1))  # it is midnight at 22:00 UTC
    said = state_of(after, DAY, BERLIN, ALL, zero_at_night=True)
    assert "pv_energy_today" not in said
    assert said["pv_energy_total"] == 12.5


def test_the_power_of_a_hybrid_that_sleeps_is_not_known_but_that_of_the_sun_is() -> None:
    said = state_of(asleep(), replace(DAY, family="SH-RT"), BERLIN, ALL, zero_at_night=True)
    assert "total_active_power" not in said
    assert said["pv_power"] == 0


def test_without_the_option_no_power_is_said_at_night() -> None:
    said = state_of(asleep(), DAY, BERLIN, ALL, zero_at_night=False)
    assert not [name for name in said if name.endswith("_power")]


def test_nothing_is_said_of_a_battery_behind_an_inverter_that_sleeps() -> None:
    one = replace(sub_device(), state=State.ASLEEP, measurements={})
    said = state_of(one, sub_device(), BERLIN, ALL, zero_at_night=True)
    assert said.keys() == {"time", "serial"}


def test_history_arrays_are_apart_and_said_when_they_were_read() -> None:
    fresh = Measurement([1.0, None], "W")
    one = replace(reading(), measurements={"curve": fresh, "pv_power": Measurement(1)})
    assert "curve" not in state_of(one, one, BERLIN, ALL, zero_at_night=True)
    assert arrays_of(one, ALL)["curve"] == [1.0, None]
    old = replace(one, measurements={"curve": fresh._replace(fresh=False)})
    assert arrays_of(old, ALL) == {}
    assert arrays_of(one, value_filter("", "cur*")) == {}


def test_values_that_are_not_wanted_are_left_out() -> None:
    said = state_of(DAY, DAY, BERLIN, value_filter("pv_*", "*_today"), zero_at_night=True)
    assert said.keys() == {"time", "serial", "pv_power", "pv_energy_total"}


@pytest.mark.parametrize(
    ("page", "own", "url"),
    [
        (("", 8080), "192.168.1.5", "http://192.168.1.5:8080/"),
        (("", 8080), "fd00::5", "http://[fd00::5]:8080/"),
        (("solar.home.arpa", 80), "192.168.1.5", "http://solar.home.arpa:80/"),
        (("0.0.0.0", 8080), "192.168.1.5", "http://pi:8080/"),
        (("", 8080), "127.0.0.1", "http://pi:8080/"),
        (("", 8080), "", "http://pi:8080/"),
        (None, "192.168.1.5", ""),
    ],
)
def test_the_address_of_the_page_is_one_that_others_can_open(
    page: tuple[str, int] | None, own: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "pi")
    assert page_url(page, own) == url


def test_a_client_id_belongs_to_one_place() -> None:
    made, notes = new_client_id({"device roof": "…"}, "here")
    assert notes["device roof"] is None, "the notes of another place mean nothing here"
    kept = {key: text for key, text in notes.items() if text is not None}
    assert known_client_id(kept, "here") == made
    assert known_client_id(kept, "there") == ""
    assert new_client_id({}, "here")[0] != made
    assert len(made) <= 23, "MQTT 3.1.1 promises no more"


def test_a_place_is_known_by_the_machine_and_the_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one = fingerprint(tmp_path)
    assert fingerprint(tmp_path) == one
    assert fingerprint(tmp_path / "copy") != one
    monkeypatch.setattr(mqtt_identity, "_hardware_addresses", lambda: iter(["b827eb000001"]))
    card = fingerprint(tmp_path)
    monkeypatch.setattr(mqtt_identity, "_hardware_addresses", lambda: iter(["b827eb000002"]))
    assert fingerprint(tmp_path) != card, "a copied card has the same machine id"


def test_a_machine_that_shows_no_network_card_is_known_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def denied() -> list[tuple[int, str]]:
        raise PermissionError

    monkeypatch.setattr("socket.if_nameindex", denied)
    monkeypatch.setattr(mqtt_identity, "_OF_A_SINGLE_MACHINE", (str(tmp_path / "none"),))
    assert fingerprint(tmp_path) == fingerprint(tmp_path)


@pytest.mark.parametrize("text", ["", "[", "{}", "[1]", "null", '["a","b","c",[],5]'])
def test_a_damaged_note_is_none(text: str) -> None:
    assert DeviceRecord.from_note(text) is None


def test_a_note_is_read_back() -> None:
    topics = {"t/roof-battery-1/state", "h/x"}
    record = DeviceRecord("A1", "roof", "t/roof-battery-1", topics, {"soc": "sensor"})
    assert DeviceRecord.from_note(record.as_note()) == record
    assert record.below == {"t/roof-battery-1/state"}
