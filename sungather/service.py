"""What the collector feeds: exporters, the page, the control socket."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sungather.reading import Reading


@dataclass(frozen=True, slots=True)
class ClientTraffic:
    """What the clients at one address have asked, since the start."""

    address: str
    connections: int
    """Open ones."""
    requests: int
    from_cache: int
    """Requests answered without asking the device."""
    passed_on: int
    """Requests for which the device was asked; several may share one request to it."""
    exceptions: Mapping[int, int]
    """Modbus exception -> how often it was the answer."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a service is doing, for the page, /metrics and `readings`."""

    name: str
    """"mqtt", "influxdb", "web", …"""
    state: str
    """"starting", "ok", "waiting" (the other side is down; nothing is lost), "blocked" (a person
    must act), "stopped"."""
    message: str = ""
    """The last error, or what is being waited for, in words; never a secret."""
    queue: int = 0
    """Readings that wait for delivery."""
    delivered: int = 0
    rejected: int = 0
    """Readings that the other side refused for good; set aside."""
    dropped: int = 0
    """Readings given up because the outbox was full."""
    last_success: datetime | None = None
    clients: tuple[ClientTraffic, ...] = ()
    """Who asks, of a service that is asked."""
    asked: Mapping[str, int] = field(default_factory=dict[str, int])
    """Inverter -> requests that it was sent for those who ask."""


class Service(Protocol):
    """Something that takes readings and works on its own; one asyncio task each."""

    name: str

    def on_reading(self, reading: Reading) -> None:
        """Get a new reading (any state). Returns at once: it never blocks and never raises."""
        ...

    async def run(self) -> None:
        """Work until cancelled. Troubles of the other side stay in here and show in `health`."""
        ...

    def health(self) -> Health:
        """The present state, cheap enough for every page view."""
        ...


class SimpleService:
    """A service that needs nothing of all this unless it says so."""

    name: str

    def on_reading(self, reading: Reading) -> None:
        """Readings are for the others."""

    async def run(self) -> None:
        """Nothing to do between readings."""

    def health(self) -> Health:
        """No troubles to tell."""
        return Health(self.name, "ok")
