"""What a command is: who runs it, how many parameters it needs, and whether newcomers may use it."""

from collections.abc import Callable
from dataclasses import dataclass

from mpchat.protocol.desk import Desk, Outcomes, Peer

Handler = Callable[[Desk, Peer, list[str]], Outcomes]


@dataclass(frozen=True)
class Command:
    """`least` parameters must be there and not empty, else 461 (ERR_NEEDMOREPARAMS)."""

    run: Handler
    least: int = 0
    newcomers: bool = False
