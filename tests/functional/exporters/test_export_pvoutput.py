"""PVOutput: a strict stand-in, written from its API specification."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import pytest

from sungather.exporters.pvoutput import Pvoutput
from sungather.options.all_options import PvoutputOptions
from sungather.outbox import Outbox, OutboxLimits
from sungather.reading import Value
from tests.outbox_parts import NOON, Time, reading, sub_device
from tests.plain_values import measurements
from tests.stand_ins import Reply, Request, site

KEY = "k3y-that-nobody-may-see"
ZONE = ZoneInfo("Europe/Berlin")
OPTIONS = PvoutputOptions(
    enabled=True, api_key=KEY, system_id="12345", net=False, cumulative=False,
    v7="", v8="", v9="", v10="", v11="", v12="",
)  # fmt: skip
_RECORD = re.compile(r"\d{8},\d\d:\d\d(,-?\d*(\.\d+)?){1,12}")


@dataclass
class PvoutputOrg:
    """Refuses what the specification says that it refuses."""

    time: Time
    limit: int = 60
    interval: int = 5
    donation: bool = False
    says: Reply | None = None
    used: list[datetime] = field(default_factory=list[datetime])
    kept: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    batches: list[list[str]] = field(default_factory=list[list[str]])
    statuses: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    forms: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    def answer(self, request: Request) -> Reply:
        if request.method != "POST" or request.query:
            return Reply(405)
        if request.headers.get("x-pvoutput-apikey") != KEY:
            return Reply(401, b"Unauthorized 401: Invalid API Key")
        if request.headers.get("x-pvoutput-systemid") != "12345":
            return Reply(401, b"Unauthorized 401: Invalid System ID")
        hour = self.time.now.replace(minute=0, second=0, microsecond=0)
        self.used = [when for when in self.used if when >= hour]
        headers: dict[str, str] = {}
        if request.headers.get("x-rate-limit") == "1":
            headers = {
                "X-Rate-Limit-Remaining": str(max(0, self.limit - len(self.used) - 1)),
                "X-Rate-Limit-Limit": str(self.limit),
                "X-Rate-Limit-Reset": str(int((hour + timedelta(hours=1)).timestamp())),
            }
        if len(self.used) >= self.limit:
            text = f"Forbidden 403: Exceeded {self.limit} requests per hour"
            return Reply(403, text.encode(), headers)
        self.used.append(self.time.now)
        if self.says is not None:
            reply, self.says = self.says, None
            return replace(reply, headers={**headers, **reply.headers})
        if request.path == "/service/r2/getsystem.jsp":
            text = (
                "My, system,10000,1234,25,400,X,1,10000,Y,S,30.0,No,20260101,52.5,13.4,"
                f"{self.interval};;0"
            )
            return Reply(200, text.encode(), headers)
        form = {key: value[-1] for key, value in parse_qs(request.body.decode()).items()}
        self.forms.append(form)
        if request.path == "/service/r2/addstatus.jsp":
            return replace(self._status(form), headers=headers)
        if request.path != "/service/r2/addbatchstatus.jsp":
            return Reply(404, b"", headers)
        return replace(self._batch(form), headers=headers)

    def _status(self, form: dict[str, str]) -> Reply:
        """A single status, which may have the battery's power (> 0 charging) and level."""
        known = {"d", "t", "n", "c1", "b1", "b2", *(f"v{number}" for number in range(1, 13))}
        if not form.keys() <= known or not form.keys() & {"v1", "v2", "v3", "v4"}:
            return Reply(400, b"Bad request 400: Missing power or energy value")
        extended = {"b1", "b2", *(f"v{number}" for number in range(7, 13))}
        if form.keys() & extended and not self.donation:
            return Reply(403, b"Forbidden 403: Donation Mode")
        when = datetime.strptime(form["d"] + form["t"], "%Y%m%d%H:%M").replace(tzinfo=ZONE)
        if when > self.time.now:
            return Reply(400, b"Bad request 400: Date is in the future")
        self.statuses.append(form)
        return Reply(200, b"OK 200: Added Status")

    def _batch(self, form: dict[str, str]) -> Reply:
        records = form.get("data", "").split(";")
        if len(records) > 30 or not all(_RECORD.fullmatch(record) for record in records):
            return Reply(400, b"Bad request 400: Could not read data")
        if form.get("n") == "1" and len({record[:8] for record in records}) > 1:
            return Reply(400, b"Bad request 400: Net data must be of one date")
        self.batches.append(records)
        said: list[str] = []
        for record in records:
            day, clock, *values = record.split(",")
            when = datetime.strptime(day + clock, "%Y%m%d%H:%M").replace(tzinfo=ZONE)
            if len(values) > 6 and not self.donation:
                return Reply(403, b"Forbidden 403: Donation Mode")
            if not any(values[:4]):
                return Reply(400, b"Bad request 400: Could not read data")
            good = when <= self.time.now and when > self.time.now - timedelta(days=14)
            good = good and when.minute % self.interval == 0 and values[1] != "666"
            if good:
                self.kept[f"{day} {clock}"] = values
            said.append(f"{day},{clock},{int(good)}")
        if all(text.endswith(",0") for text in said):
            return Reply(400, b"Bad request 400: No statuses added or updated")
        return Reply(200, ";".join(said).encode())


