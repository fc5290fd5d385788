"""The words of an inverter and of what is behind it, by the unit that a program asks."""

from sungather.clock import Clock
from sungather.device.identify import MANAGERS
from sungather.device.outside_budget import OutsideBudget
from sungather.device.reader import DeviceReader
from sungather.device.sub_devices import SubDevices
from sungather.device.words_for_clients import WordSource
from sungather.transports import Transport


class UnitWords:
    """The words of an inverter and its sub-devices, by the unit that a client asks."""

    def __init__(
        self,
        inverter: DeviceReader,
        sub_devices: SubDevices,
        transport: Transport,
        clock: Clock,
        max_age: float,
    ) -> None:
        """`transport` is the connection's side for those who ask, beside the scans' own."""
        self._inverter = inverter
        self._sub_devices = sub_devices
        self._transport = transport
        self._clock = clock
        self._max_age = max_age
        self._budget = OutsideBudget(clock)
        self._sources: dict[int, WordSource] = {}

    def on_unit(self, unit: int) -> WordSource | None:
        """The words of a unit; None if there is no such device.

        The inverter has its own unit and those that mean the device itself (0 and 255, Modbus
        messaging guide 4.4.2.1); and 1, which many clients cannot change, unless that is another:
        with a home manager or a logger, it is an inverter's.
        """
        own, device = self._inverter.options.unit, self._inverter.device
        reader = self._inverter if unit in (own, 0, 255) else self._sub_devices.on_unit(unit)
        if reader is None and unit == 1 and (device is None or device.family not in MANAGERS):
            reader = self._inverter
        if reader is None:
            return None
        unit = reader.options.unit
        source = self._sources.get(unit)
        if source is None or source.reader is not reader:
            source = self._sources[unit] = WordSource(
                reader, self._transport, self._clock, self._max_age, self._budget
            )
        return source

    @property
    def requests(self) -> int:
        """Requests that were sent for those who ask."""
        return self._transport.requests

    def close(self) -> None:
        """Give up what is being asked."""
        for source in self._sources.values():
            source.close()
