"""mpchat explain: the journal read aloud. A core of this process replays it; nothing is written, and no server waits.

A server that runs meanwhile is asked how a nickname's connection stands now (standing.py).
"""

import json
from collections import deque
from collections.abc import Callable
from contextlib import closing
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from mpchat.chat.names import fold
from mpchat.chat.text import clean, without_formatting
from mpchat.core.machine import Core
from mpchat.ipc.frames import load
from mpchat.messages import BadFrame, UnknownMessage
from mpchat.monitor import standing
from mpchat.monitor.explaining import Explainer
from mpchat.monitor.happening import Happening, Replay, Wanted, left_out
from mpchat.monitor.hearing import EVERYBODYS
from mpchat.protocol.connection import Connection
from mpchat.runtime.pure_source import as_imported
from mpchat.store.data_directory import check_restored
from mpchat.store.kept_journal import FOLDER, Reading, Removed, born_of
from mpchat.texts import t

_MUCH_BYTES = 64 << 20  # of journal: it takes half a minute
_FAILURES = (
    BadFrame,
    UnknownMessage,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)

Say = Callable[[str], None]


class Options(NamedTuple):
    """`last`: how many at most, the last ones; None: all. `control`: the server's control socket, if one runs."""

    data: Path
    last: int | None
    since: int | None  # a position
    nick: str
    room: str
    with_private: bool
    as_json: bool
    control: Path | None


def explain(options: Options, show: Say, tell: Say) -> bool:
    """Show what is wanted, and tell beside it what there is to know about that; returns whether there was anything.

    Raises FileNotFoundError where there is no journal, Damaged, ValueError at a snapshot of a newer program's, OSError.
    """
    check_restored(options.data)
    is_kept = _is_its_own(options.data)
    with closing(Reading(options.data, options.since, is_kept)) as reading:
        core, code = _state(reading.state)
        wanted = Wanted(options.nick, options.room, options.with_private, options.since or 0)
        replay = Replay(core, code, wanted)
        tell(t("explain.begins", place=reading.begin) if reading.begin else t("explain.begins_at_0"))
        if not is_kept:
            tell(t("explain.other_journal", folder=options.data / FOLDER))
        if reading.end - reading.begin > _MUCH_BYTES:
            tell(t("explain.much", size=(reading.end - reading.begin) >> 20))
        found = _Found(options, replay, show)
        _go_through(reading, replay, found, tell)
    found.end(tell)
    for was in dict.fromkeys(replay.codes):
        if was not in ("", as_imported()):
            tell(t("explain.other_code", was=was, now=as_imported()))
    if options.since is not None and options.since > reading.end:
        tell(t("explain.beyond", end=reading.end))
    elif not found.matches:
        tell(t("explain.nothing", begin=reading.begin, end=reading.end))
    if options.nick:
        _tell_near("nick", options.nick, replay.nicknames(), tell)
    if options.room and not found.matches:
        _tell_near("room", options.room, replay.rooms(), tell)
    _stand(options, replay, show)
    return found.matches > 0


def _state(snapshot: bytes | None) -> tuple[bytes | None, str]:
    """The core's dump in a snapshot, and the hash of the code with which its run began. Raises ValueError."""
    if snapshot is None:
        return None, ""
    try:
        core, _, *codes = load(snapshot)
    except (BadFrame, TypeError, ValueError) as error:
        raise ValueError(t("explain.no_state", error=repr(error))) from error
    if not isinstance(core, bytes):
        raise ValueError(t("explain.no_state", error=type(core).__name__))
    return core, str(codes[0]) if codes else ""


def _is_its_own(data: Path) -> bool:
    """Whether what is kept is of the journal that is there now; where it does not say, it is."""
    kept = born_of(data)
    if kept is None:
        return True
    with closing(Reading(data, with_kept=False)) as reading:
        dump, _ = _state(reading.state)
        core = Core() if dump is None else Core.load(dump)
        for _, block in reading.blocks():
            if core.hub.born:
                break
            core.apply(block)
        return core.hub.born in (0, kept)


class _Found:
    """What is shown at once, or kept until it is known to be among the last ones."""

    def __init__(self, options: Options, replay: Replay, show: Say) -> None:
        self._explainer = Explainer(replay.name, options.nick, options.room)
        self._as_json, self._show_text = options.as_json, show
        self._is_choosy = bool(options.nick or options.room)
        self._last: deque[Happening] | None = None if options.last is None else deque(maxlen=options.last)
        self.matches = self._seen = self._hidden = 0  # what concerns whoever asks is no match

    def add(self, happening: Happening) -> None:
        self._seen += 1
        self.matches += happening.record[0] not in EVERYBODYS or not self._is_choosy
        if self._last is None:
            self._show(happening)
        else:
            self._last.append(happening)

    def _show(self, happening: Happening) -> None:
        self._hidden += happening.hides
        as_object = self._explainer.as_object
        self._show_text(json.dumps(as_object(happening)) if self._as_json else self._explainer.in_words(happening))

    def end(self, tell: Say) -> None:
        for happening in self._last or ():
            self._show(happening)
        if self._hidden:
            tell(t("explain.hidden", count=self._hidden))
        if self._last is not None and self._seen > len(self._last):
            tell(t("explain.earlier", count=self._seen - len(self._last)))


def _go_through(reading: Reading, replay: Replay, found: _Found, tell: Say) -> None:
    try:
        for happening in replay.happenings(reading.blocks(), left_out(reading.blocks())):
            found.add(happening)
    except Removed as removed:
        tell(t("explain.removed", place=replay.place, path=removed.path))
    except _FAILURES as error:
        # Other code wrote it, or no broker has left it out yet: what was read so far stands.
        tell(t("explain.cannot", place=replay.place, error=repr(error)))


def _tell_near(what: str, asked: str, known: list[str], tell: Say) -> None:
    """There may be a slip of the keys in a nickname or a room's name. `known`: folded."""
    if fold(asked) in known:
        return
    tell(t(f"explain.no_such.{what}", asked=asked))
    near = get_close_matches(fold(asked), known, n=5)
    if near:
        tell(t("explain.near", names=", ".join(near)))


def _stand(options: Options, replay: Replay, show: Say) -> None:
    """What the running server says; without a nickname, what is wrong with its processes, for people alone."""
    if options.as_json and not options.nick:
        return
    connection = _connection(replay, options.nick) if options.nick else None
    nick = connection.session.nick if connection is not None else options.nick
    try:
        found = standing.look(options.control, connection) if options.control is not None else None
    except (OSError, ValueError):
        found = None  # it has just ended, or is no server
    if options.as_json:
        now = None if found is None else found._asdict()
        show(json.dumps({"now": now, "nick": options.nick, "connection": connection.id if connection else None}))
        return
    lines = [t("explain.live.no_server")] if options.nick else []
    if found is not None:
        try:
            lines = list(standing.in_words(found, nick, connection))
        except (AttributeError, LookupError, TypeError, ValueError):  # no server of this version says such things
            lines = [t("explain.live.unasked", said=t("trace.no_answer"))]
    if options.nick and options.room:
        lines += standing.kept_out_in_words(replay.core, nick, options.room)
    for line in lines:
        show(without_formatting(clean(line)))


def _connection(replay: Replay, nick: str) -> Connection | None:
    session = replay.core.hub.nicks.get(fold(nick))
    return replay.core.connection(session.id) if session is not None else None
