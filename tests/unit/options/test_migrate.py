"""The file of SunGather 0.5 becomes ours, and nobody wonders where a key went."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sungather.errors import OptionsError
from sungather.options.configuration import load
from sungather.options.migrate import Fate, import_config

OLD = b"""
inverter:
  host: 192.168.1.10
  port: 502
  timeout: 10
  retries: 3
  slave: 2
  scan_interval: 15
  connection: modbus
  model: SG10RT
  serial: A2290123456
  smart_meter: True
  use_local_time: False
  log_console: INFO
  log_file: "OFF"
  level: 2
exports:
  - name: console
    enabled: False
  - name: webserver
    enabled: True
    port: 8081
  - name: influxdb
    enabled: True
    url: http://192.168.1.5:8086
    token: s3cret-token
    org: home
    bucket: solar
    measurements:
      - point: power
        register: total_active_power
  - name: mqtt
    enabled: True
    host: 192.168.1.5
    port: 8883
    client_id: sun
    topic: SunGather/{serial_number}
    username: u
    password: "p: #1"
    homeassistant: True
    ha_sensors:
      - name: Power
        sensor_type: sensor
        register: total_active_power
  - name: pvoutput
    enabled: True
    api: s3cret-key
    sid: 12345
    join_team: True
    rate_limit: 60
    cumulative_flag: 2
    batch_points: 1
    parameters:
      - name: v2
        register: total_active_power
      - name: v7
        register: internal_temperature
        multiple: 10
"""


def test_every_key_is_told_and_the_new_file_is_valid(tmp_path: Path) -> None:
    imported = import_config(OLD)
    file = tmp_path / "sungather.yaml"
    file.write_text(imported.text)
    values = load(file).values
    expected = {
        "inverter.host": "192.168.1.10",
        "inverter.port": 502,
        "inverter.unit": 2,
        "inverter.scan-interval": 15.0,
        "inverter.model": "SG10RT",
        "inverter.smart-meter": "true",
        "inverter.level": 2,
        "log.level": "INFO",
        "console.enabled": False,
        "web.enabled": True,
        "web.port": 8081,
        "influxdb.enabled": True,
        "influxdb.url": "http://192.168.1.5:8086",
        "influxdb.token": "s3cret-token",
        "influxdb.org": "home",
        "influxdb.bucket": "solar",
        "mqtt.enabled": True,
        "mqtt.port": 8883,
        "mqtt.tls.enabled": True,
        "mqtt.client-id": "sun",
        "mqtt.password": "p: #1",
        "mqtt.compatibility": "sungather-0.5",
        "pvoutput.api-key": "s3cret-key",
        "pvoutput.system-id": "12345",
        "pvoutput.cumulative": True,
        "pvoutput.v7": "internal_temperature",
    }
    assert {key: values[key] for key in expected} == expected
    fates = {note.key: note.fate for note in imported.notes}
    assert fates["inverter.slave"] is Fate.KEPT
    assert fates["pvoutput.parameters.v7"] is Fate.CHANGED
    for gone in ("inverter.serial", "inverter.use_local_time", "inverter.log_file",
                 "influxdb.measurements", "mqtt.ha_sensors", "pvoutput.join_team",
                 "pvoutput.parameters.v2"):  # fmt: skip
        assert fates[gone] is Fate.DROPPED
    assert all(note.text for note in imported.notes)


def test_secrets_are_in_the_file_and_in_no_note() -> None:
    imported = import_config(OLD)
    said = " ".join(note.text for note in imported.notes) + repr(imported)
    assert "s3cret" in imported.text
    assert "s3cret" not in said
    assert "p: #1" not in said


def test_a_value_that_is_no_good_is_dropped_with_the_reason() -> None:
    imported = import_config(b"inverter: {host: 'not a host!', scan_interval: fast, level: 0}\n")
    texts = {note.key: (note.fate, note.text) for note in imported.notes}
    assert texts["inverter.host"][0] is Fate.DROPPED
    assert texts["inverter.scan_interval"][0] is Fate.DROPPED
    assert texts["inverter.level"][0] is Fate.CHANGED
    assert "scan-interval" not in imported.text


def test_an_own_topic_is_kept_and_what_is_below_it_is_told() -> None:
    imported = import_config(b"exports: [{name: mqtt, enabled: true, host: h, topic: solar/a}]\n")
    assert 'topic: "solar/a"' in imported.text
    assert "compatibility" not in imported.text


def test_the_port_of_a_dongles_web_interface_is_found_out() -> None:
    text = import_config(b"inverter: {host: a, connection: http, port: 8082}").text
    assert "port" not in text


def test_without_a_webserver_there_is_no_page() -> None:
    assert "web:" in import_config(b"inverter: {host: a}").text


@pytest.mark.parametrize(
    "content", [b"", b"a: 1", b"[1, 2]", b"inverter: {", b"\x00\xff", b"x" * 300_000]
)
def test_anything_else_is_refused_in_a_sentence(content: bytes) -> None:
    with pytest.raises(OptionsError) as caught:
        import_config(content)
    assert len(caught.value.problems) == 1


_SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text())
_KEYS = st.one_of(
    st.sampled_from(["host", "port", "level", "name", "enabled", "parameters", "topic"]),
    st.text(),
)
_TREE = st.recursive(
    _SCALARS, lambda inner: st.one_of(st.lists(inner), st.dictionaries(_KEYS, inner)), max_leaves=8
)


@given(st.fixed_dictionaries({"inverter": _TREE, "exports": _TREE}))
def test_whatever_stands_in_the_file_the_answer_is_a_file_or_a_sentence(tree: object) -> None:
    import yaml

    imported = import_config(yaml.safe_dump(tree, allow_unicode=True).encode())
    assert imported.text


@given(st.binary(max_size=200))
def test_any_bytes_are_a_file_or_a_sentence(content: bytes) -> None:
    try:
        import_config(content)
    except OptionsError as error:
        assert error.problems  # noqa: PT017 (either outcome is right)
