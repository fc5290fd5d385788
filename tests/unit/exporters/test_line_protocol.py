"""Line protocol: what InfluxDB reads back is what was written."""

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sungather.exporters import line_protocol
from sungather.outbox import Record
from sungather.reading import Value


def record(
    name: str = "roof", model: str = "SH10RT", serial: str = "A22", **values: Value
) -> Record:
    return Record(1, name, model, serial, 1_782_043_200_000, 1_782_043_200_000, values)


def line(one: Record, measurement: str, tags: dict[str, str]) -> str:
    fields = {name: value for name, value in one.values.items() if not isinstance(value, list)}
    return line_protocol.line(measurement, line_protocol.tag_set(one, tags), fields, one.time_ms)


def test_a_reading_becomes_one_line_with_tags_fields_and_a_time_in_milliseconds() -> None:
    assert line(
        record(pv_power=4821, power_factor=0.98, run_state="Run", on=True), "sungather", {}
    ) == (
        "sungather,kind=inverter,model=SH10RT,name=roof,serial=A22 "
        'pv_power=4821.0,power_factor=0.98,run_state="Run",on=true 1782043200000'
    )


def test_empty_tags_are_left_out_and_further_tags_added() -> None:
    text = line(record(model="", a=1), "s", {"site": "Büro 1"})
    assert text.startswith("s,kind=inverter,name=roof,serial=A22,site=Büro\\ 1 ")


def test_a_device_behind_an_inverter_is_told_apart_by_its_kind_and_its_inverter() -> None:
    text = line(replace(record(soc=64), kind="battery", via="roof"), "s", {})
    assert text.startswith("s,kind=battery,model=SH10RT,name=roof,serial=A22,via=roof ")


def test_a_reading_without_fields_gives_no_line() -> None:
    assert line(record(), "s", {}) == ""


def test_quotes_backslashes_and_line_breaks_in_texts_cannot_break_out() -> None:
    text = line(record(state='a "b" \\ c\nd=1 2'), "s", {})
    assert text.count("\n") == 0
    assert 'state="a \\"b\\" \\\\ c d=1 2" ' in text


def test_a_backslash_at_the_end_of_a_name_does_not_escape_what_follows() -> None:
    awkward = replace(record(name="roof\\", model="\\"), values={"a\\\\": 1})
    text = line(awkward, "s", {"site\\": "x\\"})
    assert text.startswith("s,kind=inverter,name=roof,serial=A22,site=x a=1.0 ")


SAFE_LINE = re.compile(
    r"(?P<measurement>(?:[^,= \\]|\\.)+)(?P<tags>(?:,(?:[^,= \\]|\\.|\\)+=(?:[^,= \\]|\\.|\\)+)*)"
    r" (?P<fields>.+) (?P<time>-?\d+)",
    re.DOTALL,
)


@given(
    st.text(min_size=1),
    st.text(min_size=1),
    st.dictionaries(
        st.text(min_size=1).filter(lambda key: key.strip("\\ \n\r")),
        st.one_of(
            st.integers(-(2**63), 2**63),
            st.floats(allow_nan=False, allow_infinity=False),
            st.text(),
        ),
        min_size=1,
    ),
)
def test_no_name_and_no_text_can_break_a_line(
    name: str, serial: str, values: dict[str, Value]
) -> None:
    text = line(Record(1, name, "m", serial, 1_782_043_200_000, 0, values), "sungather", {})
    assert "\n" not in text
    found = SAFE_LINE.fullmatch(text)
    assert found is not None
    assert found["time"] == "1782043200000"
