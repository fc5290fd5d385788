"""The answers of the commands that ask no inverter: `registers`, `check-config`, `options`."""

from collections.abc import Iterable
from dataclasses import replace

from sungather import errors
from sungather.answers import BlockAnswer, ConfigurationAnswer, OptionsAnswer, RegistersAnswer
from sungather.options.all_options import OPTIONS
from sungather.options.configuration import Configuration, masked
from sungather.options.option import Option, OptionKind
from sungather.options.values import listed, number_wanted, text_of
from sungather.reading import Path
from sungather.registers import Block
from sungather.registers.catalogue import Register, Tier, registers_for, starts_known
from sungather.registers.device import Device
from sungather.registers.models import model_named
from sungather.registers.plan import Plan, UnreadableRanges, plan


def register_report(model: str, level: int, widest: int, path: Path) -> RegistersAnswer:
    """What is read of a model at a level, in which requests, and why fewer cannot do it.

    Raises:
        OptionsError: there is no such model.
    """
    try:
        device = model_named(model)
    except ValueError as error:
        raise errors.OptionsError([str(error)]) from None
    device = replace(device, path=path, masked=path is Path.DONGLE)
    registers = registers_for(device, level)
    everything = plan_for(registers, device, widest)
    by_tier = {
        str(tier): plan_for((one for one in registers if one.tier is tier), device, widest)
        for tier in Tier
    }
    return {
        "model": device.model,
        "family": device.family,
        "level": level,
        "path": str(path),
        "max_registers": widest,
        "registers": [
            {
                "space": str(one.space),
                "start": one.address,
                "count": one.count,
                "name": one.name,
                "kind": one.kind,
                "scale": one.scale,
                "unit": one.unit,
                "tier": str(one.tier),
                "source": one.source,
            }
            for one in registers
        ],
        "requests": [_block(block) for block in everything.blocks],
        "requests_by_tier": {tier: len(made.blocks) for tier, made in by_tier.items()},
        "lower_bound": [_block(field) for field in everything.lower_bound],
    }


def plan_for(registers: Iterable[Register], device: Device, widest: int) -> Plan:
    """The plan of the registers on a device that refuses nothing."""
    wanted = list(registers)
    isolated = {one.block: one.group for one in wanted if one.group}
    blocks = {one.block for one in wanted}
    return plan(blocks, widest, starts_known(device), UnreadableRanges(), isolated)


def _block(block: Block) -> BlockAnswer:
    return {"space": str(block.space), "start": block.start, "count": block.count}


def configuration_report(configuration: Configuration) -> ConfigurationAnswer:
    """Options in force by dotted key, without the values of secrets, and the warnings."""
    return {
        "file": configuration.file,
        "state_directory": str(configuration.state_directory),
        "options": masked(configuration.values),
        "given": sorted(configuration.given),
        "warnings": list(configuration.warnings),
    }


def option_report() -> OptionsAnswer:
    """Every option in words."""
    return {
        "options": [
            {"key": row.key, "takes": _takes(row), "default": _default(row), "help": row.help}
            for row in OPTIONS
        ]
    }


def _takes(row: Option) -> str:
    match row.kind:
        case OptionKind.CHOICE:
            text = listed(one or "nothing" for one in row.choices)
        case OptionKind.INTEGER | OptionKind.NUMBER | OptionKind.DURATION | OptionKind.PORT:
            text = number_wanted(row).removeprefix("a ")
        case _:
            text = str(row.kind)
    return f"{text} (secret)" if row.secret else text


def _default(row: Option) -> str:
    if row.required:
        return "(required)"
    if row.required_when:
        return f"(required with {row.required_when})"
    return row.otherwise if row.default is None else text_of(row.default)
