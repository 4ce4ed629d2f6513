"""What the lines of a script stand on: the room that its words go to, and the nickname they are said under. Pure.

A command that does not get what it asked for takes that from the lines behind it, until another command gets it.
Whether it did is seen in the model, not in the answer: so a request that was lost with the connection counts too.
"""

from mpchat.client import commands
from mpchat.client.model import Model
from mpchat.client.status import LOST, REFUSED
from mpchat.client.step import ERROR, Line, Step, error, harmless
from mpchat.protocol.message import Message, parse
from mpchat.texts import t

_STATES = frozenset(("JOIN", "NICK", "PART"))  # to ask for one of these again, when it was lost, does no harm


class Script:
    """A script's lines, one after the other."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._misnamed = ""  # the nickname that we were to have and could not get
        self._awaits_password = ""  # for the command in the line before

    def stops(self, line: str) -> Step | None:
        """Why this line is not obeyed; None: it is."""
        if command := self._wants(line):
            return error(t("client.script.password", command=command))
        if not self._misnamed or commands.meant(line) in ("nick", "help", "clear", "quit") or _names_us(line):
            return None
        why = t("client.script.nick_refused", nick=self._misnamed)
        return error(t("client.undone", undone=commands.undone(harmless(line)), why=why))

    def waits(self, line: str, step: Step) -> list[Message]:
        """What `line`, which led to `step`, asked of the server: the next line has to wait for the answer."""
        refused = step.outcome == REFUSED  # by the client itself, which did not understand it
        name = harmless(line.lstrip()).partition(" ")[0]
        match commands.meant(line):
            case "nick":
                self._misnamed = name if refused else ""  # where it was sent, the answer decides
            case "join" | "part" | "query" | "q" if refused:
                self._model.stop(t("client.script.refused", what=name))
        asked = [parse(text) for text in step.send]
        return [message for message in asked if message.command not in ("PRIVMSG", "NOTICE", "PING")]

    def lacks(self, asked: list[Message]) -> list[Message]:
        """Which of them can be asked for again, and did not get what they asked for."""
        return [message for message in asked if message.command in _STATES and not self._model.granted(message)]

    def answered(self, asked: list[Message]) -> None:
        """The server has answered them all: what was not granted now is refused."""
        for message in asked:
            if not message.params:
                continue  # such a line asks for nothing
            if message.command == "NICK":
                self._misnamed = "" if self._model.granted(message) else message.params[0]
            elif message.command in _STATES and not self._model.granted(message) and not self._is_expelled():
                self._model.stop(t("client.script.refused", what=f"{message.command} {message.params[0]}"))

    def unsure(self, line: str, asked: list[Message]) -> Step:
        """The connection was lost before the answer to `line` came."""
        if all(message.command in _STATES for message in asked):
            return Step()  # the model shows what came of it
        return doubtful(line)

    def undone(self, line: str) -> str:
        """Says of the next line that it is not obeyed."""
        command = self._wants(line)
        return t("client.script.password", command=command) if command else commands.undone(harmless(line))

    def _wants(self, line: str) -> str:
        """Which command before it was this line to be the password for, as in a terminal, where it is asked for?

        It is not said, and not shown.
        """
        awaited, self._awaits_password = self._awaits_password, commands.asks_password(line)
        return "" if commands.is_command(line) else awaited

    def _is_expelled(self) -> bool:
        """Did we lose our room since, for a reason of its own?"""
        return self._model.expelled and not self._model.current


def doubtful(line: str) -> Step:
    """Whether that /command was obeyed is not known."""
    told = t("client.script.unsure", undone=commands.undone(harmless(line)))
    return Step(show=[Line(told, ERROR)], outcome=LOST)


def _names_us(line: str) -> bool:
    """Is it a NICK by hand?"""
    return commands.meant(line) == "raw" and parse(line.lstrip().partition(" ")[2].strip()).command == "NICK"
