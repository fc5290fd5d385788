"""Where the snap serves, by the options that it has taken; pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import config

_HOST = re.compile(r"(inverter|inverters\.[^.]+)\.host")


@dataclass(frozen=True)
class Ports:
    """Ports on which somebody may come in; every one is between 1 and 65535."""

    web: int
    """Of the page, also while it is off."""
    page: int | None
    """The same; None while the page is off."""
    modbus: tuple[int, ...]
    """Of the Modbus server, one for each inverter; none while it is off."""


def read(options: Mapping[str, str]) -> Ports:
    """The ports that these options of the snap mean.

    Args:
        options: dotted key -> text, as `sungather_snap.get_options` gives them.
    """
    web = _port(options.get("web.port", "")) or config.Config().webserver_port
    page = web if options.get("web.enabled") == "true" else None
    served = options.get("modbus-server.enabled") == "true"
    return Ports(web, page, tuple(_modbus(options)) if served else ())


def inverters(options: Mapping[str, str]) -> list[str]:
    """What the keys of each inverter that has a host begin with, in the snap's order."""
    found = [(_HOST.fullmatch(key), text) for key, text in options.items()]
    return [match[1] for match, text in found if match and text]


def _modbus(options: Mapping[str, str]) -> Iterator[int]:
    first = _port(options.get("modbus-server.port", "")) or config.Config().modbus_server_port
    for number, inverter in enumerate(inverters(options)):
        own = _port(options.get(f"{inverter}.modbus-server-port", ""))
        if port := own or _port(str(first + number)):
            yield port


def _port(text: str) -> int | None:
    """A port; None for what the snap would refuse, which is nobody's port."""
    number = int(text) if text.isdecimal() else 0
    return number if 0 < number < 65536 else None
