"""Device type codes and what is known of the models behind them.

The list is `data/models.table`; of several models that share a code the first gives the name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from sungather.reading import NOT_INVERTERS
from sungather.registers.device import Device
from sungather.registers.tables import DATA

_COLUMNS = 8
_STRINGS_MEASURED = 24
"""The register map has room for the currents of so many strings."""


@dataclass(frozen=True, slots=True)
class _Model:
    code: int
    name: str
    family: str
    nominal_kw: float | None
    phases: int | None
    mppts: int | None
    strings: int


def device_for(code: int) -> Device:
    """The device with this type code (register 5000).

    A code that is not listed gives the model "unknown (0x1234)" and the family "".
    """
    key = f"0x{code:04X} "
    if models := [_model(line) for line in _lines() if line.startswith(key)]:
        return _device(models)
    return Device(code, f"unknown (0x{code:04X})", family="", strings=None)


def model_named(name: str) -> Device:
    """The device of that model, capitals or not; of several codes with one name the lowest.

    Raises:
        ValueError: it is not listed; the sentence names the nearest ones.
    """
    wanted = name.strip().upper()
    for line in _lines():
        if line.split("|", 2)[1].strip().upper() == wanted:
            return _device([_model(line)])
    near = get_close_matches(wanted, [known.upper() for known in model_names()], cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise ValueError(f"There is no model {name.strip()!r} in the list.{hint}")


def model_names() -> tuple[str, ...]:
    """The names of all inverters in the list, as the manufacturer writes them."""
    models = map(_model, _lines())
    return tuple(model.name for model in models if model.family not in NOT_INVERTERS)


def _device(models: Sequence[_Model]) -> Device:
    """One device of all models with a code: where they differ, what is worth asking for."""
    name, *others = dict.fromkeys(model.name for model in models)
    first = models[0]
    return Device(
        code=first.code,
        model=name,
        family=first.family,
        nominal_kw=first.nominal_kw,
        phases=first.phases,
        mppts=max((model.mppts for model in models if model.mppts), default=None),
        strings=max(model.strings for model in models),
        other_models=tuple(others),
    )


@cache
def _lines() -> tuple[str, ...]:
    """The rows of the list; taken apart only when they are asked for."""
    lines = (DATA / "models.table").read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if line.startswith("0x"))


def _model(line: str) -> _Model:
    cells = [cell.strip() for cell in line.split("|")]
    if len(cells) != _COLUMNS:
        raise ValueError(f"models.table: {len(cells)} columns in the row of {cells[0]}")
    code, name, family, power, phases, mppts, strings, _ = cells
    count = int(mppts) if mppts else None
    return _Model(
        code=int(code, 16),
        name=name,
        family=family,
        nominal_kw=float(power) if power else None,
        phases=int(phases) if phases else None,
        mppts=count,
        strings=_strings(strings, count),
    )


def _strings(cell: str, mppts: int | None) -> int:
    """Strings whose currents are measured, of the number of strings on each MPPT.

    "3" is the same number on all, "2;1" one number for each. With one string on every MPPT the
    MPPT's current is the string's, and nothing more is measured.
    """
    each = [int(number) for number in cell.split(";") if number]
    if max(each, default=1) == 1:
        return 0
    total = sum(each) if len(each) > 1 else each[0] * (mppts or 1)
    return min(total, _STRINGS_MEASURED)
