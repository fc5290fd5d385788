"""Messages to a phone: once for the beginning, once for the end, none for a night."""

from dataclasses import replace

import pytest
from households import Watch, reading, silent

from sungather.exporters.notify import Notice, TroubleWatch, request_of
from sungather.reading import FaultReport, Reading, State
from sungather.service import Health

FAN = "083 Fan 2 Stall Alarm"
PATIENCE = 900.0


class Scene:
    """A watch whose clock moves when told, and what it told."""

    def __init__(self, told: dict[str, str] | None = None) -> None:
        self.time = Watch()
        self.memory = {} if told is None else told
        self.watch = TroubleWatch(self.memory, self.time.clock, PATIENCE)
        self.told: list[tuple[str, str]] = []

    def see(self, one: Reading) -> None:
        self._note(list(self.watch.on_reading(one)))

    def look(self, *services: Health, after: float = 0.0) -> None:
        self.time.tick(after)
        self._note(list(self.watch.look(services)))

    def _note(self, found: list[Notice]) -> None:
        self.told += [(one.title, one.message) for one in found]


def test_a_fault_is_told_once_and_its_end_once() -> None:
    scene = Scene()
    for _ in range(3):
        scene.see(reading(inverter_alarm=FAN))
    assert scene.told == [("Fault", f"house: {FAN}")]
    for _ in range(3):
        scene.see(reading())
    assert scene.told[1:] == [("Fault is over", f"house: {FAN}")]


def test_a_fault_of_which_nothing_is_known_any_more_is_not_over() -> None:
    scene = Scene()
    scene.see(reading(inverter_alarm=FAN))
    scene.see(replace(reading(), faults=FaultReport(unknown="the device refuses it")))
    scene.see(silent(State.UNREACHABLE, message="It does not answer."))
    assert len(scene.told) == 1


def test_what_was_told_before_a_restart_is_not_told_again() -> None:
    first = Scene()
    first.see(reading(inverter_alarm=FAN))
    second = Scene(first.memory)
    second.see(reading(inverter_alarm=FAN))
    assert second.told == []
    second.see(reading())
    assert second.told == [("Fault is over", f"house: {FAN}")]


def test_silence_by_day_is_told_after_a_while_and_its_end() -> None:
    scene = Scene()
    scene.see(reading())
    scene.see(silent(State.UNREACHABLE, kind="silent", message="It does not answer."))
    scene.look(after=PATIENCE - 1)
    assert scene.told == []
    scene.look(after=1)
    scene.look(after=PATIENCE)
    assert scene.told == [("No readings", "house gives no readings. It does not answer.")]
    scene.see(reading())
    assert scene.told[1:] == [("Readings again", "house")]


def test_a_loop_that_gives_nothing_at_all_is_silence_too() -> None:
    scene = Scene()
    scene.see(reading())
    scene.look(after=PATIENCE)
    assert scene.told == [("No readings", "house gives no readings.")]


@pytest.mark.parametrize(
    "night",
    [
        silent(State.ASLEEP, kind="asleep", message="It sleeps."),
        silent(State.UNREACHABLE, kind="probably-asleep", message="It may sleep."),
    ],
)
def test_a_night_is_quiet_and_the_silence_of_a_morning_begins_in_the_morning(
    night: Reading,
) -> None:
    scene = Scene()
    scene.see(reading())
    scene.time.tick(10)
    scene.see(night)
    scene.look(after=8 * 3600)
    assert scene.told == []
    scene.see(night)
    scene.see(silent(State.UNREACHABLE, kind="silent", message="It does not answer."))
    scene.look(after=PATIENCE - 1)
    assert scene.told == []
    scene.look(after=1)
    assert [title for title, _ in scene.told] == ["No readings"]


def test_an_exporter_that_fails_for_a_while_is_told_and_when_it_works_again() -> None:
    scene, failing = Scene(), Health("mqtt", "waiting", "Nothing listens on the port.")
    scene.look(failing)
    scene.look(failing, after=PATIENCE - 1)
    scene.look(Health("mqtt", "ok"))
    scene.look(failing, after=PATIENCE - 1)
    assert scene.told == [], "it worked in between"
    scene.look(failing, after=1)
    scene.look(Health("mqtt", "ok"), after=1)
    assert scene.told == [
        ("Export fails", "mqtt: Nothing listens on the port."),
        ("Export works again", "mqtt"),
    ]


def test_a_battery_that_does_not_answer_is_no_inverter_in_silence() -> None:
    scene = Scene()
    pack = replace(reading(), name="house-battery-1", family="battery", faults=None)
    scene.see(replace(pack, state=State.UNREACHABLE, measurements={}))
    scene.look(after=PATIENCE)
    assert scene.told == []


def test_ntfy_gets_a_text_with_headers_and_others_one_json_object() -> None:
    notice = Notice(
        "fault", begins=True, message="house: Übertemperatur", time="2026-06-18T13:20:03Z"
    )
    headers, body = request_of(notice, "ntfy")
    assert headers["Title"] == "SunGather: Fault"
    assert headers["Priority"] == "high"
    assert body.decode() == "house: Übertemperatur"
    headers, body = request_of(notice, "json")
    assert headers == {"Content-Type": "application/json"}
    assert '"event": "fault", "state": "begins"' in body.decode()
