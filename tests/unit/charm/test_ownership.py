"""Whose the snap is, asked by units of one machine, one after the other."""

from pathlib import Path

import pytest

import ownership
from ownership import OwnedByAnother, ReadByAnother, Unit


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which no unit lives so far."""
    monkeypatch.setattr(ownership, "DIRECTORY", tmp_path / "claims")
    return tmp_path


def unit(machine: Path, name: str, model: str = "one") -> Unit:
    home = machine / f"{model}-{name.replace('/', '-')}"
    home.mkdir(exist_ok=True)
    return Unit(model, name, home)


def test_an_application_of_the_same_name_in_another_model_is_another(machine: Path) -> None:
    assert ownership.claim(unit(machine, "sungather/0"), polls=True)
    with pytest.raises(OwnedByAnother):
        ownership.claim(unit(machine, "sungather/0", "another"), polls=True)


def test_a_new_leader_has_the_snap_though_the_former_one_still_says_that_it_polls(
    machine: Path,
) -> None:
    former, new = unit(machine, "sungather/0"), unit(machine, "sungather/1")
    assert ownership.claim(former, polls=True)
    assert not ownership.claim(new, polls=False), "it is the other's to change"
    assert ownership.claim(new, polls=True)


def test_a_standby_has_the_snap_when_nobody_polls_any_more(machine: Path) -> None:
    leader, standby = unit(machine, "sungather/0"), unit(machine, "sungather/1")
    ownership.claim(leader, polls=True)
    assert not ownership.claim(standby, polls=False)
    ownership.claim(leader, polls=False)
    assert ownership.claim(standby, polls=False)


@pytest.mark.parametrize("released", [True, False], ids=["removed", "gone without a word"])
def test_who_is_gone_owns_nothing(machine: Path, released: bool) -> None:
    gone, other = unit(machine, "sungather/0"), unit(machine, "weather/0")
    ownership.claim(gone, polls=True)
    if released:
        ownership.release(gone)
    else:
        gone.home.rmdir()
    assert ownership.claim(other, polls=True)
    assert ownership.is_last_owner(other)
    assert not ownership.is_last_owner(gone)


@pytest.mark.parametrize(("first", "second"), [(True, False), (False, True), (True, True)])
def test_of_two_readers_with_different_inverters_the_first_has_the_snap(
    machine: Path, first: bool, second: bool
) -> None:
    one, other = unit(machine, "sungather/0"), unit(machine, "sungather/1")
    for _ in range(2):
        assert ownership.claim(one, polls=True, own_inverter=first)
        with pytest.raises(ReadByAnother) as caught:
            ownership.claim(other, polls=True, own_inverter=second)
        assert caught.value.unit == "sungather/0"
    ownership.claim(one, polls=False)
    assert ownership.claim(other, polls=True, own_inverter=second)


def test_a_claim_that_was_cut_by_a_power_failure_stops_nobody(machine: Path) -> None:
    one, other = unit(machine, "sungather/0"), unit(machine, "sungather/1")
    ownership.claim(one, polls=False)
    (ownership.DIRECTORY / one.file).write_text("")
    assert ownership.claim(other, polls=True)
    assert not ownership.claim(one, polls=False), "it is written anew"
