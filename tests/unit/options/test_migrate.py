"""The file of SunGather 0.5 becomes ours, and nobody wonders where a key went."""

import tracemalloc
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sungather.errors import OptionsError
from sungather.exporters.compatibility import entities
from sungather.options.check import check
from sungather.options.configuration import load
from sungather.options.file import parse
from sungather.options.ha_sensors import parse_ha_sensors
from sungather.options.migrate import Fate, import_config
from sungather.options.option import OptionValue
from tests.outbox_parts import NOON, reading

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
        "pvoutput.cumulative": False,
        "pvoutput.consumption": False,
        "pvoutput.v7": "internal_temperature",
    }
    assert {key: values[key] for key in expected} == expected
    fates = {note.key: note.fate for note in imported.notes}
    assert fates["inverter.slave"] is Fate.KEPT
    assert fates["pvoutput.parameters.v7"] is Fate.CHANGED
    for gone in ("inverter.serial", "inverter.use_local_time", "inverter.log_file",
                 "influxdb.measurements", "pvoutput.join_team"):  # fmt: skip
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


def said(text: str) -> dict[str, str]:
    """What is told of each key: fate and words, of several with one key all."""
    found: dict[str, str] = {}
    for note in import_config(text.encode()).notes:
        found[note.key] = f"{found.get(note.key, '')} {note.fate}: {note.text}".strip()
    return found


def options_of(text: str) -> Mapping[str, OptionValue]:
    """The options that an old file becomes, as `check-config` would take them."""
    document = parse(import_config(text.encode()).text.encode())
    assert not document.problems
    checked = check(document.texts)
    assert checked.problems == ()
    return checked.values


INVERTER = "inverter: {host: 192.168.1.10}\n"


def mqtt(more: str) -> str:
    return f"{INVERTER}exports:\n  - {{name: mqtt, enabled: true, {more}}}\n"


def influxdb(more: str) -> str:
    return f"{INVERTER}exports:\n  - {{name: influxdb, enabled: true, {more}}}\n"


def pvoutput(*parameters: str, more: str = "cumulative_flag: 0") -> str:
    listed = ", ".join(f"{{{one}}}" for one in parameters)
    head = f"{{name: pvoutput, enabled: true, api: k, sid: 1, {more}"
    return f"{INVERTER}exports:\n  - {head}, parameters: [{listed}]}}\n"


def test_of_two_brokers_the_first_is_kept_and_its_password_goes_to_no_other_host() -> None:
    text = f"""{INVERTER}
exports:
  - {{name: mqtt, enabled: true, host: first, username: u, password: s3cret}}
  - {{name: mqtt, enabled: true, host: second}}
"""
    values = options_of(text)
    assert (values["mqtt.host"], values["mqtt.password"]) == ("first", "s3cret")
    assert "run a second one" in said(text)["exports.mqtt, a further one"]
    assert "second" not in import_config(text.encode()).text


def test_of_two_brokers_the_one_that_is_switched_on_is_kept_without_a_word_of_the_other() -> None:
    text = f"""{INVERTER}
exports:
  - {{name: mqtt, host: first, username: u, password: s3cret, port: 8883}}
  - {{name: mqtt, enabled: true, host: second}}
"""
    values = options_of(text)
    assert (values["mqtt.enabled"], values["mqtt.host"]) == (True, "second")
    assert (values["mqtt.password"], values["mqtt.tls.enabled"]) == ("", False)
    assert "it was switched off" in said(text)["exports.mqtt, a further one"]


@pytest.mark.parametrize("host", ["1.2.3.4:1884", "mqtt://1.2.3.4:1884", "tcp://1.2.3.4:1884/"])
def test_a_port_in_the_host_becomes_the_port(host: str) -> None:
    text = mqtt(f"host: '{host}'")
    values = options_of(text)
    assert (values["mqtt.host"], values["mqtt.port"]) == ("1.2.3.4", 1884)
    assert "mqtt.port now" in said(text)["mqtt.host"]
    values = options_of("inverter: {host: '1.2.3.4:5020', port: 502}")
    assert (values["inverter.host"], values["inverter.port"]) == ("1.2.3.4", 5020)


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("core-mosquitto", False),
        ("a0d7b954-mosquitto", False),
        ("a0d7b954_influxdb", False),
        ("homeassistant", False),
        ("homeassistant.local", True),
        ("mosquitto", True),
        ("192.168.1.5", True),
        ("core", True),
    ],
)
def test_names_that_only_add_ons_of_home_assistant_know_are_told(host: str, known: bool) -> None:
    told = said(mqtt(f"host: {host}"))["mqtt.host"]
    assert ("address of the machine that Home Assistant runs on" in told) == (not known)


