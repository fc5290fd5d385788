"""The table of options, and the check of flat texts against it."""

from datetime import date

import pytest

from sungather.options.all_options import OPTIONS
from sungather.options.check import Checked, check, missing
from sungather.options.configuration import configured
from sungather.options.keys import is_group, nearest, nearest_group, option
from sungather.options.option import Option, OptionKind
from sungather.options.values import Wrong, convert, shown, text_of

HOST = {"inverter.host": "192.168.1.10"}


def messages(checked: Checked) -> list[str]:
    return [problem.message for problem in checked.problems]


@pytest.mark.parametrize("row", OPTIONS, ids=lambda row: row.key)
def test_every_row_of_the_table_makes_sense(row: Option) -> None:
    assert option(row.key) is row
    assert row.key == row.key.lower()
    assert "_" not in row.key
    assert row.help.endswith((".", ")")), "a sentence for a person"
    if row.default not in (None, ""):
        assert convert(row, text_of(row.default)) == row.default
    if row.example:
        convert(row, row.example)
    assert bool(row.choices) == (row.kind is OptionKind.CHOICE)
    assert not row.required_when or option(row.required_when)
    assert not row.secret or (row.kind.is_text and not row.default)
    assert not is_group(row.key), "an option cannot be a group as well"


def test_keys_stand_in_the_table_once() -> None:
    assert len({row.key for row in OPTIONS}) == len(OPTIONS)


@pytest.mark.parametrize(
    ("key", "known"),
    [
        ("inverter.host", True),
        ("inverters.roof.host", True),
        ("inverters.roof-2.tls.ca", True),
        ("inverters.inverter.host", True),
        ("inverters.2.host", False),
        ("inverters.Roof.host", False),
        ("inverters.roof_2.host", False),
        ("inverters.-a.host", False),
        ("inverters.a--b.host", False),
        ("inverters." + 41 * "a" + ".host", False),
        ("inverters.roof", False),
        ("inverters.roof.inverter.host", False),
        ("inverters..host", False),
        ("inverter", False),
        ("host", False),
        ("", False),
    ],
)
def test_an_option_is_found_by_its_key_also_for_named_inverters(key: str, known: bool) -> None:
    found = option(key)
    assert (found is not None) == known
    assert found is None or found.key == key


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("inverter.hots", "inverter.host"),
        ("inverter.Scan_Interval", "inverter.scan-interval"),
        ("inverters.roof.scan-intervall", "inverters.roof.scan-interval"),
        ("sites.timezone", "site.timezone"),
        ("zzz", None),
        ("x" * 100_000, None),
    ],
)
def test_the_nearest_known_key_is_found(key: str, near: str | None) -> None:
    assert nearest(key) == near


@pytest.mark.parametrize("meter", ["auto", "all", "roof", "barn"])
def test_the_meter_of_the_site_is_an_inverters_or_found_out(meter: str) -> None:
    hosts = {f"inverters.{name}.host": "192.168.1.10" for name in ("roof", "barn")}
    checked = check({**hosts, "site.meter": meter})
    assert messages(checked) == []
    assert checked.values["site.meter"] == meter


def test_a_meter_that_no_inverter_has_is_a_problem_that_names_them() -> None:
    hosts = {f"inverters.{name}.host": "192.168.1.10" for name in ("roof", "barn")}
    assert messages(check({**hosts, "site.meter": "shed"})) == [
        "site.meter must be auto, all or the name of an inverter (roof, barn), not 'shed'."
    ]
    assert not check({**HOST, "site.meter": "inverter"}).problems


