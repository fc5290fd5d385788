"""When silence is sleep: only at night, only there, and not for ever."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sungather import errors
from sungather.device.night import LONGEST, USUAL, NightRule, NightSite, night_rule_of
from sungather.reading import Value
from sungather.registers.models import model_named

SG, SH = model_named("SG10RT"), model_named("SH10RT")
SILENCE = errors.Silent("no answer")
BERLIN = ZoneInfo("Europe/Berlin")
ZONE, PLACE = NightSite(BERLIN), NightSite(BERLIN, 52.52, 13.40)
TROMSO, NOWHERE = (
    NightSite(ZoneInfo("Europe/Oslo"), 69.65, 18.96),
    NightSite(ZoneInfo("UTC")),
)
HERE = "192.168.1.10:"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


DUSK = utc("2026-06-21 19:40")
"""Just after sunset in Berlin."""
DAWN = utc("2026-06-22 03:10")
RULE = NightRule(hybrid=False, resting=True, place=HERE, serial="A1", seen_at=DUSK)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


@pytest.mark.parametrize(
    ("values", "resting"),
    [
        ({"pv_power": 99}, True),
        ({"pv_power": 100}, False),
        ({"pv_power": 0}, True),
        ({"pv_power": 5000, "work_state_1": "Stop"}, True),
        ({"pv_power": 5000, "work_state_1": "Standby"}, True),
        ({"pv_power": 5000, "work_state_1": "Run"}, False),
        ({}, False),
    ],
)
def test_an_inverter_rests_below_one_percent_or_when_it_says_so(
    values: dict[str, Value], resting: bool
) -> None:
    assert night_rule_of(SG, values).resting is resting


@pytest.mark.parametrize(
    ("rule", "error", "asleep"),
    [
        (RULE, SILENCE, True),
        (RULE, errors.NoRoute(""), True),
        (RULE, errors.PortClosed(""), True),
        (RULE, errors.NameNotFound(""), False),
        (RULE, errors.Busy(""), False),
        (replace(RULE, resting=False), SILENCE, False),
        (replace(RULE, hybrid=True), SILENCE, False),
        (replace(RULE, place="192.168.1.11:"), SILENCE, False),
        (replace(RULE, place="192.168.1.10:503"), SILENCE, False),
        (NightRule(hybrid=False, resting=True), SILENCE, False),
    ],
)
def test_only_silence_of_a_resting_inverter_without_battery_is_sleep_and_only_there(
    rule: NightRule, error: errors.InverterError, asleep: bool
) -> None:
    assert rule.explains(error, HERE, DUSK + hours(1), ZONE) is asleep


@pytest.mark.parametrize(("site", "asleep"), [(NOWHERE, True), (ZONE, False), (PLACE, False)])
def test_silence_that_began_by_day_is_no_sleep_at_night_either(
    site: NightSite, asleep: bool
) -> None:
    """An inverter that somebody has stopped at noon, and that has not answered since."""
    stopped = replace(RULE, seen_at=utc("2026-06-21 10:30"))
    assert stopped.explains(SILENCE, HERE, DUSK + hours(1), site) is asleep


@pytest.mark.parametrize(
    ("after", "asleep"), [(0, True), (8, True), (15.9, True), (16.1, False), (28, False)]
)
def test_without_knowing_more_sleep_lasts_sixteen_hours(after: float, asleep: bool) -> None:
    assert RULE.explains(SILENCE, HERE, DUSK + hours(after), NOWHERE) is asleep


@pytest.mark.parametrize(
    ("moment", "asleep"),
    [
        ("2026-06-21 21:00", True),
        ("2026-06-22 02:40", True),
        ("2026-06-22 03:40", True),  # an hour of dim light after 02:43
        ("2026-06-22 03:50", False),
        ("2026-06-22 08:00", False),
    ],
)
def test_where_the_place_is_known_sleep_ends_with_the_night(moment: str, asleep: bool) -> None:
    assert RULE.explains(SILENCE, HERE, utc(moment), PLACE) is asleep


def learned(site: NightSite = ZONE) -> NightRule:
    """After a night from dusk to dawn."""
    rule = RULE
    for minutes in range(5, 445, 5):
        now = DUSK + timedelta(minutes=minutes)
        assert rule.explains(SILENCE, HERE, now, site)
        rule = rule.silent(now)
    return night_rule_of(SG, {"pv_power": 200}, HERE, "A1", DAWN).after(rule)


@pytest.mark.parametrize(
    ("after", "asleep"),
    [
        ("2026-06-22 18:00", True),  # nearly two hours earlier than the day before
        ("2026-06-22 17:30", False),
        ("2026-06-22 09:00", False),
        ("2026-06-22 23:00", True),
    ],
)
def test_a_night_that_was_seen_says_when_the_next_one_is(after: str, asleep: bool) -> None:
    """So an inverter that is switched off by day, and said so, is not asleep."""
    rule = learned()
    assert rule.night == (DUSK, DAWN)
    now = utc(after)
    evening = replace(rule, resting=True, seen_at=now - timedelta(minutes=1))
    assert evening.explains(SILENCE, HERE, now, ZONE) is asleep


def test_silence_that_goes_on_after_the_night_that_was_learned_is_none_of_it() -> None:
    evening = replace(learned(), resting=True, seen_at=DUSK + hours(24))
    assert evening.explains(SILENCE, HERE, DAWN + hours(25.9), ZONE)
    assert not evening.explains(SILENCE, HERE, DAWN + hours(26.1), ZONE)


def test_a_night_of_twenty_hours_is_slept_through_once_it_was_seen() -> None:
    begin = utc("2026-12-20 12:30")
    rule = replace(RULE, seen_at=begin, night=(begin - hours(24), begin - hours(4)))
    assert rule.explains(SILENCE, HERE, begin + hours(21.9), NOWHERE)
    assert not rule.explains(SILENCE, HERE, begin + hours(22.1), NOWHERE)


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(replace(RULE, silent_at=None, fell_silent=DUSK), id="nobody was there"),
        pytest.param(replace(RULE, silent_at=DAWN, fell_silent=DAWN - hours(25)), id="too long"),
        pytest.param(replace(RULE, silent_at=DAWN, fell_silent=DAWN - hours(1)), id="too short"),
        pytest.param(replace(RULE, silent_at=DAWN, fell_silent=DUSK, serial="A2"), id="another"),
    ],
)
def test_what_was_no_night_teaches_nothing(rule: NightRule) -> None:
    after = night_rule_of(SG, {"pv_power": 200}, HERE, "A1", DAWN).after(rule)
    assert (after.night, after.fell_silent) == (None, None)


def test_an_answer_in_the_middle_of_the_night_is_no_dawn() -> None:
    rule = RULE.silent(DUSK + hours(1))
    rule = night_rule_of(SG, {"pv_power": 0}, HERE, "A1", DUSK + hours(2)).after(rule)
    rule = rule.silent(DUSK + hours(7))
    assert night_rule_of(SG, {"pv_power": 200}, HERE, "A1", DAWN).after(rule).night == (DUSK, DAWN)


@pytest.mark.parametrize(
    ("site", "moment", "asleep"),
    [
        (ZONE, "2026-06-21 11:00", False),
        (ZONE, "2026-06-21 19:00", True),
        (NOWHERE, "2026-06-21 11:00", True),
        (TROMSO, "2026-06-21 00:00", False),
        (TROMSO, "2026-12-21 11:00", True),
    ],
)
def test_silence_at_noon_or_under_the_midnight_sun_is_no_sleep(
    site: NightSite, moment: str, asleep: bool
) -> None:
    now = utc(moment)
    rule = replace(RULE, seen_at=now - timedelta(minutes=1))
    assert rule.explains(SILENCE, HERE, now, site) is asleep


moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))
spans = st.timedeltas(timedelta(), timedelta(days=40))
sites = st.sampled_from([ZONE, PLACE, TROMSO, NOWHERE])


@given(moments, spans, spans, st.none() | st.tuples(spans, spans), sites)
def test_nothing_sleeps_for_more_than_a_day(
    seen: datetime,
    after: timedelta,
    before: timedelta,
    night: tuple[timedelta, timedelta] | None,
    site: NightSite,
) -> None:
    known = None if night is None else (seen - before, seen - before + night[0])
    rule = replace(RULE, seen_at=seen, night=known)
    if rule.explains(SILENCE, HERE, seen + after, site):
        assert after <= LONGEST
        assert after <= USUAL or known is not None or site in (PLACE, TROMSO)


@pytest.mark.parametrize(
    ("site", "moment", "night"),
    [
        (PLACE, "2026-06-21 19:40", True),
        (PLACE, "2026-06-21 19:20", False),
        (PLACE, "2026-12-21 15:00", True),
        (TROMSO, "2026-12-21 11:00", True),
        (TROMSO, "2026-06-21 23:00", False),
        (ZONE, "2026-06-21 19:59", False),  # 21:59
        (ZONE, "2026-06-21 20:01", True),
        (ZONE, "2026-06-22 03:01", False),
        (ZONE, "2026-12-21 18:01", True),  # 19:01
        (ZONE, "2026-12-21 05:01", False),
        (ZONE, "2026-12-21 11:00", False),
        (NightSite(ZoneInfo("Australia/Sydney")), "2026-06-21 09:30", True),  # winter, 19:30
        (NightSite(ZoneInfo("Asia/Tokyo")), "2026-12-21 11:00", False),  # no summer time: 20:00
        (NightSite(ZoneInfo("Asia/Tokyo")), "2026-12-21 13:30", True),
        (NOWHERE, "2026-12-21 23:00", False),
    ],
)
def test_where_night_is_likely(site: NightSite, moment: str, night: bool) -> None:
    assert site.is_probably_night(utc(moment)) is night


@given(
    st.builds(
        NightRule,
        st.booleans(),
        st.booleans(),
        st.text(max_size=9),
        st.text(max_size=9),
        st.none() | moments,
        st.none() | moments,
        st.none(),
        st.none() | st.tuples(moments, moments),
    )
)
def test_the_rule_survives_a_restart(rule: NightRule) -> None:
    assert NightRule.from_json(rule.as_json()) == rule


@pytest.mark.parametrize("saved", [None, [], "text", 1])
def test_no_rule_is_made_of_damage(saved: object) -> None:
    assert NightRule.from_json(saved) is None


@pytest.mark.parametrize(
    "damage",
    [
        {"seen_at": "yesterday"},
        {"seen_at": "2026-06-21T10:00:00"},
        {"night": ["x", 1]},
        {"night": 5},
    ],
)
def test_damaged_moments_are_not_known(damage: dict[str, object]) -> None:
    rule = NightRule.from_json({**RULE.as_json(), **damage})
    assert rule is not None
    assert rule.night is None
    assert rule.seen_at in (None, DUSK)
