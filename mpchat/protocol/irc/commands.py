"""What a command is: who runs it, how many parameters it needs, and whether newcomers may use it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mpchat.protocol.desk import Desk, Outcome, Peer

Handler = Callable[[Desk, Peer, list[str]], Iterable[Outcome]]
TaggedHandler = Callable[[Desk, Peer, list[str], dict[str, str]], Iterable[Outcome]]

NO_TAGS: dict[str, str] = {}


@dataclass(frozen=True)
class Command:
    """`least` parameters must be there and not empty, else 461 (ERR_NEEDMOREPARAMS).

    `tagged` runs it when its line has tags, if they mean anything to it.
    """

    run: Handler
    least: int = 0
    newcomers: bool = False
    tagged: TaggedHandler | None = None
