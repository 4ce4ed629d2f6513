"""What the acceptor, who speaks no dialect, needs of both: how an address is written, and a refusal. Pure."""


def written(address: str) -> str:
    """IRC takes a parameter that begins with a colon for the last one, so IPv6's "::1" is written "0::1"."""
    return f"0{address}" if address.startswith(":") else address


def turned_away(why: str, is_plain: bool) -> bytes:
    """All that somebody reads who never becomes a session."""
    return (f"! {why}\n" if is_plain else f"ERROR :Closing link: ({why})\r\n").encode()
