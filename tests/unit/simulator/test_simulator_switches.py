"""`simulate --fault`: every fault can be had by name, and no wrong word turns one on."""

import dataclasses

import pytest

from sungather.errors import OptionsError
from sungather.simulator import ABSURD_CLOCK, HTTP_SERVER, METER_LOST, ExceptionCode, Faults
from sungather.simulator.switches import faults_named


@pytest.mark.parametrize(
    ("setting", "field", "value"),
    [
        ("split", "split", True),
        ("late-by-one", "late_by_one", True),
        ("silent", "silent", True),
        ("silent=false", "silent", False),
        ("after-sunset=true", "after_sunset", True),
        ("widest=30", "widest", 30),
        ("busy=2", "busy", 2),
        ("busy-code=11", "busy_code", ExceptionCode.GATEWAY_TARGET),
        ("refusal=3", "refusal", ExceptionCode.ILLEGAL_VALUE),
        ("late=0.5", "late", 0.5),
        ("close-after=10", "close_after", 10.0),
        ("close-every=3", "close_every", 3),
        ("sessions=1", "sessions", 1),
        ("recovery=90", "recovery", 90.0),
        ("short=cut-off", "short", "cut-off"),
        ("foreign=zero", "foreign", "zero"),
        ("excess=reset", "excess", "reset"),
        ("night=stale", "night", "stale"),
        ("unknown-unit=silent", "unknown_unit", "silent"),
        (
            "cannot-start=5741-5743",
            "cannot_start",
            {"input": {5741, 5742, 5743}},
        ),
        (
            "cannot-contain=5000,holding:13000",
            "cannot_contain",
            {"input": {5000}, "holding": {13000}},
        ),
        ("silent-on=input:6100", "silent_on", {"input": {6100}}),
        ("close-on=13250-13251", "close_on", {"input": {13250, 13251}}),
        ("absurd-clock", "words", ABSURD_CLOCK),
        ("meter-lost", "words", METER_LOST),
        ("not-modbus", "banner", HTTP_SERVER),
    ],
)
def test_each_fault_is_one_switch(setting: str, field: str, value: object) -> None:
    assert faults_named([setting]) == dataclasses.replace(Faults(), **{field: value})


def test_several_faults_come_together() -> None:
    faults = faults_named(["absurd-clock", "meter-lost", "split"])
    assert faults.words == {**ABSURD_CLOCK, **METER_LOST}
    assert faults.split


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("silent=no", "The fault silent takes true or false, not 'no'."),
        ("late=", "The fault late has no value behind '='."),
        ("late=nan", "The fault late takes a number from 0 on, not 'nan'."),
        ("sessions=-1", "The fault sessions takes a number from 0 on, not '-1'."),
        ("busy", "The fault busy takes a number from 0 on, not ''."),
        ("night=banana", "The fault night takes dark or stale, not 'banana'."),
        ("short", "The fault short takes fewer-words or cut-off, not ''."),
        ("absurd-clock=5", "The fault absurd-clock takes no value, not '5'."),
        ("not-modbus=1", "The fault not-modbus takes no value, not '1'."),
        (
            "busy-code=99",
            "The fault busy-code takes a Modbus exception (1, 2, 3, 4, 5, 6, 8, 10, 11), "
            "not '99'.",
        ),
        *(
            (
                f"close-on={wrong}",
                "The fault close-on takes registers such as 5741-5746,holding:13000, "
                f"not '{wrong}'.",
            )
            for wrong in ("x", "5-4", "0", "coil:5", "1,,2", "1-99999999999")
        ),
    ],
)
def test_a_wrong_value_is_told_and_turns_nothing_on(setting: str, sentence: str) -> None:
    with pytest.raises(OptionsError) as told:
        faults_named([setting])
    assert told.value.problems == [sentence]


def test_list_shows_every_fault_with_what_it_takes() -> None:
    with pytest.raises(OptionsError) as told:
        faults_named(["list"])
    (text,) = told.value.problems
    for line in ("  absurd-clock", "  cannot-start=REGISTERS", "  night=dark|stale", "  silent"):
        assert line in text.splitlines()