def test_an_address_that_was_left_out_is_the_one_that_was_used() -> None:
    text = influxdb("token: 'u:s3cret', org: '-', bucket: b")
    assert options_of(text)["influxdb.url"] == "http://localhost:8086"
    assert "without" in said(text)["influxdb.url"]


def test_an_account_in_an_address_becomes_options_and_is_not_shown() -> None:
    text = influxdb("url: 'http://me:s3cret@h:8086', org: o, bucket: b")
    values = options_of(text)
    assert values["influxdb.url"] == "http://h:8086"
    assert (values["influxdb.username"], values["influxdb.password"]) == ("me", "s3cret")
    assert "s3cret" not in str(said(text))


def test_numbers_and_switches_in_quotes_are_read_as_such() -> None:
    text = """
inverter: {host: h, port: "5020", scan_interval: "15", level: "2", smart_meter: "True"}
exports:
  - {name: mqtt, enabled: "True", host: b, port: "8883", homeassistant: "true"}
"""
    values = options_of(text)
    assert (values["inverter.port"], values["inverter.scan-interval"]) == (5020, 15.0)
    assert (values["inverter.level"], values["inverter.smart-meter"]) == (2, "true")
    assert (values["mqtt.enabled"], values["mqtt.port"]) == (True, 8883)
    assert values["mqtt.tls.enabled"] is True


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("0123", "0123"),
        ("1e5", "1e5"),
        ("yes", "yes"),
        ("12:34:56", "12:34:56"),
        ("'0123'", "0123"),
    ],
)
def test_a_password_is_taken_as_it_is_written(written: str, meant: str) -> None:
    text = mqtt(f"host: h, username: u, password: {written}")
    assert options_of(text)["mqtt.password"] == meant
    assert meant not in said(text)["mqtt.password"]


@pytest.mark.parametrize(
    ("text", "key", "value", "words"),
    [
        ("scan_interval: 0", "inverter.scan-interval", 1.0, "0 is out of bounds"),
        ("retries: 99", "inverter.retries", 10, "99 is out of bounds"),
        ("timeout: 0", "inverter.timeout", 10.0, "must be a number of seconds"),
        ("port: 99999", "inverter.port", None, "must be a port number"),
        ("log_console: debug", "log.level", "DEBUG", "log.level: DEBUG"),
        ("slave: 0x10", "inverter.unit", 16, "inverter.unit: 16"),
        ("scan_interval: soon", "inverter.scan-interval", 30.0, "must be a number of seconds"),
        ("level: [1]", "inverter.level", 1, "no value that can be taken over"),
        ("level:", "inverter.level", 1, "no value that can be taken over"),
    ],
)
def test_numbers_out_of_bounds_become_the_nearest_and_others_are_told(
    text: str, key: str, value: OptionValue, words: str
) -> None:
    old = f"inverter: {{host: h, {text}}}"
    assert options_of(old)[key] == value
    assert words in str(said(old))


@pytest.mark.parametrize("flag", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("v1", "v3", "lifetime"),
    [
        ("daily_power_yields", "", False),
        ("total_power_yields", "", True),
        ("daily_power_yields", "daily_import_energy", False),
        ("total_power_yields", "daily_import_energy", True),
        ("", "total_import_energy", True),
        ("", "", False),
    ],
)
def test_whether_energies_are_lifetime_ones_is_told_by_the_registers_and_not_by_the_flag(
    flag: int, v1: str, v3: str, lifetime: bool
) -> None:
    parameters = [f"name: {n}, register: {r}" for n, r in (("v1", v1), ("v3", v3)) if r]
    text = pvoutput("name: v2, register: x", *parameters, more=f"cumulative_flag: {flag}")
    assert options_of(text)["pvoutput.cumulative"] is lifetime
    told = said(text)["pvoutput.cumulative_flag"]
    assert f"flag {flag}" in told
    assert all(register in told for register in (v1, v3))
    assert ("both are lifetime" in told) == (v1.startswith("total") and v3.startswith("daily"))


def test_temperature_and_voltage_are_taken_over() -> None:
    text = pvoutput(
        "name: v5, register: internal_temperature", "name: v6, register: phase_a_voltage"
    )
    values = options_of(text)
    assert values["pvoutput.v5"] == "internal_temperature"
    assert values["pvoutput.v6"] == "phase_a_voltage"


