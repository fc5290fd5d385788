"""Minutes of faults in every part at once, at random; at the end, what was lost.

    python -m tests.bench chaos --minutes 30 --seed 7

Two simulated inverters, one behind a dongle, count the scans that they serve in a value. What
they have served is compared with what the subscriber of a real broker and a real InfluxDB have.
Another program reads one of them through the Modbus server meanwhile, and is never misled.
"""

import asyncio
import contextlib
import tempfile
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from signal import SIGTERM
from typing import Any

from tests.bench.chaos.faults import Fault, faults_of
from tests.bench.chaos.household import WITHIN, Household
from tests.bench.chaos.scans import COUNTER
from tests.bench.figures import Figure

PACE = {
    "broker": ((1, 6), (4, 20)),
    "cable": ((6, 20), (0.2, 4)),
    "clock": ((2, 10), (0.2, 8)),
    "daemon": ((0, 0), (0, 0)),
    "database": ((1, 6), (4, 20)),
    "disk": ((4, 12), (0.2, 6)),
    "dongle": ((6, 20), (0.2, 4)),
}
"""Part -> for how many seconds it is well, and for how many a fault lasts.

The daemon's life is counted in scans. Destinations are down for so long that it is killed
meanwhile; inverters are well for so long that there is something to lose.
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known at the end."""

    happened: Mapping[str, int]
    """"PART: FAULT" -> how often."""
    served: Mapping[str, set[int]]
    """Device -> counts that it has answered with."""
    owed: Mapping[str, set[int]]
    """Those that have to arrive."""
    arrived: Mapping[str, Mapping[str, set[int]]]
    """"mqtt", "influxdb" -> device -> counts."""
    forgotten: Mapping[str, frozenset[str]]
    """Device -> names that it had at the beginning, and has no more, but for energies of today.

    After a clock that was wrong by days, those may be yesterday's until the inverter resets them.
    """
    complaints: list[str]
    """Tracebacks and unexpected ends of the daemon."""
    answered: int
    """Right answers of the Modbus server to another program."""
    misled: list[str]
    """Answers of it that were neither right nor an exception."""

    def complete(self) -> bool:
        """Whether nothing is missing."""
        missing = [self.forgotten, *(self.lost(exporter) for exporter in self.arrived)]
        return not any(_all(one) for one in missing)

    def lost(self, exporter: str) -> dict[str, list[int]]:
        """Device -> counts that were read, and are not there."""
        there = self.arrived[exporter]
        return {name: sorted(owed - there.get(name, set())) for name, owed in self.owed.items()}

    def invented(self, exporter: str) -> dict[str, list[int]]:
        """Device -> counts that are there, and that it never gave."""
        there = self.arrived[exporter]
        return {
            name: sorted(there.get(name, set()) - served) for name, served in self.served.items()
        }


async def chaos(minutes: float = 2.0, seed: int = 7) -> list[Figure]:
    """Counts of faults, and of what they cost."""
    with tempfile.TemporaryDirectory(prefix="sungather-bench-") as place:
        found = await run(Path(place), minutes, seed)
    figures = [
        Figure(f"chaos, {part}", times, None, "faults")
        for part, times in sorted(found.happened.items())
    ]
    figures.append(Figure("chaos, readings that have to arrive", _all(found.owed), None))
    figures.append(Figure("chaos, right answers by Modbus", found.answered, None))
    wrong: dict[str, Mapping[str, Collection[Any]]] = {
        f"{what} {exporter}": count(exporter)
        for exporter in found.arrived
        for what, count in (("lost on the way to", found.lost), ("made up in", found.invented))
    }
    wrong["names forgotten"] = found.forgotten
    wrong["complaints"] = {"daemon:": found.complaints}
    wrong["wrong answers by Modbus"] = {"program:": found.misled}
    return figures + [
        Figure(f"chaos, {what} {_some(these)}".rstrip(), _all(these), 0)
        for what, these in wrong.items()
    ]


async def run(directory: Path, minutes: float, seed: int) -> Outcome:
    """Live through the faults, let everything be well again, and compare."""
    happened: Counter[str] = Counter()
    async with Household(directory) as home:
        names = home.subscriber.names
        async with asyncio.timeout(WITHIN):
            await home.subscriber.until(
                lambda: (
                    names.keys() == home.scans.keys()
                    and all(COUNTER in one for one in names.values())
                )
            )
        before = {name: frozenset(filter(_lasts, known)) for name, known in names.items()}
        over = asyncio.get_running_loop().time() + 60 * minutes
        async with asyncio.TaskGroup() as tasks:
            for part, faults in faults_of(home, seed, over).items():
                chance = Random(f"{seed} {part}")
                tasks.create_task(_trouble(part, faults, chance, happened, over))
        # A new start spares everybody what is left of the waits between their tries.
        await home.restart_daemon(SIGTERM)
        owed = {name: scans.owed() for name, scans in home.scans.items()}

        async def seen() -> Outcome:
            database = await asyncio.to_thread(home.stored)
            return Outcome(
                happened,
                {name: set(scans.served) for name, scans in home.scans.items()},
                owed,
                {"mqtt": home.subscriber.counts, "influxdb": database},
                {name: before[name] - names[name] for name in before},
                home.daemon.complaints,
                home.program.answered,
                home.program.misled,
            )

        # Every message is an occasion to look: readings go on, and so do their messages.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WITHIN):
                while not (await seen()).complete():
                    await home.subscriber.next()
        await home.daemon.end()
        return await seen()


async def _trouble(
    part: str,
    faults: Mapping[str, Fault],
    chance: Random,
    happened: Counter[str],
    over: float,
) -> None:
    """One fault of a part after the other, until it is over."""
    loop = asyncio.get_running_loop()

    async def wait(seconds: float) -> bool:
        """Whether it is not over after so many seconds."""
        await asyncio.sleep(min(seconds, max(0.0, over - loop.time())))
        return loop.time() < over

    well, ill = PACE[part]
    while await wait(chance.uniform(*well)):
        name = chance.choice(sorted(faults))
        happened[f"{part}: {name}"] += 1
        async with faults[name]():
            await wait(chance.uniform(*ill))


def _lasts(name: str) -> bool:
    return not name.startswith("daily_") and not name.endswith("_today")


def _all(found: Mapping[str, Collection[object]]) -> int:
    return sum(len(one) for one in found.values())


def _some(found: Mapping[str, Collection[Any]]) -> str:
    """The first few of each, for whoever looks for what became of them."""
    return ", ".join(f"{name} {sorted(one)[:5]}" for name, one in found.items() if one)
