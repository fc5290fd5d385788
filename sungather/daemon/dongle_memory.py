"""What is remembered of a dongle: by its address, whatever the inverter behind it is called."""

from collections.abc import MutableMapping

from sungather.options.all_options import InverterOptions
from sungather.storage import Storage, StoredTexts
from sungather.transports.tls_port import TLS_PORT
from sungather.transports.winet_endpoints import NEW

PINNED = {"http": NEW.http_port, "modbus-tls": TLS_PORT}
"""Connections of which a certificate is remembered, and the port that shows it."""


class DongleMemories:
    """The memories of all dongles; inverters behind the same one share its memory."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._open: dict[str, MutableMapping[str, str]] = {}

    def of(self, options: InverterOptions) -> MutableMapping[str, str]:
        """The memory of the dongle at the host and port of these options (see `open_transport`).

        Builds before 1.0.0 kept it by the inverter's name, without the address. Such a memory is
        taken over once, for the address that the inverter has then: a trusted certificate must
        not be lost without a word. If it was another dongle's, the connection is refused until
        somebody forgets it.
        """
        if options.connection not in PINNED:
            return {}
        name = _name(options)
        memory = self._open.setdefault(name, StoredTexts(self._storage, name))
        former = f"way-{options.name}"
        if left := StoredTexts(self._storage, former):
            if not memory:
                memory.update(left)
            self._storage.remove(former)
        return memory


def _name(options: InverterOptions) -> str:
    """Without a port in the options, the dongle shows its certificate on the usual one."""
    host = options.host.lower().rstrip(".")
    plain = "".join(c if c.isalnum() or c in "-." else "_" for c in host)
    return f"dongle-{plain}-{options.port or PINNED[options.connection]}"
