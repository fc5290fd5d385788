"""Which transport `inverter.connection` names; each is imported only where it is used."""

from collections.abc import Callable, MutableMapping
from datetime import date

from sungather.options.all_options import InverterOptions
from sungather.transports import Transport

MODBUS_PORT = 502
HOME_MANAGER_PORTS = (503, 504)
"""Further ports of an iHomeManager, each for one client (iHomeManager V1.0.2, 1.2)."""


def open_transport(
    options: InverterOptions, memory: MutableMapping[str, str], today: Callable[[], date]
) -> Transport:
    """The transport to one inverter, not connected yet.

    `memory` keeps what was found out about a device with TLS across restarts: the address of its
    web API, and the certificate that is trusted. `today` is the date at the site: keys change
    with it.
    """
    port = options.port or MODBUS_PORT
    match options.connection:
        case "http":
            from sungather.transports.winet import WinetTransport

            return WinetTransport(
                options.host,
                options.port,
                options.timeout,
                memory=memory,
                username=options.username,
                password=options.password,
                ca=options.tls_ca,
            )
        case "sungrow":
            from sungather.transports.sungrow import SungrowTransport

            return SungrowTransport(options.host, port, options.timeout, today)
        case "modbus-tls":
            from sungather.transports.certificate_pin import Trust
            from sungather.transports.modbus import ModbusTransport
            from sungather.transports.tls_port import TLS_PORT, TlsPort

            tls = TlsPort(Trust(options.tls_ca, memory), memory)
            port = options.port or TLS_PORT
            return ModbusTransport(options.host, port, options.timeout, tls=tls)
        case _:
            from sungather.transports.modbus import ModbusTransport

            further = () if options.port else HOME_MANAGER_PORTS
            return ModbusTransport(options.host, port, options.timeout, further)