def test_the_nearest_group_is_never_the_one_that_the_key_stands_in() -> None:
    assert nearest_group("invertr") == "inverter"
    assert nearest_group("inverter.tsl") == "inverter.tls"
    assert nearest_group("zzzz") is None


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("inverter.port", "1", 1),
        ("inverter.port", "65535", 65535),
        ("inverter.unit", "247", 247),
        ("inverter.level", "3", 3),
        ("inverter.retries", "0", 0),
        ("inverter.scan-interval", "1", 1.0),
        ("inverter.scan-interval", "3600.0", 3600.0),
        ("inverter.timeout", "0.5", 0.5),
        ("inverter.smart-meter", "true", "true"),
        ("web.enabled", "true", True),
        ("web.enabled", "false", False),
        ("inverter.model", "auto", "auto"),
        ("inverter.model", "sh10rt", "SH10RT"),
        ("inverter.host", "inverter.local", "inverter.local"),
        ("inverter.host", "192.168.1.10", "192.168.1.10"),
        ("inverter.host", "2001:db8::1", "2001:db8::1"),
        ("inverter.host", "fe80::1%eth0", "fe80::1%eth0"),
        ("inverter.host", "wechselrichter-süd.example", "wechselrichter-süd.example"),
        ("inverter.host", "my_inverter", "my_inverter"),
        ("inverter.password", " 0123 # no: yes ", " 0123 # no: yes "),
        ("inverter.password", "no", "no"),
        ("inverter.tls.ca", "-----BEGIN\nabc\r\n\t-----END\n", "-----BEGIN\nabc\r\n\t-----END\n"),
        ("site.timezone", "America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("storage.directory", "/var/lib/sun gather", "/var/lib/sun gather"),
        ("tariff.export", "-0.02", "-0.02"),
        ("tariff.export", "0.1, 22:00-06:00 0.08", "0.1, 22:00-06:00 0.08"),
        ("tariff.standing", "0.4; from 2026-01-01 0.45", "0.4; from 2026-01-01 0.45"),
        ("tariff.currency", "CHF", "CHF"),
        ("tariff.paid", "14500", 14500.0),
        ("tariff.paid-since", "2022-04-01", "2022-04-01"),
    ],
)
def test_a_good_text_becomes_its_typed_value(key: str, text: str, value: object) -> None:
    checked = check({**HOST, key: text})
    assert messages(checked) == []
    assert checked.values[key] == value
    assert type(checked.values[key]) is type(value)


SECONDS = "a number of seconds from 1 to 3600"
LEVEL = "a whole number from 1 to 3"
TOPIC = "a topic without + and #, that neither begins nor ends with a slash"
PRICES = "a price, or prices with their times"
TAGS = "tags of the form key=value with commas between"
NAMES = "published names of values with commas between, with * for anything"
ADDRESS = "a host name or an IP address"


