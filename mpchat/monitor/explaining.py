"""A happening in words, in the language of this process, or as an object for programs. Pure.

What clients have sent is shown without what a terminal would obey.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, NamedTuple

from mpchat.chat.text import clean, without_formatting
from mpchat.messages import ConnectionId, Record, UnknownMessage
from mpchat.monitor.happening import Happening
from mpchat.monitor.hearing import NOBODY, Hearing, Sent, Word
from mpchat.texts import t

_NAMES = 8  # that are listed of those who hear something, and lines of an answer: enough to see what it is about
_LINES = 3
_INDENT = "    "
_CAUSES = ("silent", "clock", "start", "stop", "skip", "answer")  # records without a text that can end a session

Named = Callable[[ConnectionId, int], str]  # what a connection was called when so many records had happened, or ""


class Explainer(NamedTuple):
    """`nick` and `room`: whose hearing is told, as they were asked for."""

    named: Named
    nick: str = ""
    room: str = ""

    # In words

    def in_words(self, happening: Happening) -> str:
        """A line for the record, and an indented one for each thing that followed from it."""
        lines = [f"{happening.place}  {clock(happening.wall, happening.utc_offset)}  {self._record(happening)}"]
        if happening.waits:
            lines.append(_INDENT + t("explain.waits"))
        for each in happening.sent:
            lines += [_INDENT + line for line in self._item(happening, each)]
        lines += [_INDENT + t("explain.log", event=_report(*each)) for each in happening.reports]
        if happening.hearing is not None:
            lines += [_INDENT + line for line in self._hearing(happening, happening.hearing)]
        return "\n".join(without_formatting(clean(line)) for line in lines)

    def who(self, id: ConnectionId, number: int) -> str:
        return self.named(id, number) or t("explain.connection", id=id)

    def _listed(self, ids: Sequence[ConnectionId], number: int) -> str:
        some = ", ".join([self.who(id, number) for id in ids[:_NAMES]])
        return t("explain.and_more", names=some, count=len(ids) - _NAMES) if len(ids) > _NAMES else some

    def _record(self, happening: Happening) -> str:
        record, id = happening.record, happening.connection
        who = happening.name or t("explain.connection", id=id)
        full = t("explain.who", nick=happening.name, id=id) if happening.name else who
        match record:
            case ("open", worker, _, dialect, host, *secure):
                key = "explain.open_secure" if any(secure) else "explain.open"
                return t(key, who=who, dialect=dialect, host=host, worker=f"worker{worker}")
            case ("line", *_) if happening.worker < 0:
                return t("explain.too_late", who=full)
            case ("line", *_):
                return (
                    t("explain.line", who=full, line=happening.line) if happening.line else t("explain.blank", who=full)
                )
            case ("part" | "overlong" | "rest" as word, *_):
                return t(f"explain.{word}", who=full)
            case ("gone", _, why):
                hint = t("explain.does_not_read") if why == "SendQ exceeded" else ""
                return t("explain.gone", who=full, why=why) + hint
            case ("silent" | "drained" | "again" as word, *_):
                return t(f"explain.{word}", who=full)
            case ("answer", _, answer):
                return t("explain.answer", who=full, answer=_answer(answer))
            case ("accounts", accounts, mechanisms):
                offered = ", ".join(mechanisms) or "-"
                return t("explain.accounts", count=len(accounts), mechanisms=offered)
            case ("start", _, workers, *_):
                return t("explain.start", workers=workers)
            case ("skip", place, _):
                return t("explain.skip", who=full, place=place)
            case ("full", ids):
                return t("explain.full", who=self._listed(ids, happening.number))
            case ("stop", why):
                return t("explain.stop", why=why)
            case ("clock" | "reload" as word, *_):
                return t(f"explain.{word}")
            case _:
                raise UnknownMessage(record)

    def _item(self, happening: Happening, sent: Sent) -> list[str]:
        worker, item = f"worker{sent.worker}", sent.item
        if not (item[0] == "send" or item[0] == "cast"):
            who = self.who(sent.to[0], happening.number) if sent.to else ""
            room = sent.channels[0] if sent.channels else ""
            end = item[2] if item[0] == "ack" else 0
            return [t(f"explain.item.{item[0]}", worker=worker, who=who, room=room, end=end)]
        receivers = sent.receivers
        to = self._listed(receivers, happening.number)
        if not receivers:
            return [t("explain.item.nobody", worker=worker, room=", ".join(sent.channels))]
        lines = happening.redacted.lines(sent)
        if lines is None:
            return [t("explain.item.private", worker=worker, to=to, bytes=len(item[2]))]
        told = [t("explain.item.send", worker=worker, to=to, line=line) for line in lines[:_LINES]]
        if len(lines) > _LINES:
            told.append(t("explain.item.more", worker=worker, to=to, count=len(lines) - _LINES))
        return told

    def _hearing(self, happening: Happening, hearing: Hearing) -> list[str]:
        lines = [t(f"explain.hearing.{hearing.verdict}", nick=self.nick, room=self.room)]
        if hearing.since is not None:
            lines.append(t("explain.hearing.since", nick=self.nick, **self._word(happening, hearing.since)))
        if hearing.tried is not None:
            tried = self._word(happening, hearing.tried)
            about = {"nick": self.nick, "room": self.room, "answer": hearing.answer or "-"}
            lines.append(t("explain.hearing.tried", **about, **tried))
        return lines

    def _word(self, happening: Happening, word: Word) -> dict[str, object]:
        by = self.who(word.by, happening.number) if word.by != NOBODY else t("explain.the_server")
        cause = word.record if word.record in _CAUSES else "other"
        text = word.text or t(f"explain.cause.{cause}")
        return {"place": word.place, "at": clock(word.wall, happening.utc_offset), "by": by, "text": text}

    # For programs

    def as_object(self, happening: Happening) -> dict[str, Any]:
        """Words of one wording, and everything that is said, unless it is private."""
        found: dict[str, Any] = {
            "place": happening.place,
            "at": f"{clock(happening.wall, 0).replace(' ', 'T')}Z",
            "record": happening.record[0],
            "connection": happening.connection or None,
            "nick": happening.name,
            "dialect": happening.dialect,
            "worker": happening.worker if happening.worker >= 0 else None,
            "line": happening.line,
            "is_private": happening.hides,
            "waits": happening.waits,
            "about": _about(happening.record),
            "items": [self._object(happening, each) for each in happening.sent],
            "log": [{"event": event, **facts} for event, facts in happening.reports],
        }
        if happening.hearing is not None:
            hearing = happening.hearing
            found["hearing"] = {
                "nick": self.nick,
                "room": self.room,
                "verdict": hearing.verdict,
                "since": hearing.since and hearing.since._asdict(),
                "tried": hearing.tried and hearing.tried._asdict(),
                "answer": hearing.answer,
            }
        return found

    def _object(self, happening: Happening, sent: Sent) -> dict[str, Any]:
        item = sent.item
        found: dict[str, Any] = {"item": item[0], "worker": sent.worker}
        if item[0] != "end":
            found["connections"] = sent.receivers
            found["nicks"] = [self.named(id, happening.number) for id in sent.receivers]
        if sent.channels:
            found["rooms"] = list(sent.channels)
        if item[0] in ("send", "cast"):
            lines = happening.redacted.lines(sent)
            found |= {"bytes": len(item[2]), "lines": lines, "is_private": lines is None}
        elif item[0] == "ack":
            found["end"] = item[2]
        return found


@lru_cache(maxsize=64)  # all records of a block have one time
def clock(wall: int, utc_offset: int) -> str:
    """As the chat showed it at that moment, with its date and milliseconds."""
    try:
        at = datetime.fromtimestamp(wall / 1000, timezone(timedelta(minutes=utc_offset)))
    except (OSError, OverflowError, ValueError):  # a clock that no server has
        return f"{wall} ms"
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"


def _answer(answer: object) -> str:
    if isinstance(answer, bool):
        return t("explain.right" if answer else "explain.wrong")
    if isinstance(answer, tuple) and isinstance(answer[0], bool):
        return t("explain.reread", said=answer[1])
    if isinstance(answer, tuple):
        return t(f"explain.account.{answer[0]}", name=answer[1])
    return t("explain.rows", count=len(answer)) if isinstance(answer, list) else t("explain.no_rows")


def _report(event: str, facts: dict[str, str | int]) -> str:
    return " ".join([event, *(f"{name}={value!r}" for name, value in facts.items())])


def _about(record: Record) -> dict[str, Any]:
    """What a record says besides whose it is and what was typed."""
    match record:
        case ("open", _, _, _, host, *secure):
            return {"host": host, "secure": any(secure)}
        case ("line" | "part" | "overlong" | "rest", _, end, _):
            return {"end": end}
        case ("gone", _, why) | ("stop", why):
            return {"why": why}
        case ("answer", _, answer):
            is_well = answer[0] if isinstance(answer, tuple) else answer if isinstance(answer, bool) else None
            return {"answer": is_well, "rows": _count(answer)}
        case ("accounts", accounts, mechanisms):
            return {"accounts": len(accounts), "mechanisms": list(mechanisms)}
        case ("start", _, workers, *_):
            return {"workers": workers}
        case ("skip", place, _):
            return {"place": place}
        case ("full", ids):
            return {"connections": list(ids)}
        case ("clock" | "reload" | "silent" | "drained" | "again", *_):
            return {}
        case _:
            raise UnknownMessage(record)


def _count(answer: object) -> int | None:
    return len(answer) if isinstance(answer, list) else None
