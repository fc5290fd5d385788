"""A dongle that tells nothing of its inverter before a login, but announces it."""

import asyncio
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network

import pytest

from sungather.device import discover
from sungather.device.neighbours import Announced
from sungather.simulator import device_named
from sungather.simulator.certificate import throwaway_context
from sungather.simulator.frontend import reads_from
from sungather.simulator.winet import Dongle, WinetPort

HOST = "127.77.6.1"
SERIAL = "A2280800001"


@pytest.mark.parametrize("late", [False, True])
async def test_it_has_the_serial_number_that_it_announces_so_it_is_found_again_by_it(
    late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = asyncio.Event()

    async def listen(
        found: Callable[[Announced], None], seconds: float, interfaces: Sequence[str]
    ) -> None:
        if late:
            await looked.wait()
        found(Announced(HOST, "WiNet-S", "SH8.0RT", SERIAL))

    dongle = Dongle(reads_from({1: device_named("SH8.0RT")}))
    async with WinetPort(dongle, HOST, tls=throwaway_context()) as port:
        monkeypatch.setattr(discover, "listen", listen)
        monkeypatch.setattr(discover, "WEB_PORTS", (port.port,))
        monkeypatch.setattr(discover, "by_hardware_address", lambda: {HOST})
        (found,) = await discover.discover(
            [IPv4Network(f"{HOST}/32")], lambda done, hosts: looked.set()
        )
    assert (found.connection, found.model, found.serial) == ("http", "SH8.0RT", SERIAL)