@pytest.mark.parametrize(
    ("key", "text", "rest"),
    [
        ("inverter.scan-interval", "0", f"{SECONDS}, not 0."),
        ("inverter.scan-interval", "-5", f"{SECONDS}, not -5."),
        ("inverter.scan-interval", "3601", f"{SECONDS}, not 3601."),
        ("inverter.scan-interval", "nan", f"{SECONDS}, not 'nan'."),
        ("inverter.scan-interval", "inf", f"{SECONDS}, not 'inf'."),
        ("inverter.scan-interval", "1e2", f"{SECONDS}, not '1e2'."),
        ("inverter.scan-interval", "30.", f"{SECONDS}, not '30.'."),
        ("inverter.scan-interval", "30 s", f"{SECONDS}, not '30 s'."),
        ("inverter.scan-interval", "٣٠", f"{SECONDS}, not '٣٠'."),
        ("inverter.scan-interval", "9" * 5000, f"{SECONDS}, not '{'9' * 40}…'."),
        ("inverter.level", "7", f"{LEVEL}, not 7."),
        ("inverter.level", "1.5", f"{LEVEL}, not 1.5."),
        ("inverter.level", "two", f"{LEVEL}, not 'two'."),
        ("inverter.level", "9" * 5000, f"{LEVEL}, not '{'9' * 40}…'."),
        ("inverter.unit", "300", "a whole number from 1 to 247, not 300."),
        ("inverter.unit", "001", "a whole number from 1 to 247, not '001'."),
        ("inverter.port", "0", "a port number from 1 to 65535, not 0."),
        ("inverter.smart-meter", "yes", "auto, true or false, not 'yes'."),
        ("mqtt.compatibility", "0.5", "nothing or sungather-0.5, not 0.5."),
        ("web.enabled", "yes", "true or false, not 'yes'."),
        ("log.level", "debug", "DEBUG, INFO, WARNING or ERROR, not 'debug'. Did you mean DEBUG?"),
        (
            "inverter.model",
            "SH10TR",
            "auto or the name of a known model, not 'SH10TR'. Did you mean SH10T, SH10RT or",
        ),
        (
            "site.timezone",
            "Europe/Berln",
            "a time zone by its IANA name, such as Europe/Berlin, not 'Europe/Berln'. "
            "Did you mean Europe/Berlin",
        ),
        ("site.timezone", "Europe", "a time zone by its IANA name"),
        ("site.timezone", "../etc/passwd", "a time zone by its IANA name"),
        ("site.timezone", "a\0b", "a time zone by its IANA name"),
        ("storage.directory", "state", "a directory with its full path, beginning with /"),
        ("inverter.host", "http://192.168.1.10/", f"{ADDRESS} alone. Leave out what stands"),
        ("inverter.host", "me:secret@host", f"{ADDRESS} alone. Leave out what stands"),
        ("inverter.host", "192.168.1.10:502", f"{ADDRESS} alone, not '192.168.1.10:502'. The por"),
        ("inverter.host", "[::1]", f"{ADDRESS} without brackets, not '[::1]'."),
        ("inverter.host", "192.168.1.300", f"{ADDRESS}, not '192.168.1.300'. An IPv4 address has"),
        ("inverter.host", "12345", f"{ADDRESS}, not 12345. An IPv4 address has four numbers"),
        ("inverter.host", "two words", f"{ADDRESS}, not 'two words'."),
        ("inverter.host", "a..b", f"{ADDRESS}, not 'a..b'."),
        ("inverter.host", "-a", f"{ADDRESS}, not '-a'."),
        ("inverter.host", "a\nb", f"{ADDRESS}, not 'a\\nb'."),
        ("inverter.host", "::1%\x1b[31m", f"{ADDRESS}, not '::1%\\x1b[31m'."),
        ("inverter.host", "\udcff", f"{ADDRESS}, not '\\udcff'."),
        ("inverter.host", "x" * 300, f"{ADDRESS}, not '{'x' * 40}…'."),
        ("inverter.username", "a\nb", "one line of text without control characters, not 'a\\nb'."),
        ("inverter.password", "hunter2\n", "one line of text without control characters."),
        ("inverter.tls.ca", "a\x1b", "text without control characters, not 'a\\x1b'."),
        ("mqtt.topic", "solar/#", f"{TOPIC}, not 'solar/#'."),
        ("mqtt.topic", "solar/+/x", f"{TOPIC}, not 'solar/+/x'."),
        ("mqtt.topic", "/solar", f"{TOPIC}, not '/solar'."),
        ("mqtt.topic", "solar/", f"{TOPIC}, not 'solar/'."),
        ("mqtt.topic", "$SYS/a", f"{TOPIC}, not '$SYS/a'. Topics that begin with $ belong"),
        ("mqtt.topic", "a\0b", f"{TOPIC} and has no control characters, not"),
        ("mqtt.topic", "ä" * 501, f"{TOPIC}, of at most 1000 bytes, not"),
        ("mqtt.homeassistant-prefix", "ha/#", f"{TOPIC}, not 'ha/#'."),
        ("influxdb.measurement", "#solar", "a name that begins neither with # nor with _, not"),
        ("influxdb.measurement", "_internal", "a name that begins neither with # nor with _"),
        ("influxdb.tags", "abc", f"{TAGS}, not 'abc'. 'abc' is not of the form key=value."),
        ("influxdb.tags", "a=", f"{TAGS}, not 'a='. 'a=' is not of the form key=value."),
        ("influxdb.tags", "serial=1", f"{TAGS}, not 'serial=1'. Every point has a tag serial"),
        ("influxdb.tags", "time=1", f"{TAGS}, not 'time=1'. InfluxDB keeps the name 'time'"),
        ("influxdb.tags", "a=1,a=2", f"{TAGS}, not 'a=1,a=2'. a stands there twice."),
        (
            "influxdb.include",
            "pv_powr",
            f"{NAMES}, not 'pv_powr'. No value is called 'pv_powr'. D",
        ),
        ("influxdb.exclude", "pv_power,,x", f"{NAMES}, not 'pv_power,,x'."),
        ("influxdb.exclude", "xyz_*", f"{NAMES}, not 'xyz_*'. No value is called 'xyz_*'."),
        ("tariff.export", "0,08", f"{PRICES}, not '0,08'. A price is a number with a point"),
        ("tariff.export", "8 ct", f"{PRICES}, not '8 ct'. A price is a number with a point"),
        ("tariff.standing", "0.4, sa 0.3", "a price of a day, not '0.4, sa 0.3'. It has no times"),
        ("tariff.currency", "€", "a currency by its three letters, such as EUR, not '€'."),
        ("tariff.paid", "0", "a number from 1, not 0."),
        ("tariff.paid-since", "20220401", "a day, as in 2022-04-01, not 20220401."),
        ("tariff.paid-since", "1.4.2022", "a day, as in 2022-04-01, not '1.4.2022'."),
        ("pvoutput.v7", "pv_powr", "the published name of a value, not 'pv_powr'. Did you mean"),
    ],
)
def test_a_bad_text_gives_one_sentence_with_what_to_write(key: str, text: str, rest: str) -> None:
    (message,) = messages(check({**HOST, key: text}))
    assert message.startswith(f"{key} must be {rest}")
    assert message.isprintable(), "one line, nothing that a terminal obeys"


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("http://influx.local:8086", True),
        ("https://[2001:db8::1]/path", True),
        ("ftp://host", False),
        ("influx.local:8086", False),
        ("http://", False),
        ("http://host:99999", False),
        ("http://ho st", False),
        ("http://host\n", False),
        ("http://user:hunter2@host", False),
    ],
)
def test_a_url_is_http_and_holds_no_password(text: str, good: bool) -> None:
    row = Option("some.url", OptionKind.URL, "Some address.")
    if good:
        assert convert(row, text) == text
        return
    with pytest.raises(Wrong) as caught:
        convert(row, text)
    assert caught.value.show == ("hunter2" not in text)


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("inverter.hots", "unknown option inverter.hots: did you mean inverter.host?"),
        (
            "inverter.scan_interval",
            "unknown option inverter.scan_interval: keys have small letters and dashes: "
            "inverter.scan-interval.",
        ),
        (
            "Inverter.host",
            "unknown option Inverter.…: keys have small letters and dashes: inverter.….",
        ),
        ("zzz", "unknown option zzz: 'sungather options' lists all options."),
        ("loog.level", "unknown option loog.…: did you mean log.…?"),
        ("inverter", "inverter is a group of options: write the options in it: inverter.host."),
        (
            "inverters.roof",
            "inverters.roof is a group of options: write the options in it: inverters.roof.host.",
        ),
        ("inverters", "inverters is a group of options: write the options in it: inverters.NAME."),
        ("inverter.host.name", "inverter.host takes one value, and no keys below it."),
        ("inverter.password.hunter2", "inverter.password takes one value, and no keys below it."),
        ("inverter.pasword.hunter2", "unknown option inverter.pasword.…: "),
        (
            "inverters.Roof.host",
            "inverters.NAME: a name has at most 40 of a–z and 0–9 with at least one letter, "
            "and single dashes between; 'Roof' does not.",
        ),
        ("inverter.password hunter2", "a key has letters a–z, digits, dashes and dots only."),
        ("höst", "a key has letters a–z, digits, dashes and dots only."),
        ("", "a key has letters a–z, digits, dashes and dots only."),
        ("inverter..host", "unknown option inverter..…: "),
    ],
)
def test_an_unknown_key_is_named_with_what_to_write_instead(key: str, sentence: str) -> None:
    (message,) = messages(check({**HOST, key: "hunter2"}))
    assert message.startswith(sentence)
    assert "hunter2" not in message


