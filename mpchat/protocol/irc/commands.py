"""What a command is: who runs it, how many parameters it needs, and whether unregistered clients may use it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.outcomes import Outcome

Handler = Callable[[Context, Connection, list[str]], Iterable[Outcome]]
TaggedHandler = Callable[[Context, Connection, list[str], dict[str, str]], Iterable[Outcome]]
Continuation = Callable[..., Iterable[Outcome]]  # the rest of a long answer: context, connection, and where that begins

NO_TAGS: dict[str, str] = {}


@dataclass(frozen=True)
class Command:
    """`least` parameters must be there and not empty, else 461 (ERR_NEEDMOREPARAMS).

    `tagged` runs it when its line has tags, if they mean anything to it. `text`: which parameter people will read.
    `any_bytes`: it is obeyed even if its line is not UTF-8, because nobody who leaves wants to hear that.
    `level`: of a server with a lower one (see ChatSettings) it is no command.
    """

    run: Handler
    least: int = 0
    unregistered: bool = False
    text: int | None = None
    any_bytes: bool = False
    tagged: TaggedHandler | None = None
    level: int = 0
