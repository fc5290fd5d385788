"""A frozen meter shows the evening's power all night; that is no value."""

from sungather.registers.models import model_named
from sungather.registers.stuck_meter import FROZEN_AFTER, METER, MeterWatch

SG, SH = model_named("SG10RT"), model_named("SH10RT")
NIGHT = {"total_active_power": 0.0, "meter_power": 312.0, "load_power": 312.0}
LATE = FROZEN_AFTER + 1


def test_values_that_do_not_change_in_the_dark_are_frozen_after_half_an_hour() -> None:
    watch = MeterWatch()
    assert not watch.frozen(NIGHT, SG, 0)
    assert not watch.frozen(NIGHT, SG, FROZEN_AFTER)
    assert watch.frozen(NIGHT, SG, LATE) == {"meter_power", "load_power"}


def test_the_slightest_change_begins_anew() -> None:
    watch = MeterWatch()
    watch.frozen(NIGHT, SG, 0)
    watch.frozen({**NIGHT, "load_power": 313.0}, SG, FROZEN_AFTER)
    assert not watch.frozen({**NIGHT, "load_power": 313.0}, SG, LATE)


def test_by_day_a_meter_may_stand_still() -> None:
    watch = MeterWatch()
    day = {**NIGHT, "total_active_power": 500.0}
    watch.frozen(day, SG, 0)
    assert not watch.frozen(day, SG, LATE)


def test_a_hybrids_meter_does_not_freeze() -> None:
    watch = MeterWatch()
    watch.frozen(NIGHT, SH, 0)
    assert not watch.frozen(NIGHT, SH, LATE)


def test_the_names_are_published_ones() -> None:
    from sungather.registers.catalogue import registers_for

    assert set(METER) <= {register.name for register in registers_for(SG, level=3)}
