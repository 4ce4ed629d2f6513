"""How a client's address is written, as its host. Pure."""


def written(address: str) -> str:
    """IRC takes a parameter that begins with a colon for the last one, so IPv6's "::1" is written "0::1"."""
    return f"0{address}" if address.startswith(":") else address