def test_all_problems_come_at_once() -> None:
    texts = {"inverter.level": "7", "inverter.unit": "x", "foo": "1", "log.level": ""}
    assert len(messages(check(texts))) == 5, "the missing host is the fifth"


def test_an_empty_text_is_not_set_where_there_is_no_default_and_refused_elsewhere() -> None:
    checked = check({**HOST, "inverter.port": "", "inverter.username": "", "inverter.level": ""})
    assert messages(checked) == [
        "inverter.level has no value: write one, or leave the option out."
    ]
    assert checked.values["inverter.port"] is None
    assert checked.values["inverter.username"] == ""


def test_without_a_host_something_is_missing_unless_no_inverter_is_needed() -> None:
    sentence = "inverter.host is missing: give it a value, such as 192.168.1.10."
    assert messages(check({})) == [sentence]
    checked = check({"inverter.level": "2"}, need_inverter=False)
    assert messages(checked) == []
    assert not checked.has_inverter
    assert checked.values["inverter.level"] == 2
    assert check(HOST, need_inverter=False).has_inverter


def test_one_host_among_named_inverters_makes_the_others_missing() -> None:
    texts = {"inverters.roof.host": "a", "inverters.barn.level": "2"}
    assert messages(check(texts, need_inverter=False)) == [
        "inverters.barn.host is missing: give it a value, such as 192.168.1.10."
    ]


