"""What Home Assistant is told of each device, made anew only when there is something new."""

from collections.abc import Mapping

from sungather.exporters.homeassistant import Topics, device_id, discovery
from sungather.exporters.mqtt_layout import DeviceTopics, page_url
from sungather.reading import Reading, Value


class Discovery:
    """The discovery messages of all devices, for one connection after the other."""

    def __init__(self, prefix: str, page: tuple[str, int] | None) -> None:
        self._prefix = prefix
        self._page_at = page
        """Host, "" for every address of the machine, and port."""
        self.page = ""
        """Its address, for whoever sees our messages."""
        self._status = ""
        self._made: dict[str, tuple[object, dict[str, str]]] = {}
        """What the messages of a device were made from, and they."""

    def connected(self, status: str, own_address: str) -> None:
        """Take up what only a connection tells: our status topic, and our address."""
        self._status, self.page = status, page_url(self._page_at, own_address)

    def messages(
        self,
        reading: Reading,
        inverter: Reading | None,
        shown: Mapping[str, Value],
        place: DeviceTopics,
        told: Mapping[str, str],
    ) -> dict[str, str]:
        """Topic -> message of one device; none while nobody knows which it is.

        `shown` are the scalars that it has shown so far, `told` the entities, with platforms,
        that Home Assistant was told before: those that are no more are removed.
        """
        head = inverter if reading.via else reading
        # An inverter will tell its serial number; a home manager or a logger has none.
        base = "" if head is None or head.is_inverter else place.base
        identity = device_id(reading, inverter, base)
        if not identity:
            return {}
        topics = Topics(
            place.state,
            place.topic("availability"),
            place.topic("connection"),
            self._status,
            self.page,
            base,
        )
        source = (identity, topics, frozenset(shown), reading.model, dict(reading.firmware))
        if self._made.get(reading.name, ("",))[0] != source:
            known = inverter if inverter is not None and (inverter.serial or base) else None
            made = discovery(reading, shown, topics, told, known)
            self._made[reading.name] = (
                source,
                {f"{self._prefix}/device/{part}/config": text for part, text in made.items()},
            )
        return self._made[reading.name][1]
