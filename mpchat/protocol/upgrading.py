"""A state that an older version of this program dumped, made into one of this version's: a function for each step.

Each step is tested with what a program of its version wrote (tests/data). A state holds what a run of the server had in
it; the next run inherits that, so a step must keep what outlives a run, and be able to apply the records behind it.
"""

from collections.abc import Callable
from typing import Any

Values = tuple[Any, ...]

_DORMANT_MS = 24 * 3600 * 1000


def upgraded(version: int, values: Values) -> Values:
    """The values of a dump of this version as this program's own dump() would have them."""
    while version in UPGRADES:
        values = UPGRADES[version](values)
        version += 1
    return values


def _to_4(values: Values) -> Values:
    """Channels know when they began, and facts their UTC offset; kept rooms have a deadline by the monotonic clock.

    When a channel of that time began is not known: it keeps all the past of its name.
    """
    (started, utc_offset, wall, mono), wording, hub, attached, groups, rest = values
    counts, sessions, channels, dormant, receipts = hub
    hub = (
        counts,
        sessions,
        [_channel_4(channel) for channel in channels],
        [(mono + min(max(0, until * 1000 - wall), _DORMANT_MS), _channel_4(channel)) for until, channel in dormant],
        receipts,
    )
    attached = [(*others, None if asked is None else _question_4(*asked)) for *others, asked in attached]
    *others, facts = rest
    rest = (*others, [(*fact, utc_offset) for fact in facts])
    return (started, utc_offset, wall, mono), wording, hub, attached, groups, rest


def _channel_4(channel: Values) -> Values:
    (bans, created, flags, folded, key, limit, name, *topic), members = channel
    return (bans, created, flags, folded, key, limit, name, 0, *topic), members


def _question_4(kind: str, about: Any, since: int) -> Values:
    if kind != "history":
        return kind, about
    room, number, limit = about
    return kind, (room, max(number, since, 0), limit, number < 0)


UPGRADES: dict[int, Callable[[Values], Values]] = {3: _to_4}
