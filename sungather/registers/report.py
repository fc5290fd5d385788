"""The answer of `registers`: what is read of a model at a level, and in which requests."""

from collections.abc import Iterable
from dataclasses import replace

from sungather import errors
from sungather.reading import Path
from sungather.registers import Block
from sungather.registers.catalogue import Register, Tier, registers_for, starts_known
from sungather.registers.device import Device
from sungather.registers.models import model_named
from sungather.registers.plan import Plan, UnreadableRanges, plan


def register_report(model: str, level: int, widest: int, path: Path) -> dict[str, object]:
    """Registers by documented numbers, the requests that read them all, and the lower bound."""
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


def _block(block: Block) -> dict[str, object]:
    return {"space": str(block.space), "start": block.start, "count": block.count}
