"""Accounts, as the chat knows them: their names, and by what they can be proved. Pure.

A nickname that is an account's is its owner's alone, and so is every double of it (names.look()). Passwords, and what
is kept of them, are the authenticator's affair: here a session has proved who it is, or has not.
"""

from __future__ import annotations

from collections.abc import Iterable

from mpchat.chat.names import fold, look

Values = tuple[list[str], tuple[str, ...]]  # plain, for a snapshot


class Accounts:
    """Of one hub. `mechanisms`: those of SASL that can be offered; without any there are no accounts on this server."""

    def __init__(self) -> None:
        self.mechanisms: tuple[str, ...] = ()
        self._names: dict[str, str] = {}  # by their folded form
        self._looks: dict[str, str] = {}  # by their look, those that are not ASCII

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and fold(name) in self._names

    def know(self, names: Iterable[str], mechanisms: Iterable[str]) -> None:
        """There are these, and no others."""
        self._names, self._looks, self.mechanisms = {}, {}, tuple(mechanisms)
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        """There is this one, too."""
        self._names.setdefault(fold(name), name)
        if not name.isascii():
            self._looks.setdefault(look(name), name)

    def owner_of(self, nick: str) -> str:
        """The account to which a nickname belongs, itself or as its double; "": to none."""
        if not self._names:
            return ""
        shape = look(nick)
        return self._names.get(fold(nick)) or self._names.get(shape) or self._looks.get(shape, "")

    def values(self) -> Values:
        return list(self._names.values()), self.mechanisms

    def load(self, values: Values) -> None:
        """The inverse of values()."""
        self.know(*values)
