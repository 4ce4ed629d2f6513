"""Is the user at the keyboard? It decides where the line "new since 14:03" stands. Pure: seconds come in.

Keys are all that it goes by: a terminal could tell of its focus too, but what it sends for that is taken for keys by
whatever runs after a client that was killed.
"""

ABSENT_SECONDS = 300.0  # without a key: reading takes less


class Absence:
    """Of one user, who is here when this begins."""

    def __init__(self, now: float) -> None:
        self._seen_at = now
        self._told = False  # of this absence

    def touched(self, now: float) -> None:
        """A key was pressed."""
        self._seen_at = now

    def entered(self, now: float) -> None:
        """A line was typed, be it empty: what is above was read."""
        self._seen_at, self._told = now, False

    def told(self) -> None:
        """A line has been drawn above what is new."""
        self._told = True

    def began(self, now: float) -> float | None:
        """Something is said. When the user was last here, if that is to be told above it; else None.

        It is that time, and not when this is said: the line below tells that itself, and what came between the two
        stands above, and may not have been read either.
        """
        if self._told or now - self._seen_at < ABSENT_SECONDS:
            return None
        self._told = True
        return self._seen_at