@pytest.mark.parametrize("shown", ["v3", "v4", ""])
def test_a_consumption_that_nobody_saw_stays_unseen(shown: str) -> None:
    more = [f"name: {shown}, register: load_power"] if shown else []
    text = pvoutput("name: v1, register: daily_power_yields", *more)
    assert options_of(text)["pvoutput.consumption"] is bool(shown)
    assert options_of(text)["pvoutput.battery"] is False
    told = said(text)["pvoutput.parameters"]
    assert "v2 is sent as well: pv_power" in told
    assert ("house_" in told) == bool(shown)


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ("name: v7, register: pv_powr", "Did you mean pv_power"),
        ("name: v7, register: pid_alarm_codes", "must be the published name of a value"),
        ("name: v7", "it is empty"),
        ("name: v7, register: max_soc", "from inverter.level 2 on, and not at 1"),
        ("name: v8, register: battery_power, multiple: -1", "without its factor -1"),
        ("name: m1, register: work_state_1", "dropped: SunGather sends no such field"),
        ("name: v1, register: battery_power", "pv_energy_today, in the place of battery_power"),
    ],
)
def test_every_parameter_of_pvoutput_is_told(parameter: str, words: str) -> None:
    text = pvoutput(parameter)
    options_of(text)
    name = parameter.split(",")[0].removeprefix("name: ")
    assert words in said(text)[f"pvoutput.parameters.{name}"]


def test_misspelled_registers_are_told_where_the_list_is_not_taken_over() -> None:
    text = influxdb("org: o, bucket: b, measurements: [{point: p, register: load_powr}]")
    assert "no value is called load_powr" in said(text)["influxdb.measurements"]


@pytest.mark.parametrize(
    ("export", "key"),
    [
        ("name: mqtt, enabled: true", "mqtt.enabled"),
        ("name: mqtt, enabled: true, host: 'two words'", "mqtt.enabled"),
        ("name: influxdb, enabled: true, org: o", "influxdb.enabled"),
        ("name: pvoutput, enabled: true, api: k", "pvoutput.enabled"),
    ],
)
def test_what_lacks_something_is_switched_off_and_told(export: str, key: str) -> None:
    text = f"{INVERTER}exports: [{{{export}}}]"
    assert options_of(text)[key] is False
    assert "is missing" in said(text)[key]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("exports: []", "inverter.host"),
        ("inverter: [h]", "inverter"),
        ("inverter: {host: h}\nexports: {name: mqtt}", "exports"),
        ("inverter: {host: h}\nexports: [mqtt]", "exports, entry 1"),
        ("inverter: {host: h}\nexports: [{name: MQTT}]", "exports.MQTT"),
        ("inverter: {host: h}\nexports: [{name: mqtt, topics: []}]", "mqtt.topics"),
        ("inverter: {host: h, customfields: []}\nregisterpatches: []", "registerpatches"),
    ],
)
def test_nothing_is_left_out_without_a_word(text: str, key: str) -> None:
    assert "dropped: " in said(text)[key]


def test_a_file_that_is_not_utf_8_is_told_with_its_line() -> None:
    with pytest.raises(OptionsError) as caught:
        import_config("inverter:\n  host: h  # Küche\n".encode("latin-1"))
    assert caught.value.problems == [
        "line 2, column 15: this is not UTF-8: save the file with the encoding UTF-8."
    ]


_MANY = "".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}'] * 9)}]\n" for n in range(1, 6))


@pytest.mark.parametrize("place", ["inverter: {host: *b5}", "exports: [{name: *b5}]"])
def test_what_refers_to_itself_without_end_is_refused(place: str) -> None:
    for content in (f"b0: &b0 x\n{_MANY}{place}", f"b5: &b5 [*b5]\n{place}"):
        with pytest.raises(OptionsError) as caught:
            import_config(content.encode())
        assert "refers to its own parts" in caught.value.problems[0]


def test_our_own_file_is_told_as_such() -> None:
    with pytest.raises(OptionsError) as caught:
        import_config(b"inverter: {host: h}\nmqtt: {enabled: true}\n")
    assert "already" in caught.value.problems[0]


@pytest.mark.parametrize("written", ["'false'", "'True'", "'no'"])
def test_a_switch_in_quotes_counts_as_on_as_it_did_and_that_is_told(written: str) -> None:
    text = f"inverter: {{host: h}}\nexports: [{{name: console, enabled: {written}}}]\n"
    imported = import_config(text.encode())
    (note,) = [one for one in imported.notes if one.key == "console.enabled"]
    assert note.fate is Fate.CHANGED
    assert note.text == "console.enabled: true (a text counts as true, in SunGather 0.5 as well)"


