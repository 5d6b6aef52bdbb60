"""What an IP address leads to: the internet, somebody's own network, or where no webhook may ever go."""

from enum import IntEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Reach(IntEnum):
    """Where an address leads, the worst last."""

    PUBLIC = 0
    PRIVATE = 1
    """Loopback, private, shared, reserved: whatever is not routed on the internet."""
    FORBIDDEN = 2
    """Metadata services of clouds, link-local, unspecified, multicast, broadcast."""


FORBIDDEN_NAMES: Final = frozenset({"metadata.google.internal", "metadata.goog", "instance-data.ec2.internal"})
"""Names of metadata services, whatever they resolve to."""

_FORBIDDEN: Final[tuple[Network, ...]] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this host: Linux takes it for loopback
        "169.254.0.0/16",  # link-local, and with it most metadata services
        "100.100.100.200/32",  # Alibaba's
        "168.63.129.16/32",  # Azure's
        "192.0.0.192/32",  # Oracle's
        "224.0.0.0/4",
        "240.0.0.0/4",  # reserved, broadcast included
        "::/128",
        "fe80::/10",
        "fd00:ec2::/32",  # Amazon's
        "fd20:ce::/64",  # Google's
        "ff00::/8",
    )
)
_PRIVATE: Final[tuple[Network, ...]] = (ip_network("fec0::/10"), ip_network("64:ff9b:1::/48"))
"""Private ones that `ipaddress` takes for public, in some of Python's versions."""
_COMPATIBLE: Final = IPv6Network("::/96")
_NAT64: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_ISATAP: Final = (0x00005EFE, 0x02005EFE)


def reach(address: Address) -> Reach:
    """Where an address leads. One that has an IPv4 address inside leads as far as that one, if that is worse."""
    if any(address in network for network in _FORBIDDEN):
        return Reach.FORBIDDEN
    is_public = address.is_global and not any(address in network for network in _PRIVATE)
    own = Reach.PUBLIC if is_public else Reach.PRIVATE
    return max([own, *(reach(inner) for inner in _inside(address))])


def parse(text: str) -> Address | None:
    """An address as `getaddrinfo` writes it; None for a name."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def _inside(address: Address) -> list[IPv4Address]:
    """The IPv4 addresses that an IPv6 address stands for, by one mechanism or another."""
    if isinstance(address, IPv4Address):
        return []
    number = int(address)
    inside = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in _NAT64) or (address in _COMPATIBLE and number > 1):
        inside.append(IPv4Address(number & 0xFFFFFFFF))
    if (number >> 32) & 0xFFFFFFFF in _ISATAP:
        inside.append(IPv4Address(number & 0xFFFFFFFF))
    return [inner for inner in inside if inner is not None]
