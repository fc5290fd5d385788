"""The table of figures and their bounds: `tox -e bench [PART …] [--minutes N] [--seed N]`.

Machines are noisy: counts and CPU time say more than wall time. Nothing here is a test.
"""

import argparse
import asyncio
import os
import platform
import sys
from collections.abc import Awaitable, Callable
from functools import partial

from rich.console import Console
from rich.table import Table

from tests.bench import charm, collector, exporters, modbus_server, page, snap, transports
from tests.bench.chaos import chaos
from tests.bench.figures import Figure

PARTS: dict[str, Callable[[], Awaitable[list[Figure]]]] = {
    "requests": collector.requests,
    "planner": collector.planner,
    "start": collector.start,
    "latency": collector.latency,
    "cycles": collector.cycles,
    "fifty": collector.fifty,
    "transports": transports.transports,
    "modbus-server": modbus_server.modbus_server,
    "page": page.page,
    "exporters": exporters.exporters,
    "snap": snap.snap,
    "charm": charm.charm,
    "chaos": chaos,
}


async def main(parts: list[str], minutes: float, seed: int) -> int:
    """Measure the parts (all of them unless told) and print the table of each as it is done."""
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        print(f"There is no part {unknown[0]}. Known are: {', '.join(PARTS)}.", file=sys.stderr)
        return 2
    measured = PARTS | {"chaos": partial(chaos, minutes, seed)}
    console = Console()
    console.print(f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}")
    for part in parts or PARTS:
        table = Table(part, "measured", "bound", "", box=None)
        with console.status(f"measuring {part} …"):
            for figure in await measured[part]():
                verdict = "" if figure.holds else "[red]missed[/red]"
                table.add_row(figure.name, figure.shown, figure.bound_shown, verdict)
        console.print(table)
    return 0


def _chosen() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--minutes", type=float, default=2.0, help="how long chaos lasts")
    parser.add_argument("--seed", type=int, default=7, help="what decides its faults")
    return parser.parse_args()


chosen = _chosen()
sys.exit(asyncio.run(main(chosen.parts, chosen.minutes, chosen.seed)))