class Bench:
    def __init__(self, outbox: Outbox, exporter: Pvoutput, time: Time, org: PvoutputOrg) -> None:
        self.outbox, self.exporter, self.time, self.org = outbox, exporter, time, org
        self.power = 100

    async def read(self, minutes: float, power: int | None = None, **more: float) -> None:
        """Read every 30 seconds."""
        for _ in range(round(minutes * 2)):
            one = reading(self.time.now)
            values: dict[str, Value] = dict(
                pv_power=self.power if power is None else power,
                house_power=50,
                pv_energy_today=1.5,
                grid_export_power=70,
                grid_import_power=0,
                pv_energy_total=1000.5,
                house_energy_total=800.25,
                **more,
            )
            one = replace(one, measurements=measurements(values))
            self.outbox.on_reading(one)
            self.exporter.on_reading(one)
            self.time.pass_by(seconds=30)
        await self.outbox.flush()

    async def round(self) -> float:
        return await self.exporter.round()


@asynccontextmanager
async def bench(
    tmp_path: Path,
    options: PvoutputOptions = OPTIONS,
    org: PvoutputOrg | None = None,
    time: Time | None = None,
) -> AsyncGenerator[Bench]:
    time = time or (org.time if org else Time())
    org = org or PvoutputOrg(time)
    outbox = await Outbox.open(
        tmp_path / "outbox.sqlite3", OutboxLimits(), ("pvoutput",), time.clock, "boot"
    )
    with site(org.answer) as server:
        exporter = Pvoutput(options, outbox.feed("pvoutput"), time.clock, ZONE, url=server.url)
        await exporter.load()
        try:
            yield Bench(outbox, exporter, time, org)
        finally:
            exporter.close()
            await outbox.close()


async def test_each_interval_is_uploaded_once_when_it_is_over_with_mean_and_last_values(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path) as b:
        await b.read(2.5, power=100)
        await b.read(2.5, power=300)
        await b.round()
        assert b.org.kept == {}, "five seconds of grace"
        b.time.pass_by(seconds=6)
        wait = await b.round()
        assert b.org.kept == {"20260621 14:00": ["1500", "200", "", "50"]}
        assert wait == 299.0
        await b.round()
        assert len(b.org.batches) == 1
        health = b.exporter.health()
        assert (health.state, health.delivered, health.queue) == ("ok", 1, 0)


