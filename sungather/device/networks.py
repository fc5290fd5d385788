"""Which networks `discover` may look through: private ones, and no large ones."""

import ipaddress
import socket
import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

from sungather import errors

LARGEST = 1024
"""Addresses in one network; more would take minutes and is hardly a home's."""
PRIVATE = tuple(
    IPv4Network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8")
)
"""RFC 1918, RFC 3927 (link-local), and the machine itself."""


def networks_of(texts: Iterable[str]) -> tuple[IPv4Network, ...]:
    """Networks in CIDR form.

    Raises:
        OptionsError: A sentence for each network that is refused.
    """
    networks: list[IPv4Network] = []
    problems: list[str] = []
    for text in texts:
        try:
            network = ipaddress.ip_network(text.strip(), strict=False)
        except ValueError:
            problems.append(f"{text!r} is not a network. Write it like 192.168.1.0/24.")
            continue
        if not isinstance(network, IPv4Network):
            problems.append(f"{text} is IPv6, which is too large to look through.")
        elif not any(network.subnet_of(private) for private in PRIVATE):
            problems.append(
                f"{text} is not a private network; only private networks can be scanned."
            )
        elif network.num_addresses > LARGEST:
            problems.append(
                f"{text} has {network.num_addresses} addresses; at most {LARGEST} are looked "
                f"through (a /22). Give the part in which the inverter is."
            )
        else:
            networks.append(network)
    if problems:
        raise errors.OptionsError(problems)
    return tuple(networks)


def own_networks() -> tuple[IPv4Network, ...]:
    """The private networks that this machine is in; of a large one the /24 around the machine."""
    found: dict[IPv4Network, None] = {}
    for address, mask in interface_addresses():
        network = IPv4Network(f"{address}/{mask}", strict=False)
        if address.is_loopback or not any(network.subnet_of(private) for private in PRIVATE):
            continue
        if network.num_addresses > LARGEST:
            network = IPv4Network(f"{address}/24", strict=False)
        if network.num_addresses > 1:
            found[network] = None
    return tuple(found)


def interface_addresses() -> list[tuple[IPv4Address, IPv4Address]]:
    """Address and net mask of each interface that has them, from the kernel."""
    try:
        import fcntl
    except ImportError:  # not a Unix: there the network must be given
        return []
    get_address, get_mask = 0x8915, 0x891B
    found: list[tuple[IPv4Address, IPv4Address]] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                answers = [fcntl.ioctl(asker, what, request) for what in (get_address, get_mask)]
            except OSError:
                continue  # an interface without an IPv4 address
            found.append((IPv4Address(answers[0][20:24]), IPv4Address(answers[1][20:24])))
    return found
