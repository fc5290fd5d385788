"""PVOutput as SunGather 0.5 was told to use it, register by register."""

from collections.abc import Iterator, Mapping
from typing import cast

from sungather.options.migrated import Fate, Migrated
from sungather.registers.published import lowest_level

_OURS = {
    "v1": "pv_energy_{}",
    "v2": "pv_power",
    "v3": "house_energy_{}",
    "v4": "house_power",
}
_LIFETIME = "total_"
"""Registers of lifetime energies begin so."""


def import_pvoutput(work: Migrated, fields: dict[str, object]) -> None:
    """Take over `parameters` and `cumulative_flag`, and take them out of `fields`."""
    parameters = dict(_parameters(fields.pop("parameters", None)))
    flag: object = fields.pop("cumulative_flag", None)
    if "c1" in parameters:
        old = parameters.pop("c1").get("value")
        work.note(Fate.CHANGED, "pvoutput.parameters.c1", "see pvoutput.cumulative_flag")
        flag = old if flag is None else flag
    if flag is not None:
        _cumulative(work, str(flag), parameters)
    since = "total" if work.values.get("pvoutput.cumulative") else "today"
    ours = {name: one.format(since) for name, one in _OURS.items()}
    for name, entry in parameters.items():
        _parameter(work, name, entry, ours)
    if not parameters.keys() & {"v3", "v4"}:
        why = "neither v3 nor v4 was sent"
        work.set("pvoutput.parameters", "pvoutput.consumption", False, why)
        del ours["v3"], ours["v4"]
    for name in ours.keys() - parameters.keys():
        work.note(Fate.CHANGED, "pvoutput.parameters", f"{name} is sent as well: {ours[name]}")
    work.set("pvoutput.parameters", "pvoutput.battery", False, "SunGather 0.5 sent no b1 and b2")


def _parameters(value: object) -> Iterator[tuple[str, Mapping[str, object]]]:
    for entry in cast(list[object], value) if isinstance(value, list) else []:
        if isinstance(entry, dict):
            fields = {str(k): v for k, v in cast(dict[object, object], entry).items()}
            yield str(fields.get("name", "")), fields


def _cumulative(work: Migrated, flag: str, parameters: Mapping[str, Mapping[str, object]]) -> None:
    """Lifetime energies or those of the day: the registers tell, not the flag (1, 2 or 3)."""
    registers = {
        name: str(parameters[name].get("register", ""))
        for name in ("v1", "v3")
        if name in parameters
    }
    lifetime = [name for name, one in registers.items() if one.startswith(_LIFETIME)]
    what = ", ".join(f"{name} is {one}" for name, one in registers.items()) or "no v1, no v3"
    why = f"flag {flag} of SunGather 0.5; {what}"
    if lifetime and len(lifetime) < len(registers):
        why += "; from now on both are lifetime energies"
    work.set("pvoutput.cumulative_flag", "pvoutput.cumulative", bool(lifetime), why)


def _parameter(
    work: Migrated, name: str, entry: Mapping[str, object], ours: Mapping[str, str]
) -> None:
    old, register = f"pvoutput.parameters.{name}", str(entry.get("register", ""))
    if name in ours:
        work.note(Fate.CHANGED, old, f"{ours[name]}, in the place of {register or 'nothing'}")
    elif name not in {f"v{number}" for number in range(5, 13)}:
        work.drop(old, "SunGather sends no such field")
    else:
        factor = str(entry.get("multiple", 1))
        why = "" if factor in ("1", "1.0") else f"without its factor {factor}"
        taken = work.set(old, f"pvoutput.{name}", register, why)
        level = lowest_level(register)
        chosen = work.values.get("inverter.level", 1)
        if taken and isinstance(chosen, int) and level > chosen:
            hint = f"{register} is read from inverter.level {level} on, and not at {chosen}"
            work.note(Fate.CHANGED, old, hint)
