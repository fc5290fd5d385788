"""The samples of several inverters together; pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sungather import household
from sungather.history.store import Sample
from sungather.reading import State
from sungather.site import ASLEEP, Amounts, together

_FIGURES = (*household.FLOWS, household.BATTERY_LEVEL)
"""Of `household.FIGURES`, which a sample's means are in the order of."""


@dataclass(frozen=True, slots=True)
class Together:
    """The samples of a time, and who they are of."""

    samples: dict[int, Sample]
    """Time -> what the inverters did together."""
    asleep: dict[str, bool]
    """Inverter -> whether it did nothing but sleep."""


def sums(
    stored: Mapping[int, Mapping[str, Sample]], meter: str, managers: Collection[str] = ()
) -> Together:
    """Add up `stored`: time -> inverter -> sample.

    A figure of which a part is missing is unknown. `meter`, `managers`: see `site.sources`.
    """
    has: dict[str, set[str]] = {}
    asleep: dict[str, bool] = {}
    for parts in stored.values():
        for name, sample in parts.items():
            has.setdefault(name, set()).update(_means(sample))
            asleep[name] = asleep.get(name, True) and sample.state is State.ASLEEP
    found = {at: _sum(stored[at], has, meter, managers) for at in sorted(stored)}
    return Together(found, asleep)


def _sum(
    parts: Mapping[str, Sample],
    has: Mapping[str, set[str]],
    meter: str,
    managers: Collection[str],
) -> Sample:
    if len(has) == 1:
        return next(iter(parts.values()))
    amounts: dict[str, Amounts] = {name: dict.fromkeys(flows) for name, flows in has.items()}
    for name, sample in parts.items():
        if sample.state is State.ASLEEP:
            amounts[name] = {**amounts[name], **ASLEEP}
        amounts[name] = {**amounts[name], **_means(sample)}
    found = together(amounts, meter, managers=managers)
    missing = [p.state for p in parts.values() if p.state not in (State.OK, State.ASLEEP)]
    states = {part.state for part in parts.values()}
    state = missing[0] if missing else State.OK if State.OK in states else State.ASLEEP
    readings = sum(part.readings for part in parts.values())
    return Sample(state, readings, tuple(found.get(figure) for figure in _FIGURES))


def _means(sample: Sample) -> dict[str, float]:
    """Figure -> mean, of those that are known."""
    return {f: mean for f, mean in zip(_FIGURES, sample.means, strict=True) if mean is not None}
