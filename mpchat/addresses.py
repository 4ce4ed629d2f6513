"""IP addresses as the chat sees them. Pure.

An address of IPv4 that comes mapped into IPv6 (RFC 4291 section 2.5.5.2), as it does on a listening socket of both
versions (ipv6(7)), is one of IPv4: otherwise a ban, a limit or an exempt network would hold on one socket and not on
the other.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

BITS = {0: 0, 4: 32, 6: 128}  # of an address, by its version as number_of() has it


@lru_cache(maxsize=4096)  # one costs 3 us, and each client's is asked for six times as it comes and goes
def address_of(host: str) -> IPv4Address | IPv6Address:
    """The address that is written; its zone (RFC 4007) is left out. Raises ValueError if it is none."""
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def number_of(host: str) -> tuple[int, int]:
    """An address's version and number; (0, 0) for what is none."""
    try:
        address = address_of(host)
    except ValueError:
        return 0, 0
    return address.version, int(address)


def network_of(text: str, strict: bool = True) -> IPv4Network | IPv6Network:
    """The network that is written as in CIDR (RFC 4632); an address is a network of its own.

    Raises ValueError if it is none, has a zone, or, if `strict`, has bits behind its prefix.
    """
    if "%" in text:
        raise ValueError(text)
    network = ip_network(text, strict)
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is not None and network.prefixlen >= 96:
        return IPv4Network((mapped, network.prefixlen - 96))
    return network


def is_loopback(host: str) -> bool:
    """Whether it is this machine's own: an address of loopback, or the name localhost (RFC 6761 section 6.3)."""
    try:
        return address_of(host).is_loopback
    except ValueError:
        return host == "localhost"