@pytest.mark.parametrize(
    "value",
    [
        "!!bool maybe",
        "!!int ''",
        "!!int '_'",
        "!!float ''",
        "!!timestamp soon",
        pytest.param("1" + ":1" * 5000, id="a number of 9000 digits"),
    ],
)
def test_a_value_that_is_not_what_its_tag_says_is_told_with_its_line(value: str) -> None:
    with pytest.raises(OptionsError, match="not valid YAML in line 2"):
        import_config(f"inverter:\n  host: {value}\n".encode())


def test_parts_that_are_merged_into_each_other_take_no_memory() -> None:
    """Ten times the last one, and ten times that: a million pairs, unless the library sees it."""
    last = "a0: &a0 {k: v}\n"
    for n in range(1, 7):
        last += f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n"
    tracemalloc.start()
    try:
        with suppress(OptionsError):
            import_config(f"{last}inverter: {{host: a}}\n".encode())
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_what_is_merged_is_taken_over() -> None:
    text = import_config(b"x: &x {port: 1502}\ninverter: {<<: *x, host: a}\n").text
    assert "port: 1502" in text


@pytest.mark.parametrize(
    "place",
    [
        "inverter: {host: a, @: 1}",
        "inverter: {host: @}",
        "inverter: {host: a}\n@: 1",
        "exports: [{name: @}]",
        "exports: [{name: mqtt, enabled: true, @: 1}]",
        "exports: [{name: mqtt, ha_sensors: [{name: a, sensor_type: sensor, register: @}]}]",
        "exports: [{name: influxdb, url: @, measurements: [{register: @}]}]",
    ],
)
def test_no_text_of_the_file_forges_a_line_or_colours_a_terminal(place: str) -> None:
    hostile = '"a\\e[31m\\r\\nkept: \\u202eb"'
    notes = import_config(place.replace("@", hostile).encode()).notes
    assert [one for one in notes if not (one.key + one.text).isprintable()] == []


_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.dates(), st.binary(),
    st.sampled_from(["h", "a:502", "http://u:p@h", "total_power_yields", "1", "8883", "True"]),
)  # fmt: skip
_KEYS = st.one_of(
    st.sampled_from([
        "host", "port", "level", "name", "enabled", "parameters", "topic", "register", "multiple",
        "url", "token", "username", "password", "bucket", "org", "api", "sid", "cumulative_flag",
        "connection", "smart_meter", "log_console", "model", "homeassistant", "client_id",
        "ha_sensors", "sensor_type", "measurements",
    ]),
    st.text(),
)  # fmt: skip
_TREE = st.recursive(
    _SCALARS, lambda inner: st.one_of(st.lists(inner), st.dictionaries(_KEYS, inner)), max_leaves=8
)


@st.composite
def _export(draw: st.DrawFn) -> dict[str, object]:
    name = draw(st.sampled_from(["console", "webserver", "influxdb", "mqtt", "pvoutput"]))
    fields = draw(st.dictionaries(_KEYS, _TREE))
    if draw(st.booleans()):
        sensor = st.fixed_dictionaries(
            {
                "name": st.sampled_from(["A b", "x/y"]) | st.text(),
                "sensor_type": st.just("sensor"),
            },
            optional={"register": st.just("pv_power"), "icon": _TREE},
        )
        fields |= {"homeassistant": True, "ha_sensors": draw(st.lists(sensor, min_size=1))}
    return {"enabled": True, **fields, "name": name}


@given(_TREE | st.dictionaries(_KEYS, _SCALARS), _TREE | st.lists(_export()))
def test_whatever_stands_in_the_file_the_answer_passes_the_check(
    inverter: object, exports: object
) -> None:
    """But for the host of an inverter, where there is none: and that is told."""
    tree = {"inverter": inverter, "exports": exports}
    imported = import_config(yaml.safe_dump(tree, allow_unicode=True).encode())
    document = parse(imported.text.encode())
    assert document.problems == []
    problems = check(document.texts).problems
    assert [one.key for one in problems] in ([], ["inverter.host"])
    assert not problems or "inverter.host" in {note.key for note in imported.notes}
    if sensors := document.texts.get("mqtt.ha-sensors"):
        assert entities(parse_ha_sensors(sensors), reading(NOON), "h", "t", "homeassistant")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_file_or_a_sentence(content: bytes) -> None:
    try:
        import_config(content)
    except OptionsError as error:
        assert error.problems  # noqa: PT017 (either outcome is right)
