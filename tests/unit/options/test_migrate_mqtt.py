"""Topic and entities of SunGather 0.5 stay as they are."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sungather.exporters.compatibility import entities
from sungather.options.configuration import Configuration, configured, load
from sungather.options.ha_sensors import parse_ha_sensors
from sungather.options.migrate import import_config
from sungather.options.values import CONTROL
from tests.outbox_parts import NOON, reading

FILE = """\
inverter: {host: 192.168.1.20}
exports:
  - name: mqtt
    enabled: True
    host: 192.168.1.5
    MORE
"""
SENSORS = """homeassistant: True
    ha_sensors:
      - name: "Daily Generation"
        sensor_type: sensor
        register: daily_power_yields
        device_class: energy
        state_class: total_increasing
        icon: "mdi:solar-power"
      - name: "Power State"
        sensor_type: binary_sensor
        register: run_state
        payload_on: "ON"
        payload_off: "OFF"
        value_template: "{{ value_json.run_state }}"
"""


def moved(more: str, tmp_path: Path) -> tuple[Configuration, dict[str, str]]:
    """The options of the new file, which is one that `check-config` takes, and the notes."""
    imported = import_config(FILE.replace("MORE", more).encode())
    file = tmp_path / "sungather.yaml"
    file.write_text(imported.text)
    notes: dict[str, str] = {}
    for note in imported.notes:
        notes[note.key] = f"{notes.get(note.key, '')} {note.text}"
    return load(file), notes


@pytest.mark.parametrize(
    "topic", ["solar/main", "SunGather/roof", "SunGather/{serial_number}", "/solar/main/"]
)
def test_a_topic_is_kept_exactly(topic: str, tmp_path: Path) -> None:
    options, notes = moved(f"topic: '{topic}'", tmp_path)
    assert options.mqtt.compatibility == "sungather-0.5"
    assert options.mqtt.compatibility_topic == topic
    assert options.mqtt.topic == "sungather", "ours are beside it"
    assert topic in notes["mqtt.topic"]
    assert ("is no serial number" in notes["mqtt.topic"]) == ("{" in topic)


def test_without_a_topic_it_is_that_of_the_serial_number(tmp_path: Path) -> None:
    options, _ = moved("", tmp_path)
    assert options.mqtt.as_before
    assert options.mqtt.compatibility_topic == ""


def test_entities_are_taken_over_and_ours_are_not_added_unasked(tmp_path: Path) -> None:
    options, notes = moved(SENSORS, tmp_path)
    first, second = parse_ha_sensors(options.mqtt.ha_sensors)
    assert first == {
        "name": "Daily Generation", "sensor_type": "sensor", "register": "daily_power_yields",
        "device_class": "energy", "state_class": "total_increasing", "icon": "mdi:solar-power",
    }  # fmt: skip
    assert (second["payload_on"], second["payload_off"]) == ("ON", "OFF")
    assert options.mqtt.homeassistant is False
    assert "2 entities" in notes["mqtt.ha_sensors"]
    assert "true adds ours" in notes["mqtt.homeassistant"]


def test_entities_that_were_not_announced_are_not_announced_now(tmp_path: Path) -> None:
    options, notes = moved(SENSORS.replace("True", "False", 1), tmp_path)
    assert options.mqtt.ha_sensors == ""
    assert "not announced" in notes["mqtt.ha_sensors"]


def test_a_register_that_nothing_publishes_is_said(tmp_path: Path) -> None:
    sensors = SENSORS.replace("register: run_state", "register: run_stat")
    options, notes = moved(sensors, tmp_path)
    assert len(parse_ha_sensors(options.mqtt.ha_sensors)) == 2
    assert "no value is called run_stat" in notes["mqtt.ha_sensors"]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[", "YAML"),
        ("a: 1", "list"),
        ("- 1", "keys"),
        ("- sensor_type: sensor", "name"),
        ("- {name: 'a+b', sensor_type: sensor}", "name"),
        (f"- {{name: {'a' * 251}, sensor_type: sensor}}", "name"),
        ("- {name: a}", "sensor_type"),
        ("- {name: a, sensor_type: 'x/y'}", "sensor_type"),
        ("- {name: a, sensor_type: sensor, register: '{{1}}'}", "register"),
    ],
)
def test_what_is_no_list_of_sensors_is_refused(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        parse_ha_sensors(text)


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ("2020-01-01", "quotes"),
        ("!!binary aGVsbG8=", "quotes"),
        ("!!set {a, b}", "quotes"),
        (".nan", "number"),
        (r'"\x01"', "control"),
        (r'"\uD800"', "control"),
        (r'"\uFFFE"', "control"),
        ("&a [*a]", "too much"),
        ("[" * 30 + "]" * 30, "too much"),
        ("[&a [[]{}], &b [*a{}], &c [*b{}], *c{}]".format(
            *[", []" * 99, ", *a" * 99, ", *b" * 99, ", *c" * 99]), "too much"),
    ],
)  # fmt: skip
def test_what_cannot_be_announced_is_refused_before_it_runs(value: str, wrong: str) -> None:
    """A date of YAML is no JSON, and a broker hangs up on who sends it a control character."""
    with pytest.raises(ValueError, match=wrong):
        parse_ha_sensors(f"- {{name: a, sensor_type: sensor, register: pv_power, icon: {value}}}")


def test_sensors_that_cannot_be_announced_are_dropped_and_dates_are_texts(tmp_path: Path) -> None:
    for value, kept in (("2020-01-01", True), ("!!set {a, b}", False), (r'"\x01"', False)):
        more = SENSORS.replace('"mdi:solar-power"', value)
        options, notes = moved(more, tmp_path)
        assert bool(options.mqtt.ha_sensors) is kept
        assert ("cannot be announced" in notes["mqtt.ha_sensors"]) is not kept
        assert options.mqtt.homeassistant is not kept, "ours are there where theirs are not"


def test_a_name_with_a_slash_stays_as_it_was() -> None:
    """Home Assistant takes what stands before it for a node, so such an entity exists."""
    sensors = parse_ha_sensors("- {name: Import/Export, sensor_type: sensor, register: pv_power}")
    (topic,) = entities(sensors, reading(NOON), "h", "t", "homeassistant")
    assert topic == "homeassistant/sensor/A223098765_import/export/config"


_LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.dates(), st.binary()
)


@given(
    st.dictionaries(
        st.text(),
        st.recursive(_LEAVES, lambda one: st.lists(one) | st.dictionaries(st.text(), one)),
    ),
    st.text(min_size=1) | st.just("Daily Yield"),
)
def test_whatever_the_check_takes_can_be_announced(more: dict[str, object], name: str) -> None:
    entry = {**more, "name": name, "sensor_type": "sensor", "register": "pv_power"}
    try:
        sensors = parse_ha_sensors(yaml.safe_dump([entry]))
    except ValueError:
        return
    for topic, message in entities(sensors, reading(NOON), "h", "t", "homeassistant").items():
        assert json.loads(message, parse_constant=pytest.fail)["name"] == name
        assert len(topic.encode()) < 2**16
        assert not CONTROL.search(topic)


def test_a_topic_of_ones_own_is_for_one_inverter() -> None:
    from sungather.options.check import check

    texts = {"inverters.a.host": "a", "inverters.b.host": "b", "mqtt.compatibility-topic": "t"}
    (problem,) = check(texts).problems
    assert problem.key == "mqtt.compatibility-topic"
    del texts["inverters.b.host"]
    assert configured(check(texts), {"HOME": "/"}).mqtt.as_before
