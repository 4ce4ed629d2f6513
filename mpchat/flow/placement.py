"""Which worker gets the next client. Pure."""


def least_loaded(clients: list[int]) -> int:
    """The number of the worker with the fewest clients; the first of them where several are equal."""
    return clients.index(min(clients))
