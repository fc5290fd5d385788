"""A measured figure, and how processes are measured."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table."""

    name: str
    measured: float
    bound: float | None
    """None for a figure that is told for completeness."""
    unit: str = ""
    at_least: bool = False
    """The bound is a lower one."""

    @property
    def holds(self) -> bool:
        """Whether the figure is within its bound."""
        if self.bound is None:
            return True
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound

    @property
    def shown(self) -> str:
        """The figure with its unit."""
        return f"{round(self.measured, 2):g} {self.unit}".strip()

    @property
    def bound_shown(self) -> str:
        """The bound with its unit."""
        if self.bound is None:
            return ""
        return f"{'≥' if self.at_least else '≤'} {self.bound:g} {self.unit}".strip()


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def rss_megabytes(pid: int) -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"process {pid} has no memory")
