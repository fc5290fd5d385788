"""From readings to the intervals of PVOutput: mean power and last energy of each.

Pure. A slot is known by its beginning in UTC, so that the hour that a clock change repeats is two
slots with the same local time; PVOutput keeps the later one, whose energies are the higher ones.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import cast

from sungather.reading import Value, number_of

FIELDS = ("v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12")


@dataclass(slots=True)
class Share:
    """What one inverter contributes to a slot."""

    sums: dict[str, float] = field(default_factory=dict[str, float])
    counts: dict[str, int] = field(default_factory=dict[str, int])
    last: dict[str, float] = field(default_factory=dict[str, float])


@dataclass(slots=True)
class Slot:
    """One interval; `start_ms` is its beginning, Unix milliseconds."""

    start_ms: int
    shares: dict[str, Share] = field(default_factory=dict[str, Share])

    def add(
        self,
        inverter: str,
        values: Mapping[str, Value],
        means: Mapping[str, str],
        lasts: Mapping[str, str],
    ) -> None:
        """Count a reading in. `means` and `lasts`: field -> published name."""
        share = self.shares.setdefault(inverter, Share())
        for name, source in means.items():
            if (value := number_of(values.get(source))) is not None:
                share.sums[name] = share.sums.get(name, 0.0) + value
                share.counts[name] = share.counts.get(name, 0) + 1
        for name, source in lasts.items():
            if (value := number_of(values.get(source))) is not None:
                share.last[name] = value

    def totals(
        self, before: Mapping[str, Mapping[str, float]], averaged: Collection[str] = ()
    ) -> dict[str, float]:
        """Fields of the slot, all inverters together: sums, but of `averaged` the mean.

        `before`: inverter -> last energies known, for one that gave none here, such as one that
        sleeps: without its part the energy of the site would go down. The level of batteries of
        several inverters has no sum and no mean: nobody knows how large they are.
        """
        parts: dict[str, list[float]] = {}
        for share in self.shares.values():
            for name, total in share.sums.items():
                parts.setdefault(name, []).append(total / share.counts[name])
        for inverter in {*self.shares, *before}:
            own = self.shares.get(inverter, Share()).last
            for name, value in {**before.get(inverter, {}), **own}.items():
                parts.setdefault(name, []).append(value)
        found = {
            name: sum(values) / (len(values) if name in averaged else 1)
            for name, values in parts.items()
            if name != "b2" or len(values) == 1
        }
        into, out_of = found.pop("charge", None), found.pop("discharge", None)
        if into is not None and out_of is not None:
            found["b1"] = into - out_of
        return found

    def as_text(self) -> str:
        """For the outbox's notes."""
        return json.dumps(
            {name: [s.sums, s.counts, s.last] for name, s in self.shares.items()},
            separators=(",", ":"),
        )

    @classmethod
    def from_text(cls, start_ms: int, text: str) -> "Slot":
        """What `as_text` wrote.

        Raises:
            ValueError: the text is anything else.
        """
        content = cast(dict[str, list[dict[str, float]]], json.loads(text))
        try:
            shares = {
                name: Share(
                    dict(sums), {key: int(count) for key, count in counts.items()}, dict(last)
                )
                for name, (sums, counts, last) in content.items()
            }
        except (TypeError, AttributeError) as error:
            raise ValueError("not a slot") from error
        return cls(start_ms, shares)


def start_of(time_ms: int, minutes: int) -> int:
    """Beginning of the slot that a time falls into.

    Zones differ from UTC by quarters of an hour, so slots of 5, 10 and 15 minutes begin at the
    same moments in local time as in UTC.
    """
    length = minutes * 60_000
    return time_ms - time_ms % length


def local(start_ms: int, zone: tzinfo) -> datetime:
    """The beginning as the clock on the site's wall showed it."""
    return datetime.fromtimestamp(start_ms / 1000, UTC).astimezone(zone)


def data(start_ms: int, totals: Mapping[str, float], zone: tzinfo, extended: bool) -> str:
    """One record of a batch: date, time and v1 … v6 or v12; "" where there is no value."""
    when = local(start_ms, zone)
    fields = FIELDS if extended else FIELDS[:6]
    texts = [_text(name, totals[name]) if name in totals else "" for name in fields]
    return ",".join([f"{when:%Y%m%d}", f"{when:%H:%M}", *texts]).rstrip(",")


def status(start_ms: int, totals: Mapping[str, float], zone: tzinfo) -> dict[str, str]:
    """The fields of a single status, which may have those of the battery, too."""
    when = local(start_ms, zone)
    fields = {name: _text(name, totals[name]) for name in (*FIELDS, "b1", "b2") if name in totals}
    return {"d": f"{when:%Y%m%d}", "t": f"{when:%H:%M}", **fields}


def _text(name: str, value: float) -> str:
    match name:
        case "b1":
            return str(round(value))
        case "v1" | "v3":  # Wh; published in kWh
            return str(round(value * 1000))
        case "v2" | "v4":
            return str(max(0, round(value)))
        case _:
            return f"{value:.3f}".rstrip("0").rstrip(".")
