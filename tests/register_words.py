"""Words and devices for tests of decoding."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sungather.reading import Path
from sungather.registers import Space
from sungather.registers.catalogue import registers_for
from sungather.registers.decode import Decoded, Decoder
from sungather.registers.device import Device
from sungather.registers.models import model_named

CABLE = replace(model_named("SH10RT"), path=Path.CABLE)
DONGLE = replace(model_named("SH10RT"), path=Path.DONGLE, masked=True)
STRING = model_named("SG10RT")

Words = Mapping[int, Sequence[int]]


def words(blocks: Words) -> dict[int, int]:
    return {start + i: word for start, block in blocks.items() for i, word in enumerate(block)}


def read(
    blocks: Words, of: Device = CABLE, level: int = 2, holding: Words | None = None
) -> Decoded:
    spaces = {Space.INPUT: words(blocks), Space.HOLDING: words(holding or {})}
    return Decoder(registers_for(of, level), of).decode(spaces)
