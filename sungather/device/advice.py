"""Connection advice: which of the three connections to an inverter is best, and why. Pure.

A cable to the inverter's own LAN port comes before any dongle. Through a dongle the web API comes
before its Modbus: measured on one SH8.0RT-20, the LAN port and the web API gave 1287 registers
each, the dongle's Modbus 447, with 0 for what is not available.
"""

from dataclasses import dataclass

from sungather import __version__
from sungather.answers import ConnectionAnswer
from sungather.reading import Path


@dataclass(frozen=True, slots=True)
class Advice:
    """What to say about the present connection."""

    connection: str
    """The best value of `inverter.connection` for this device: "modbus", "sungrow" or "http"."""
    why: str
    """One or two sentences for a person."""


def connection_advice(
    connection: str, path: Path, *, encrypted: bool = False, web_api: bool | None = None
) -> Advice:
    """Judge the connection that works now.

    `encrypted`: the device wants encrypted Modbus. `web_api`: whether the web interface of a
    WiNet-S answers at the same address; None if nobody has looked.
    """
    if path is Path.CABLE:
        return Advice(
            "sungrow" if encrypted else "modbus",
            "The inverter is read over its own LAN port, the best way there is: it serves every "
            "register, and marks what is not available.",
        )
    if connection == "http":
        return Advice(
            "http",
            "The web API is the best way through a WiNet-S: it serves what the LAN port serves. "
            "If the inverter has a LAN port of its own, a cable there with connection modbus is "
            "quicker and needs no login.",
        )
    if path is Path.DONGLE or web_api:
        if web_api is False:
            return Advice(
                "sungrow" if encrypted else "modbus",
                "The inverter is read through a dongle's Modbus, which leaves registers out and "
                "answers 0 for values that are not available. A cable to the inverter's own LAN "
                "port, if it has one, serves more.",
            )
        return Advice(
            "http",
            "The inverter is read through a dongle's Modbus, which leaves registers out and "
            "answers 0 for values that are not available. Better are a cable to the inverter's "
            "own LAN port, or connection http: the web API of a WiNet-S.",
        )
    if connection == "modbus-tls":
        return Advice(
            "modbus",
            "Modbus inside TLS works, but is experimental here. Plain Modbus on port 502, where "
            "it can be switched on, is what others use, too. Please report that it works.",
        )
    if encrypted:
        return Advice(
            "sungrow",
            "The device wants encrypted Modbus, so this is the only way to it. A cable to the "
            "inverter's own LAN port, if it has one, would be better.",
        )
    return Advice(
        "modbus",
        "Modbus works; whether a cable or a dongle is in between cannot be told for this model. "
        "If it is a WiNet-S, connection http serves more registers.",
    )


def report_of(answer: ConnectionAnswer, met: str) -> str:
    """What was met at the port of encrypted Modbus, to paste into an issue: no serial number."""
    problem = answer["error"]
    lines = (
        f"SunGather {__version__}, connection modbus-tls (experimental)",
        f"met: {met}",
        f"device: {answer['display_model'] or 'unknown'}",
        f"result: {problem['class'] if problem else 'read'}",
    )
    return "\n".join(lines)
