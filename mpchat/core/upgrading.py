"""A state that an older version of this program dumped, made into one of this version's: a function for each step.

Each step is tested with what a program of its version wrote (tests/data). A state holds what a run of the server had in
it; the next run inherits that, so a step must keep what outlives a run, and be able to apply the records behind it.
"""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, TypeAlias

Values: TypeAlias = Any  # a tuple, laid out as some version did: of that, types know nothing

_DORMANT_MS = 24 * 3600 * 1000


def upgraded(version: int, values: Values) -> Values:
    """The values of a dump of this version as this program's own dump() would have them."""
    while version in UPGRADES:
        values = UPGRADES[version](values)
        version += 1
    return values


def _to_4(values: Values) -> Values:
    """Channels know when they began, and facts their UTC offset; kept rooms have a deadline by the monotonic clock.

    All have their place in the order in which they came; a long answer can wait for its client.

    When a channel of that time began is not known: it keeps all the past of its name.
    """
    (started, utc_offset, wall, mono), settings, hub, connections, groups, rest = values
    (departed, born, said, *counts), sessions, channels, dormant, deduplication = hub
    hub = (
        (departed, born, said, len(channels) + len(sessions), len(departed), *counts),
        [((*own[:7], order, *own[7:]), *others) for order, (own, *others) in enumerate(sessions, len(channels) + 1)],
        [_channel_4(channel, order) for order, channel in enumerate(channels)],
        [(mono + min(max(0, until * 1000 - wall), _DORMANT_MS), _channel_4(channel, 0)) for until, channel in dormant],
        deduplication,
    )
    connections = [
        (_connection_4(*own), *others, None if asked is None else _question_4(*asked))
        for own, *others, asked in connections
    ]
    *others, facts = rest
    rest = (*others, [(*fact, utc_offset) for fact in facts])
    return (started, utc_offset, wall, mono), settings, hub, connections, groups, rest


def _connection_4(*own: Any) -> Values:
    """It has neither waited for its client yet nor been given much; and is not leaving."""
    return *own[:5], 0, 0, *own[5:7], "", *own[7:]


def _channel_4(channel: Values, order: int) -> Values:
    (bans, created, flags, folded, key, limit, name, *topic), members = channel
    return (bans, created, flags, folded, key, limit, name, order, 0, *topic), members


def _question_4(kind: str, about: Any, since: int) -> Values:
    if kind != "history":
        return kind, about
    room, number, limit = about
    return kind, (room, max(number, since, 0), limit, number < 0)


def _to_5(values: Values) -> Values:
    """A connection has its dialect's name, and its capabilities once."""
    times, settings, hub, connections, groups, rest = values
    connections = [(own, dialect_name(is_plain), *others) for own, (is_plain, _), *others in connections]
    return times, settings, hub, connections, groups, rest


def _to_6(values: Values) -> Values:
    """Channels are told apart by a number; what a server operator has done to one is known; there are resume tokens,
    though none yet; passwords are counted, and those who were killed are kept out.

    In a run of before, server operators had no power over channels, and all their members may read everything.
    """
    times, settings, hub, connections, groups, (*others, facts) = values
    own, sessions, channels, dormant, deduplication = hub
    creations = count(1)
    sessions = [(each, joined, [(name, True, 0) for name in invitations]) for each, joined, invitations in sessions]
    channels = [_channel_6(channel, creations) for channel in channels]
    dormant = [(until, _channel_6(channel, creations)) for until, channel in dormant]
    hub = (*own, next(creations)), sessions, channels, dormant, deduplication, ([], []), {}
    connections = [
        ((*own, 0), dialect, None if registration is None else (*registration[:3], ("", ""), *registration[3:]), asked)
        for own, dialect, registration, asked in connections
    ]
    return times, settings, hub, connections, groups, (*others, facts, ([], [], 0))


def _channel_6(channel: Values, creations: Iterator[int]) -> Values:
    """The lobby is the same one in each run."""
    (bans, created, flags, folded, key, limit, name, order, since, *topic), members = channel
    creation = 0 if name == "#lobby" else next(creations)
    return (bans, created, creation, flags, folded, key, limit, name, "", order, False, since, *topic), members, []


def _to_7(values: Values) -> Values:
    """Changes of nicknames are counted, and operators can ban from the whole server: neither has happened yet."""
    times, settings, hub, connections, groups, rest = values
    connections = [((*own[:14], 0, *own[14:]), *others) for own, *others in connections]
    return times, settings, (*hub, (0, [], [])), connections, groups, rest


def _to_8(values: Values) -> Values:
    """A session knows whether it came by TLS, which there was not; and there are accounts, though none yet."""
    times, settings, (own, sessions, *others), connections, groups, rest = values
    sessions = [((*each, False, "", ""), *of_session) for each, *of_session in sessions]
    channels, dormant, deduplication, (tokens, lost), *others = others
    lost = [(token, (*each, "")) for token, each in lost]
    hub = own, sessions, channels, dormant, deduplication, (tokens, lost), *others, ([], ())
    connections = [
        ((*own, ("", False), 0), dialect, None if registration is None else (*registration, ""), asked)
        for own, dialect, registration, asked in connections
    ]
    return times, settings, hub, connections, groups, (*rest, [], ([], [], [], []))


def _to_9(values: Values) -> Values:
    """No line had a label; what is asked about the past has a part of it, and bounds; there were no exceptions in
    channels, no read markers, and no bots.
    """
    times, settings, hub, connections, groups, rest = values
    connections = [
        ((*own, "", False), *others, None if asked is None else question_9(*asked))
        for own, *others, asked in connections
    ]
    return times, settings, _hub_9(*hub), connections, groups, rest


def question_9(kind: str, about: Any) -> Values:
    """A question of a state before version 9, as dump_asked() has it, as it is there from then on."""
    if kind in ("history", "notices"):
        room, number, limit, is_latest = about
        return kind, (room, number, "LATEST" if is_latest else "AFTER", (), limit)
    if kind == "earlier":
        room, number, before, limit = about
        return "history", (room, number, "BEFORE", (("message", before),), limit)
    return kind, about


def _hub_9(own: Values, sessions: Values, channels: Values, dormant: Values, *others: Any) -> Values:
    sessions = [((*each, False), *of_session) for each, *of_session in sessions]
    channels = [_channel_9(channel) for channel in channels]
    dormant = [(until, _channel_9(channel)) for until, channel in dormant]
    return own, sessions, channels, dormant, *others, ([], [])


def _channel_9(channel: Values) -> Values:
    own, *others = channel
    return (*own, {}, {}), *others


def dialect_name(value: str | bool) -> str:
    """A dialect's name, as messages have it. In states before version 5, and in their journals: is it plain text?"""
    if isinstance(value, bool):
        return "plain" if value else "irc"
    return value


UPGRADES: dict[int, Callable[[Values], Values]] = {3: _to_4, 4: _to_5, 5: _to_6, 6: _to_7, 7: _to_8, 8: _to_9}
