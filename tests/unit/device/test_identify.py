"""Who answers: one request where the device answers like the documents say."""

from collections.abc import Sequence

import pytest

from sungather import errors
from sungather.device.identify import NAMEPLATE, identify_inverter
from sungather.reading import Path
from sungather.registers import Block


class Device:
    """Answers blocks that lie in what it knows, and refuses the others."""

    def __init__(
        self, *, serial: str = "A2290123456", code: int = 0x0E03, output: int = 1
    ) -> None:
        text = serial.encode().ljust(20, b"\0")
        self.words = dict.fromkeys(range(4954, 5003), 0)
        for n in range(10):
            self.words[4990 + n] = int.from_bytes(text[2 * n : 2 * n + 2], "big")
        self.words |= {5000: code, 5001: 100, 5002: output}
        self.asked: list[Block] = []

    async def read(self, block: Block) -> Sequence[int]:
        self.asked.append(block)
        registers = range(block.start, block.end + 1)
        if not all(register in self.words for register in registers):
            raise errors.Refused("illegal data address")
        return [self.words[register] for register in registers]


async def test_a_hybrid_over_a_cable_takes_two_requests() -> None:
    device = Device()
    device.words[6100] = 0
    found = await identify_inverter(device.read, "modbus")
    assert found.serial == "A2290123456"
    assert (found.device.model, found.device.path, found.device.masked) == (
        "SH10RT",
        Path.CABLE,
        False,
    )
    assert device.asked[0] == NAMEPLATE
    assert len(device.asked) == 2


async def test_a_dongle_refuses_6100_and_masks() -> None:
    found = await identify_inverter(Device().read, "modbus")
    assert (found.device.path, found.device.masked) == (Path.DONGLE, True)


async def test_the_web_api_is_always_a_dongle_that_masks_nothing() -> None:
    found = await identify_inverter(Device().read, "http")
    assert (found.device.path, found.device.masked) == (Path.DONGLE, False)


async def test_families_without_6100_have_no_known_path() -> None:
    found = await identify_inverter(Device(code=0x243D).read, "modbus")
    assert found.device.family.startswith("SG")
    assert found.device.path is Path.UNKNOWN


async def test_a_refused_nameplate_is_read_piece_by_piece() -> None:
    device = Device()
    for register in range(4954, 4990):
        del device.words[register]
    found = await identify_inverter(device.read, "modbus")
    assert (found.device.model, found.serial, found.firmware) == ("SH10RT", "A2290123456", {})


@pytest.mark.parametrize("serial", ["A2\n1 ERROR", "A2\x1b[31m", "A2\x7f", "A2\r3", "A2\xff"])
async def test_a_serial_number_cannot_forge_a_line_nor_colour_a_terminal(serial: str) -> None:
    found = await identify_inverter(Device(serial=serial).read, "modbus")
    assert (found.device.model, found.serial) == ("SH10RT", "")


@pytest.mark.parametrize(("output", "phases"), [(0, 1), (1, 3), (2, 3), (0xFFFF, None)])
async def test_phases_of_an_unlisted_code_come_from_the_output_type(
    output: int, phases: int | None
) -> None:
    found = await identify_inverter(Device(code=0x0EEE, output=output).read, "modbus")
    assert found.device.phases == phases


async def test_an_unlisted_code_is_a_hybrid_if_it_has_a_hybrids_state() -> None:
    device = Device(code=0x0EEE)
    device.words[13000] = 0
    assert (await identify_inverter(device.read, "modbus")).device.family == "SH"
    assert (await identify_inverter(Device(code=0x0EEE).read, "modbus")).device.family == "SG"


async def test_the_model_option_wins_over_what_the_device_says() -> None:
    assert (await identify_inverter(Device().read, "modbus", "SG10RT")).device.model == "SG10RT"


async def test_neither_serial_nor_type_is_not_a_sungrow() -> None:
    with pytest.raises(errors.NotSungrow):
        await identify_inverter(Device(serial="", code=0).read, "modbus")


async def test_a_logger_is_named_and_is_not_an_inverter() -> None:
    with pytest.raises(errors.NotSungrow, match="Logger3000"):
        await identify_inverter(Device(code=0x0705).read, "modbus")
