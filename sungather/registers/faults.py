"""What a device says of its faults: the one judgement that everybody shows.

The register map marks what tells faults:

* `faults:codes`: a fault or alarm register. Each of its codes or bits is a fault; 0 is none.
* `faults:state`: the state. It tells a fault of which no register gives the code.
* `faults:hint`: a further state. It may tell a fault, but nobody misses it.
* `faults:count`: how many of the devices behind this one have a fault; they tell which.

"No faults" takes all registers of the first two kinds. A device without them is not judged at
all, unless a hint tells a fault.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from sungather.reading import ActiveFault, FaultReport, Refusal, Value
from sungather.registers import codes
from sungather.registers.tables import Register

_FAULT_STATES = frozenset(
    {
        "AFCI self-test shutdown",
        "Alarm run",
        "Communicate fault",
        "Fault",
        "PID abnormity",
        "Total fault (fault stop)",
        "Update failed",
        "Warn running",
    }
)
"""Texts of states in which something is wrong, with or without a code."""
_GIVEN = ("codes", "count")
_NAMED = 3
"""So many registers are named in a reason; of more, how many they are."""


def judge(
    registers: Iterable[Register],
    values: Mapping[str, Value],
    absent: Collection[str],
    refused: Sequence[Refusal],
) -> FaultReport | None:
    """The faults that a device tells, and why it may have others. Pure.

    Args:
        registers: The device's registers; those that tell faults are picked out.
        values: What the device said of them and still holds, by published name.
        absent: Names that were read, but that the device marks as not available.
        refused: What the device does not answer.

    Returns:
        None for a device whose registers tell nothing of faults.
    """
    telling = [register for register in registers if register.faults]
    needed = [register for register in telling if register.faults != "hint"]
    given = [fault for one in telling if one.faults in _GIVEN for fault in _codes(one, values)]
    active = given or [
        fault for one in telling if one.faults not in _GIVEN for fault in _states(one, values)
    ]
    if not needed and not active:
        return None
    return FaultReport(tuple(active), _unknown(needed, values, absent, refused))


def _codes(register: Register, values: Mapping[str, Value]) -> Iterable[ActiveFault]:
    """One fault for each code of the register."""
    value = values.get(register.name)
    if register.faults == "count":
        if value:
            devices = "device has" if value == 1 else "devices have"
            yield ActiveFault(register.name, f"{value} connected {devices} a fault")
    elif isinstance(value, int) and value:  # no document gives its codes
        yield ActiveFault(register.name, f"{value} {codes.unknown_code(_where(register))}")
    elif isinstance(value, str) and value != codes.NONE:
        for text in value.split("; "):
            yield ActiveFault(register.name, text)


def _states(register: Register, values: Mapping[str, Value]) -> Iterable[ActiveFault]:
    for text in str(values.get(register.name, "")).split("; "):
        if text in _FAULT_STATES:
            yield ActiveFault(register.name, text)


def _unknown(
    needed: Sequence[Register],
    values: Mapping[str, Value],
    absent: Collection[str],
    refused: Sequence[Refusal],
) -> str:
    """Why it cannot be said that nothing else is wrong; "" if it can."""
    missing = [one for one in needed if one.name not in values and one.name not in absent]
    lost = [one for one in missing if any(_covers(refusal, one) for refusal in refused)]
    unread = [one for one in missing if one not in lost]
    # A device may lack some of the registers, but not all, nor the state that explains them.
    told = any(one.faults in _GIVEN and one.name in values for one in needed)
    untold = [one for one in needed if one.name in absent and (one.faults == "state" or not told)]
    strange = [
        f"{one.name} is {values[one.name]}"
        for one in needed
        if one.faults == "state" and str(values.get(one.name, "")).startswith(codes.UNKNOWN)
    ]
    reasons = [
        f"{words} {_named(those)}"
        for words, those in (
            ("the device refuses", lost),
            ("not read yet:", unread),
            ("not available from the device:", untold),
        )
        if those
    ]
    return ", ".join([*reasons, *strange])


def _covers(refusal: Refusal, register: Register) -> bool:
    block = register.block
    last = refusal.start + refusal.count - 1
    return refusal.space == block.space and refusal.start <= block.end and block.start <= last


def _named(registers: Sequence[Register]) -> str:
    names = [f"{one.name} ({_where(one)})" for one in registers[:_NAMED]]
    more = len(registers) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _where(register: Register) -> str:
    return f"register {register.address}"