def test_a_wrong_value_is_not_missed_as_well() -> None:
    assert len(messages(check({"inverter.host": "a b"}))) == 1
    assert messages(check({}, wrong={"inverter.host"})) == []
    assert messages(check({}, wrong={"inverters.roof.host"})) == []


def test_the_short_form_and_named_inverters_exclude_each_other() -> None:
    (message,) = messages(check({**HOST, "inverters.roof.host": "b"}))
    assert message == (
        "inverter.host cannot stand beside inverters.roof.…: write every inverter as "
        "inverters.NAME.…, or only one as inverter.…."
    )


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("roof-battery-1", True), ("roof-charger-12", True), ("roof-battery", False),
        ("roof-2", False), ("shed-battery-1", False),
    ],
)  # fmt: skip
def test_no_inverter_has_the_name_of_a_device_behind_another(name: str, wrong: bool) -> None:
    found = messages(check({"inverters.roof.host": "a", f"inverters.{name}.host": "b"}))
    sentence = f"inverters.{name}: devices behind roof are called so: give it another name."
    assert found == [sentence] * wrong


def test_defaults_written_out_for_the_short_form_do_not_disturb_named_inverters() -> None:
    written = {row.key: text_of(row.default) for row in OPTIONS if row.key.startswith("inverter.")}
    checked = check({**written, "inverters.roof.host": "b"})
    assert messages(checked) == []
    assert checked.inverters == ("inverters.roof",)


def test_a_price_that_comes_by_mqtt_needs_one_that_stands_in() -> None:
    topic = {**HOST, "tariff.import-topic": "evcc/site/tariffGrid"}
    assert messages(check(topic)) == [
        "tariff.import is missing, but needed with tariff.import-topic: give it a value, such as "
        "0.31; from 2026-01-01 0.36, 22:00-06:00 0.24, sa-su 0.29.",
    ]
    prices = {"tariff.import": "0.34", "tariff.currency": "EUR"}
    assert messages(check({**topic, **prices})) == []


def test_prices_need_a_currency_and_without_a_price_there_is_no_tariff() -> None:
    (message,) = messages(check({**HOST, "tariff.import": "0.34"}))
    assert message == (
        "tariff.currency is missing, but needed with tariff.import: give it a value, such as EUR."
    )
    priced = configured(check({**HOST, "tariff.import": "0.34", "tariff.currency": "EUR"}))
    assert priced.tariff.tariff is not None
    assert priced.tariff.tariff.sell.all_day(date(2026, 1, 1)) == 0.0
    assert configured(check({**HOST, "tariff.export": "0.08"})).tariff.tariff is None


def test_an_option_may_be_required_by_another() -> None:
    assert messages(check({**HOST, "mqtt.enabled": "false"})) == []
    assert messages(check({**HOST, "mqtt.enabled": "true"})) == [
        "mqtt.host is missing, but needed with mqtt.enabled: give it a value, such as 192.168.1.5."
    ]
    assert messages(check({**HOST, "mqtt.tls.cert": "x"})) == [
        "mqtt.tls.key is missing, but needed with mqtt.tls.cert: give it a value."
    ]


def test_an_option_required_by_another_looks_at_its_own_inverter() -> None:
    row = Option("inverters.a.x", OptionKind.TEXT, "X.", required_when="inverter.y")
    values = {"inverters.a.x": "", "inverters.a.y": "set", "inverter.y": ""}
    assert [problem.key for problem in missing(values, [row], set())] == ["inverters.a.x"]
    assert not list(missing({**values, "inverters.a.y": ""}, [row], set()))


def test_thousands_of_unknown_keys_are_all_named_without_search_for_each() -> None:
    found = messages(check({**HOST, **{f"inverter.hot{n}": "" for n in range(20_000)}}))
    assert len(found) == 20_000
    assert sum("did you mean" in message for message in found) == 20


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (True, "true"), (30.0, "30"), (0.1, "0.1"), (1e-7, "0.0000001"), (502, "502")],
)
def test_a_value_is_written_as_it_is_read(value: float | bool | None, text: str) -> None:
    assert text_of(value) == text


def test_foreign_text_is_shown_on_one_line_and_cut_short() -> None:
    assert shown("a\n\x1b\u202e") == "'a\\n\\x1b\\u202e'"
    assert shown("x" * 1000) == f"'{'x' * 40}…'"


def test_secrets_are_not_in_the_repr_of_what_was_checked() -> None:
    assert "hunter2" not in repr(check({**HOST, "inverter.password": "hunter2"}))
