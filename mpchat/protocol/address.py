"""How a client's address is written, as its host. Pure."""

from ipaddress import IPv4Address

from mpchat.addresses import address_of


def written(address: str) -> str:
    """The one spelling of an address: bans, limits and who was killed are told by it.

    An address of IPv4 that comes mapped into IPv6 is written as IPv4's. IRC takes a parameter that begins with a colon
    for the last one, so IPv6's "::1" is written "0::1". Raises ValueError if it is none.
    """
    known = address_of(address)
    if isinstance(known, IPv4Address):
        return str(known)
    return f"0{address}" if address.startswith(":") else address