async def test_what_is_behind_an_inverter_is_not_counted_twice(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.read(2.5, power=100)
        b.outbox.on_reading(sub_device(b.time.now, pv_power=9000, house_power=9000))
        await b.read(3, power=100)
        await b.round()
        assert b.org.kept == {"20260621 14:00": ["1500", "100", "", "50"]}
        assert b.exporter._feed.stats().queue == 0  # pyright: ignore[reportPrivateUsage]


async def both_then_one(b: Bench) -> None:
    """An interval in which east and west are read, and one in which west sleeps."""
    for scan in range(20):
        b.outbox.on_reading(reading(b.time.now, "east", pv_power=100, pv_energy_today=5.0))
        if scan < 10:
            b.outbox.on_reading(reading(b.time.now, "west", pv_power=50, pv_energy_today=2.0))
        b.time.pass_by(seconds=30)
    await b.outbox.flush()
    b.time.pass_by(seconds=6)
    await b.round()


@pytest.mark.parametrize("restart", [False, True])
async def test_an_inverter_that_sleeps_keeps_its_part_in_the_energy_of_the_site(
    tmp_path: Path, restart: bool
) -> None:
    time = Time()
    org = PvoutputOrg(time)
    async with bench(tmp_path, org=org) as b:
        await both_then_one(b)
        assert org.kept == {"20260621 14:00": ["7000", "150"], "20260621 14:05": ["7000", "100"]}
        if not restart:
            await b.read(5)
            await b.round()
    if restart:
        async with bench(tmp_path, org=org) as b:
            await b.read(5)
            await b.round()
    assert org.kept["20260621 14:10"][0] == "8500", "east's, west's and another one's"


async def alone(b: Bench, name: str, **values: float) -> None:
    """Five minutes in which only this inverter is read, and the upload."""
    for _ in range(10):
        one = replace(reading(b.time.now, name), measurements=measurements(dict(values)))
        b.outbox.on_reading(one)
        b.time.pass_by(seconds=30)
    await b.outbox.flush()
    b.time.pass_by(seconds=6)
    await b.round()


async def test_each_energy_is_carried_from_when_it_was_last_known(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.read(5, house_energy_today=3.0)
        await b.read(5)
        await alone(b, "east", pv_power=10, pv_energy_today=2.0)
        assert b.org.kept["20260621 14:10"] == ["3500", "10", "3000"]


async def test_lifetime_energies_are_carried_over_midnight(tmp_path: Path) -> None:
    org = PvoutputOrg(Time(NOON.replace(hour=21, minute=55)))
    async with bench(tmp_path, replace(OPTIONS, cumulative=True), org) as b:
        await b.read(5)
        await alone(b, "east", pv_power=10, pv_energy_total=500.0, house_energy_total=0)
        assert org.kept["20260622 00:00"][0] == "1500500"


async def test_the_energy_of_yesterday_is_in_no_interval_of_today(tmp_path: Path) -> None:
    time = Time(NOON.replace(hour=21, minute=50))
    org = PvoutputOrg(time)
    async with bench(tmp_path, org=org) as b:
        await both_then_one(b)
        await b.read(6)
        await b.round()
    assert org.kept["20260621 23:55"][0] == "7000"
    assert org.kept["20260622 00:00"][0] == "1500"


@pytest.mark.parametrize(
    ("options", "values", "form"),
    [
        (replace(OPTIONS, net=True), ["", "70", "", "0"], {"n": "1"}),
        (replace(OPTIONS, cumulative=True), ["1000500", "100", "800250", "50"], {"c1": "1"}),
    ],
)
async def test_net_and_cumulative_data_are_marked_as_such(
    tmp_path: Path, options: PvoutputOptions, values: list[str], form: dict[str, str]
) -> None:
    async with bench(tmp_path, options) as b:
        await b.read(5.5)
        await b.round()
        assert b.org.kept["20260621 14:00"] == values
        assert form.items() <= b.org.forms[-1].items()


async def test_the_interval_of_the_account_is_used(tmp_path: Path) -> None:
    time = Time()
    async with bench(tmp_path, org=PvoutputOrg(time, interval=15)) as b:
        await b.read(31)
        await b.round()
        assert list(b.org.kept) == ["20260621 14:00", "20260621 14:15"]
        assert b.exporter.health().rejected == 0, "no other interval was tried"


async def test_what_is_sent_again_and_taken_is_not_given_up_any_more(tmp_path: Path) -> None:
    org = PvoutputOrg(Time())
    async with bench(tmp_path, org=org) as b:
        await b.round()
        org.says = Reply(400, b"Bad request 400: Moon Powered")
        await b.read(5.5)
        await b.round()
        assert len(await b.exporter.rejected()) == 1
        assert await b.exporter.send_again() == 1
        await b.round()
        assert org.kept == {"20260621 14:00": ["1500", "100", "", "50"]}
    async with bench(tmp_path, org=org) as b:
        assert await b.exporter.rejected() == []
        assert b.exporter.health().queue == 0


async def test_three_days_without_pvoutput_are_filled_in_within_the_limit_newest_first(
    tmp_path: Path,
) -> None:
    time = Time()
    org = PvoutputOrg(time, limit=12)
    async with bench(tmp_path, org=org) as b:
        await b.round()
        for _ in range(3 * 24):
            org.says = Reply(503, b"Sorry")
            await b.read(60)
            await b.round()
        assert b.exporter.health().queue == 3 * 24 * 12 - 1, "the last one is not over yet"
        org.says = None
        started = time.now
        while b.exporter.health().queue:
            wait = await b.round()
            if time.now == started:
                assert b.org.batches[0][-1].startswith("20260624,13:50")
            time.pass_by(seconds=wait)
            assert len(org.used) <= 12
        assert len(org.kept) == 3 * 24 * 12
        assert time.now - started > timedelta(hours=3), "some requests are left to others"


async def test_live_intervals_go_on_while_the_rest_waits_for_the_next_hour(
    tmp_path: Path,
) -> None:
    time = Time()
    org = PvoutputOrg(time, limit=10)
    async with bench(tmp_path, org=org) as b:
        await b.round()
        org.says = Reply(503, b"Sorry")
        await b.read(24 * 60)
        await b.round()
        await b.round()
        assert b.exporter.health().queue > 0, "the limit left some in hand"
        await b.read(5.5)
        await b.round()
        newest = max(org.kept)
        assert newest >= f"{time.now - timedelta(minutes=11):%Y%m%d} "


async def test_a_restart_in_the_middle_of_an_interval_loses_nothing(tmp_path: Path) -> None:
    time = Time()
    org = PvoutputOrg(time)
    async with bench(tmp_path, org=org) as b:
        await b.read(2.5, power=100)
        await b.round()
    async with bench(tmp_path, org=org) as b:
        org.says = Reply(503, b"")
        await b.read(3, power=300)
        await b.round()
    async with bench(tmp_path, org=org) as b:
        await b.round()
        assert org.kept == {"20260621 14:00": ["1500", "200", "", "50"]}


async def test_a_record_that_is_refused_is_set_aside_and_takes_nobody_along(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(tmp_path) as b:
        await b.read(5)
        await b.read(5, power=666)
        await b.read(5.5)
        await b.round()
        health = b.exporter.health()
        assert (health.delivered, health.rejected, health.queue) == (2, 1, 0)
        assert "14:05 is set aside" in caplog.text


async def test_a_batch_that_is_refused_as_a_whole_is_searched_for_the_bad_record(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path) as b:
        await b.round()
        b.org.says = Reply(400, b"Bad request 400: Power value too high for system size")
        await b.read(20.5)
        await b.round()
        assert len(b.org.kept) == 4
        assert b.exporter.health().rejected == 0


async def test_without_a_donation_the_extended_values_are_dropped_once(tmp_path: Path) -> None:
    async with bench(tmp_path, replace(OPTIONS, v7="internal_temperature")) as b:
        await b.read(5.5, internal_temperature=41.25)
        await b.round()
        await b.read(5, internal_temperature=41.25)
        await b.round()
        assert b.org.kept["20260621 14:00"] == ["1500", "100", "", "50"]
        assert len(b.org.forms) == 3


async def test_with_a_donation_the_extended_values_arrive(tmp_path: Path) -> None:
    org = PvoutputOrg(Time(), donation=True)
    async with bench(tmp_path, replace(OPTIONS, v8="internal_temperature"), org) as b:
        await b.read(5.5, internal_temperature=41.25)
        await b.round()
        assert org.kept["20260621 14:00"][7] == "41.25"


async def test_temperature_and_voltage_need_no_donation_and_are_means(tmp_path: Path) -> None:
    options = replace(OPTIONS, v5="internal_temperature", v6="phase_a_voltage")
    async with bench(tmp_path, options) as b:
        await b.read(2.5, internal_temperature=40, phase_a_voltage=230)
        await b.read(3, internal_temperature=41, phase_a_voltage=232)
        await b.round()
        assert b.org.kept["20260621 14:00"] == ["1500", "100", "", "50", "40.5", "231"]


async def test_without_the_consumption_nobody_sees_when_the_house_is_empty(tmp_path: Path) -> None:
    for options in (OPTIONS, replace(OPTIONS, cumulative=True), replace(OPTIONS, net=True)):
        org = PvoutputOrg(Time())
        async with bench(tmp_path, replace(options, consumption=False), org) as b:
            await b.read(5.5, house_energy_today=3)
            await b.round()
            (values,) = org.kept.values()
            assert len(values) == 2, values
        (tmp_path / "outbox.sqlite3").unlink()


BATTERY: dict[str, float] = {
    "battery_charge_power": 300,
    "battery_discharge_power": 0,
    "battery_level": 64.5,
}


async def test_the_battery_goes_up_where_the_account_has_donated(tmp_path: Path) -> None:
    org = PvoutputOrg(Time(), donation=True)
    async with bench(tmp_path, replace(OPTIONS, v7="internal_temperature"), org) as b:
        await b.read(5.5, None, **BATTERY, internal_temperature=41)
        await b.round()
        assert b.exporter.health().delivered == 1
        await b.read(
            5, None, **BATTERY | {"battery_charge_power": 0, "battery_discharge_power": 120}
        )
        await b.round()
    first, second = org.statuses
    assert first == {
        "d": "20260621", "t": "14:00", "v1": "1500", "v2": "100", "v4": "50", "v7": "41",
        "b1": "300", "b2": "64.5",
    }  # fmt: skip
    assert int(second["b1"]) < 0, "out of the battery"
    assert org.batches == []


async def test_without_a_donation_the_battery_is_left_out_after_one_refusal(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path) as b:
        for minutes in (5.5, 5, 5):
            await b.read(minutes, None, **BATTERY)
            await b.round()
        assert len(b.org.forms) == 4
        assert b.org.kept["20260621 14:00"] == ["1500", "100", "", "50"]
        health = b.exporter.health()
        assert (health.delivered, health.rejected, health.state) == (3, 0, "ok")


async def test_of_a_battery_of_which_a_part_is_not_known_nothing_is_uploaded(
    tmp_path: Path,
) -> None:
    org = PvoutputOrg(Time(), donation=True)
    async with bench(tmp_path, OPTIONS, org) as b:
        await b.read(5.5, battery_charge_power=300)
        await b.round()
    assert org.statuses == []
    assert len(org.kept) == 1


async def test_hours_that_were_missed_come_in_batches_without_the_battery(tmp_path: Path) -> None:
    org = PvoutputOrg(Time(), donation=True, limit=300)
    async with bench(tmp_path, OPTIONS, org) as b:
        await b.read(120, None, **BATTERY)
        b.time.pass_by(seconds=6)
        await b.round()
    assert len(org.batches) == 1
    assert len(org.kept) == 24
    assert org.statuses == []


@pytest.mark.parametrize(
    ("reply", "state", "rejected"),
    [
        (Reply(200, b"<html>Log in</html>", {"Content-Type": "text/html"}), "blocked", 0),
        (Reply(200, b"fine"), "blocked", 0),
        (Reply(503, b""), "waiting", 0),
        (Reply(401, b"Unauthorized 401: Read only key"), "blocked", 0),
        (Reply(400, b"Bad request 400: Moon Powered"), "ok", 1),
        (Reply(403, b"Forbidden 403: Exceeded 60 requests per hour"), "waiting", 0),
    ],
)
async def test_a_status_with_the_battery_is_refused_in_the_same_words(
    tmp_path: Path, reply: Reply, state: str, rejected: int
) -> None:
    org = PvoutputOrg(Time(), donation=True)
    async with bench(tmp_path, OPTIONS, org) as b:
        await b.read(5.5, None, **BATTERY)
        await b.round()  # asks for the interval, and uploads
        org.says = reply
        await b.read(5, None, **BATTERY)
        await b.round()
        health = b.exporter.health()
        assert (health.state, health.rejected) == (state, rejected)
        assert health.queue == (0 if rejected else 1)
        await b.round()
        assert b.exporter.health().queue == 0
        assert len(org.statuses) == 2 - rejected


@pytest.mark.parametrize(
    ("source", "told"), [("max_soc", True), ("run_state", True), ("internal_temperature", False)]
)
async def test_a_chosen_value_that_is_not_read_is_told_once_by_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, source: str, told: bool
) -> None:
    async with bench(tmp_path, replace(OPTIONS, v6=source)) as b:
        for _ in range(2):
            await b.read(5.5, internal_temperature=41)
            await b.round()
    said = [one for one in caplog.messages if f"pvoutput.v6: {source} is no number" in one]
    assert len(said) == int(told)


@pytest.mark.parametrize(
    ("options", "words"),
    [(replace(OPTIONS, api_key="wrong-k3y"), "Invalid API Key"),
     (replace(OPTIONS, system_id="1"), "Invalid System ID")],
)  # fmt: skip
async def test_a_wrong_key_blocks_keeps_everything_and_is_never_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, options: PvoutputOptions, words: str
) -> None:
    caplog.set_level("DEBUG")
    async with bench(tmp_path, options) as b:
        await b.read(5.5)
        assert await b.round() == 300.0
        health = b.exporter.health()
        assert health.state == "blocked"
        assert words in health.message
        assert "k3y" not in caplog.text + health.message
        assert b.outbox.feed("pvoutput").stats().queue == 11


async def test_the_hourly_limit_is_waited_for_until_it_is_reset(tmp_path: Path) -> None:
    org = PvoutputOrg(Time(NOON + timedelta(minutes=20)), limit=1)
    async with bench(tmp_path, org=org) as b:
        await b.read(5.5)
        await b.round()
        wait = await b.round()
        assert org.kept == {}
        assert wait <= 300
        b.time.set(NOON.replace(hour=13, second=10))
        await b.round()
        assert "20260621 14:20" in org.kept


async def test_a_clock_set_back_does_not_replace_an_interval_by_half_of_it(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path) as b:
        await b.read(10.5, power=100)
        await b.round()
        b.time.set(b.time.now - timedelta(minutes=4))
        await b.read(1, power=9999)
        await b.read(9, power=100)
        await b.round()
        assert b.org.kept["20260621 14:05"] == ["1500", "100", "", "50"]


async def test_the_repeated_hour_of_the_clock_change_is_uploaded_in_order(tmp_path: Path) -> None:
    time = Time(datetime(2026, 10, 25, 0, 0, tzinfo=UTC))
    async with bench(tmp_path, org=PvoutputOrg(time)) as b:
        await b.read(60, power=100)
        await b.read(60, power=200)
        time.pass_by(seconds=10)
        await b.round()
        assert b.org.kept["20261025 02:00"][1] == "200", "the later one stays"
        assert len(b.org.kept) == 12
        assert b.exporter.health().delivered == 24
