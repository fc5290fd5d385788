"""Page, metrics, alert, dashboard, Home Assistant, commands, snap and unit agree on faults."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from scripted_transport import ScriptedTransport, inverter_on, nobody_answers
from support import ManualClock

import daemon_status
import observability
import snapd_state
from sungather import errors
from sungather.answers import of_faults, of_reading
from sungather.cli import tables
from sungather.device.inverter import Inverter
from sungather.exporters import homeassistant
from sungather.exporters.console import table
from sungather.reading import ActiveFault, FaultReport, Reading, State
from sungather.simulator import device_named
from sungather.site import Plant
from sungather.snap.health import snap_health
from sungather.web import page
from sungather.web.language import languages
from sungather.web.metrics import Metrics
from sungather.web.page_model import PageModel

US = {
    "model": "home",
    "model_uuid": "11111111-1111-4111-8111-111111111111",
    "application": "sungather",
    "unit": "sungather/0",
    "charm_name": "sungather",
}
PROMTOOL = shutil.which("promtool")
BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = 12.5 * 3600

Verdict = str | None
"""None while it is not known whether there are faults; "" for none; else the fault."""


class Case:
    """An inverter and what happens to it."""

    def __init__(self, directory: Path, model: str) -> None:
        self.time = ManualClock()
        device = device_named(model, clock=self.time.local)
        self.transport = ScriptedTransport({1: device})
        self.inverter = inverter_on(self.transport, directory, self.time)

    def trouble_at(self, trouble: Callable[[], Exception], *registers: int) -> None:
        self.transport.trouble = lambda block, unit: (
            trouble()
            if block.space == "input" and any(block.start <= n <= block.end for n in registers)
            else None
        )


def _silent() -> Exception:
    return errors.Silent("No answer.")


def _refused() -> Exception:
    return errors.Refused("illegal data address")


async def not_read(case: Case) -> None:
    """The energies and faults of a hybrid are a block of their own: it stays unanswered."""
    case.trouble_at(_silent, 13066)


async def refused(case: Case) -> None:
    case.trouble_at(_refused, 13066, 5151)


async def quiet(case: Case) -> None:
    pass


async def unknown_bit(case: Case) -> None:
    case.transport.replaced = {13066: 2}


async def code(case: Case) -> None:
    case.transport.replaced = {5038: 0x5500, 5045: 39}


async def state_alone(case: Case) -> None:
    case.transport.replaced = {5038: 0x5500, 5045: 0}


async def asleep(case: Case) -> None:
    case.time.tick(NIGHT)
    await case.inverter.scan()
    case.transport.trouble = nobody_answers


async def unreachable(case: Case) -> None:
    await case.inverter.scan()
    case.transport.trouble = nobody_answers


async def probably_asleep(case: Case) -> None:
    case.time.tick(NIGHT)
    case.transport.trouble = nobody_answers


CASES: dict[str, tuple[str, Callable[[Case], Awaitable[None]], Verdict, str]] = {
    "nothing read": ("SH10RT", not_read, None, "not read yet"),
    "quiet hybrid": ("SH10RT", quiet, "", ""),
    "quiet string inverter": ("SG10RT", quiet, "", ""),
    "unknown bit": ("SH10RT", unknown_bit, "701 unknown (bit 1 of register 13066)", ""),
    "code": ("SG10RT", code, "39 Low system insulation resistance", ""),
    "state without a code": ("SG10RT", state_alone, "Fault", ""),
    "refused on a hybrid": ("SH10RT", refused, None, "the device refuses battery_fault"),
    "refused on a string inverter": ("SG10RT", refused, None, "the device refuses pid_alarm_code"),
    "asleep": ("SG10RT", asleep, None, "the inverter is asleep"),
    "unreachable": ("SG10RT", unreachable, None, "there is no reading"),
    "probably asleep": ("SG10RT", probably_asleep, None, "there is no reading"),
}
STATES = {
    "asleep": State.ASLEEP,
    "unreachable": State.UNREACHABLE,
    "probably asleep": State.UNREACHABLE,
}
"""Of the others it is ok."""


async def read(case: str, directory: Path) -> tuple[Inverter, Reading, Verdict, str]:
    model, happens, verdict, reason = CASES[case]
    one = Case(directory, model)
    await happens(one)
    return one.inverter, await one.inverter.scan(), verdict, reason


def shown(reading: Reading, *, stale: bool = False) -> dict[str, str]:
    """The parts of the page."""
    model = PageModel(
        now=reading.time + timedelta(seconds=1),
        timezone=BERLIN,
        readings=[reading],
        chosen="",
        totals=lambda _: {},
        faults=[],
        services=[],
        plant=Plant(),
        say=languages()["en"],
        stale=frozenset({reading.name} if stale else ()),
    )
    return {name: part.html() for name, part in page.parts(model).items()}


def exposed(reading: Reading) -> list[str]:
    text, _ = Metrics().exposition([reading], [], "")
    return [line for line in text.decode().splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("case", CASES)
async def test_all_outputs_tell_the_same(case: str, tmp_path: Path) -> None:
    inverter, reading, verdict, reason = await read(case, tmp_path)
    assert reading.state is STATES.get(case, State.OK)
    text = f"unknown: {reason}" if verdict is None else verdict or "none"

    # The reading
    assert reading.faults is not None
    assert reading.faults.known is (verdict is not None)
    assert reading.faults.text.startswith(text)
    active = None if verdict is None else [verdict] if verdict else []

    # Page
    parts = shown(reading)
    assert ("No faults now" in parts["faults"]) is (verdict == "")
    assert ("Unknown" in parts["faults"]) is (verdict is None)
    assert reason in parts["faults"]
    if verdict:
        assert f">{verdict}</" in parts["faults"]
        assert "<b>Fault</b>" in parts["trouble"]
        assert f">{verdict}<" in parts["trouble"]
    else:
        assert "#faults" not in parts["trouble"]

    # Metrics
    lines = exposed(reading)
    counts = [line.rsplit(" ", 1)[1] for line in lines if line.startswith("sungather_faults{")]
    assert counts == ([] if active is None else [str(len(active))])
    named = [line for line in lines if line.startswith("sungather_fault_info{")]
    assert [re.findall(r'value="(.*)"} 1', line) for line in named] == [[v] for v in active or []]

    # Home Assistant
    message = homeassistant.fault_values(reading)
    assert message["fault"] is (None if verdict is None else bool(verdict))
    assert str(message["faults"]).startswith(text)

    # Commands
    for told in (inverter.info()["faults"], of_reading(reading).get("faults")):
        assert told is not None
        found = told["active"]
        assert (None if found is None else [one["text"] for one in found]) == active
        assert told["text"].startswith(text)
    if reading.problem is None:
        assert f"faults: {text}" in table(reading)
    tested = await inverter.test()
    if tested["success"]:
        assert tested["faults"] == of_faults(reading.faults)
    else:
        assert tested["faults"] is None

    # The snap and the unit
    health = snap_health([reading], [])
    assert (health.code == "fault") is bool(verdict)
    assert (verdict[:40] in health.message) if verdict else "fault" not in health.message
    unit = daemon_status.status(
        snapd_state.State(
            active=True, enabled=True, health=health.status, message=health.message,
            code=health.code, since=None,
        ),
        "sungather/0", reads="", changed=None, now=reading.time,
    )  # fmt: skip
    assert unit.name == ("waiting" if reading.state is State.UNREACHABLE else "active")
    assert (verdict[:40] in unit.message) if verdict else "fault" not in unit.message


ASLEEP = re.compile(r"\basleep\b|\bsleeps\b", re.IGNORECASE)
SURELY = re.compile(r"(?<!probably[ -])(?<!may be )\basleep\b|\bsleeps\b", re.IGNORECASE)


@pytest.mark.parametrize("case", STATES)
async def test_all_outputs_tell_sleep_and_silence_apart(case: str, tmp_path: Path) -> None:
    """Asleep; probably asleep, which is unreachable; and unreachable without a word of sleep."""
    inverter, reading, _, _ = await read(case, tmp_path)
    state = STATES[case]
    health = snap_health([reading], [])
    unit = daemon_status.status(
        snapd_state.State(
            active=True, enabled=True, health=health.status, message=health.message,
            code=health.code, since=None,
        ),
        "sungather/0", reads="", changed=None, now=reading.time,
    )  # fmt: skip
    parts = shown(reading)
    info = inverter.info()
    assert info["state"] == of_reading(reading)["state"] == str(state)
    told = [
        parts["status"] + parts["trouble"],
        table(reading),
        str(info.get("error")),
        health.message,
        unit.message,
    ]
    for said in told:
        assert bool(ASLEEP.search(said)) is ("asleep" in case), said
        assert bool(SURELY.search(said)) is (case == "asleep"), said
    one = [line for line in exposed(reading) if line.startswith("sungather_inverter_state{")]
    assert [line for line in one if line.endswith(" 1")] == [
        f'sungather_inverter_state{{name="inverter",state="{state}"}} 1'
    ]
    assert 'sungather_up{name="inverter"} 0' in exposed(reading)


async def test_no_meter_is_said_to_be_missing_while_its_registers_were_not_read(
    tmp_path: Path,
) -> None:
    _, reading, _, _ = await read("nothing read", tmp_path)
    assert "pv_power" in reading.values
    assert "smart meter" not in shown(reading)["flow"]


@pytest.mark.skipif(PROMTOOL is None, reason="needs promtool (Debian package prometheus)")
@pytest.mark.parametrize("case", CASES)
async def test_alert_and_dashboard_tell_the_same(case: str, tmp_path: Path) -> None:
    _, reading, verdict, _ = await read(case, tmp_path / "state")
    topology = 'juju_model="home",juju_application="sungather",juju_charm="sungather"'
    topology += f',juju_model_uuid="{US["model_uuid"]}",instance="i"'
    series: list[dict[str, str]] = []
    for line in exposed(reading):
        name, number = line.rsplit(" ", 1)
        if name.startswith(("sungather_fault", "sungather_inverter_info")):
            series.append({"series": f"{name[:-1]},{topology}}}", "values": f"{number}x10"})
    (panel,) = (
        target["expr"].replace("$inverter", ".+")
        for file in (observability.SOURCE / observability.DASHBOARDS).glob("*.json")
        for one in json.loads(file.read_text())["panels"]
        if one["title"] == "Faults now"
        for target in one["targets"]
    )
    said = "not known" if verdict is None else verdict or "none"
    firing = 'count(ALERTS{alertname="SungatherInverterFault",alertstate="firing"}) > bool 0'
    sample = {"labels": f'{{value="{said}"}}', "value": 1}
    test = {
        "interval": "1m",
        "input_series": series,
        "promql_expr_test": [
            {
                "expr": firing,
                "eval_time": "8m",
                "exp_samples": [{"labels": "{}", "value": 1}] if verdict else [],
            },
            {"expr": f"count by (value) ({panel})", "eval_time": "8m", "exp_samples": [sample]},
        ],
    }
    await asyncio.to_thread(_agree, test, tmp_path)


def _agree(test: Mapping[str, object], tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(observability.alert_rules(US)))
    content = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(content))
    assert PROMTOOL is not None
    command = [PROMTOOL, "test", "rules", "test.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


async def test_an_old_reading_says_nothing_of_faults(tmp_path: Path) -> None:
    for case in ("quiet hybrid", "unknown bit"):
        _, reading, _, _ = await read(case, tmp_path / case)
        parts = shown(reading, stale=True)
        assert "Unknown: the newest reading is old." in parts["faults"]
        assert "#faults" not in parts["trouble"]


async def test_level_1_publishes_the_judgement_and_not_the_registers(tmp_path: Path) -> None:
    for case in ("quiet hybrid", "quiet string inverter"):
        _, reading, _, _ = await read(case, tmp_path / case)
        names = {*reading.values, *reading.absent}
        assert not {"inverter_alarm", "alarm_code_1", "pid_alarm_code", "work_state_2"} & names
        assert {"system_state", "work_state_1"} & names


async def test_a_device_that_tells_no_faults_has_no_word_about_them() -> None:
    time = ManualClock()
    one = Reading("roof-battery-1", State.OK, time.clock.now(), family="battery", via="roof")
    assert shown(one)["faults"] == ""
    assert "faults" not in of_reading(one)
    assert not [line for line in exposed(one) if "fault" in line]
    assert homeassistant.fault_values(one) == {}
    assert "fault" not in table(one)


def test_a_fault_of_which_the_history_does_not_know_yet_is_shown() -> None:
    faults = FaultReport((ActiveFault("fault1", "6 unknown (register 13105)"),))
    one = Reading("inverter", State.OK, ManualClock().clock.now(), faults=faults)
    html = shown(one)["faults"]
    assert "6 unknown (register 13105)" in html
    assert "No faults" not in html


def test_several_inverters_are_told_apart() -> None:
    now = ManualClock().clock.now()
    readings = [
        Reading("house", State.OK, now, family="SH-RT", faults=FaultReport()),
        Reading("barn", State.OK, now, family="SG-RT", faults=FaultReport(unknown="not read yet")),
        Reading(
            "shed",
            State.OK,
            now,
            family="SG-RT",
            faults=FaultReport((ActiveFault("alarm_code_1", "10 Grid power outage"),)),
        ),
    ]
    model = PageModel(now, BERLIN, readings, "", lambda _: {}, [], [], Plant(), languages()["en"])
    parts = {name: part.html() for name, part in page.parts(model).items()}
    assert 'shed: <a href="codes#c10">10 Grid power outage</a>' in parts["trouble"]
    assert "There may be more of barn: not read yet." in parts["faults"]
    assert "No faults" not in parts["faults"]


def test_a_fault_is_shown_by_the_commands_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    faults = FaultReport((ActiveFault("alarm_code_1", "10 Grid power outage"),))
    one = Reading(
        "inverter",
        State.OK,
        ManualClock().clock.now(),
        model="SG10RT",
        other_models=("SG10RT-20",),
        faults=faults,
    )
    tables.show("run-once", {"inverters": [of_reading(one)]})
    said = capsys.readouterr().out
    assert "faults: 10 Grid power outage" in said
    assert "SG10RT / SG10RT-20" in said
