"""Who asks how much, and what becomes of it."""

from collections import Counter

from sungather.service import ClientTraffic

_MOST = 64
"""Addresses that are told apart; those that have been gone for longest are forgotten."""


class Traffic:
    """Counters of one address."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.connections = 0
        """Open ones."""
        self.requests = 0
        self.passed_on = 0
        self.exceptions: Counter[int] = Counter()

    def told(self) -> ClientTraffic:
        """The counters as they are now."""
        return ClientTraffic(
            self.address,
            self.connections,
            self.requests,
            from_cache=self.requests - self.passed_on - self.exceptions.total(),
            passed_on=self.passed_on,
            exceptions=dict(sorted(self.exceptions.items())),
        )


class TrafficBook:
    """The counters of all addresses."""

    def __init__(self) -> None:
        self._by_address: dict[str, Traffic] = {}

    def of(self, address: str) -> Traffic:
        """The counters of an address, now the newest."""
        found = self._by_address.pop(address, None) or Traffic(address)
        self._by_address[address] = found
        gone = (a for a, one in self._by_address.items() if not one.connections and a != address)
        if len(self._by_address) > _MOST and (oldest := next(gone, None)):
            del self._by_address[oldest]
        return found

    def told(self) -> tuple[ClientTraffic, ...]:
        """Those of all addresses."""
        return tuple(one.told() for one in self._by_address.values())
