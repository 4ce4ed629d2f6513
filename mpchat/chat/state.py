"""The chat's state as plain values, and back: its part of a snapshot. Sessions are named by number, channels by name.

Plain, because sessions and channels refer to each other: pickle would follow the references until its stack overflows.
"""

from __future__ import annotations

from collections import deque
from operator import attrgetter
from typing import Any

from mpchat.chat.accounts import Values as AccountsValues
from mpchat.chat.bans import Values as BansValues
from mpchat.chat.channels import Channel, Past
from mpchat.chat.hub import Hub
from mpchat.chat.read_markers import Values as MarkersValues
from mpchat.chat.resumption import Values as ResumptionValues
from mpchat.chat.sessions import Invitation, Session
from mpchat.messages import ConnectionId
from mpchat.settings import ChatSettings

Values = tuple[object, ...]  # of one object: those of its attributes
# and its members with their rights, and what those may read of the past who may not read everything
ChannelValues = tuple[Values, list[tuple[ConnectionId, int]], list[tuple[ConnectionId, Past]]]
SessionValues = tuple[Values, list[str], list[tuple[str, bool, int | None]]]  # and its channels, and its invitations
Kept = tuple[str, dict[int, int]]  # as the deduplication has it
Removed = dict[tuple[str, str], int]  # as the hub has them
# the hub's own attributes, the first of them a list; its sessions; its channels; those asleep, and until when; what was
# said before; resume tokens; who was killed; who is banned from the server; accounts; up to where these have read, and
# sessions without one
HubValues = tuple[
    Any,
    list[SessionValues],
    list[ChannelValues],
    list[tuple[int, ChannelValues]],
    list[Kept],
    ResumptionValues,
    Removed,
    BansValues,
    AccountsValues,
    tuple[MarkersValues, MarkersValues],
]

# The layout of the values: a change here must raise core.machine.STATE_VERSION. Attributes that refer to other objects
# (channels, invitations, members, past) are not among them.
_SESSION = (
    *("away", "registered", "host", "id", "invisible", "nick", "operator", "order", "prefix", "realname"),
    *("signed_on", "spoke_at", "user", "wallops", "secure", "account", "operator_by", "bot"),
)
_CHANNEL = (
    *("bans", "created", "creation", "flags", "folded", "key", "limit", "name", "opened", "order", "orphaned", "since"),
    *("topic", "topic_at", "topic_by", "exceptions", "invite_exceptions"),
)
_HUB = (
    *("departed", "born", "said", "arrivals", "departures", "registered", "invisible", "operators", "most"),
    "creations",
)
_of_session, _of_channel, _of_hub = attrgetter(*_SESSION), attrgetter(*_CHANNEL), attrgetter(*_HUB)


def hub_values(hub: Hub) -> HubValues:
    """Everything in the hub but its settings, in its order."""
    departed, *counts = _of_hub(hub)
    return (
        (list(departed), *counts),
        [
            (
                _of_session(session),
                list(session.channels),
                [
                    (each.channel.folded, each.opens, each.since)
                    for each in session.invitations
                    if hub.exists(each.channel)
                ],
            )
            for session in hub.sessions.values()
        ],
        [_channel_values(channel) for channel in hub.channels.values()],
        [(until, _channel_values(channel)) for until, channel in hub.dormant.values()],
        hub.deduplication.values(),
        hub.resumption.values(),
        hub.removed,
        hub.bans.values(),
        hub.accounts.values(),
        (hub.read_markers.values(), hub.own_markers.values()),
    )


def hub_of(settings: ChatSettings, values: HubValues) -> Hub:
    """The inverse of hub_values()."""
    (departed, *counts), sessions, channels, dormant, deduplication, resumption, removed, bans, accounts, markers = (
        values
    )
    hub = Hub(settings, 0)
    hub.removed = removed
    hub.bans.load(bans)
    hub.accounts.load(accounts)
    _fill(hub, _HUB, (deque(departed, hub.departed.maxlen), *counts))
    for own, _, _ in sessions:
        session = _fill(Session.__new__(Session), _SESSION, own)
        hub.sessions[session.id] = session
        hub.own(session)
        if session.nick:
            hub.hold(session)
    hub.channels = {channel.folded: channel for channel in (_channel_of(hub, kept) for kept in channels)}
    asleep = [(until, _channel_of(hub, kept)) for until, kept in dormant]
    hub.dormant = {channel.folded: (until, channel) for until, channel in asleep}
    existing = {name: channel for name, (_, channel) in hub.dormant.items()} | hub.channels
    for session, (_, joined, invitations) in zip(hub.sessions.values(), sessions, strict=True):
        session.channels = {name: hub.channels[name] for name in joined}
        session.invitations = [Invitation(existing[name], opens, since) for name, opens, since in invitations]
    hub.deduplication.load(deduplication)
    hub.resumption.load(resumption)
    of_accounts, of_others = markers
    hub.read_markers.load(of_accounts)
    hub.own_markers.load(of_others)
    return hub


def _channel_values(channel: Channel) -> ChannelValues:
    members = [(member.id, rights) for member, rights in channel.members.items()]
    return _of_channel(channel), members, [(member.id, past) for member, past in channel.past.items()]


def _channel_of(hub: Hub, values: ChannelValues) -> Channel:
    own, members, past = values
    channel: Channel = _fill(Channel.__new__(Channel), _CHANNEL, own)
    channel.members = {hub.sessions[id]: rights for id, rights in members}
    channel.past = {hub.sessions[id]: of_member for id, of_member in past}
    return channel


def _fill(thing: Any, names: tuple[str, ...], values: Values) -> Any:
    for name, value in zip(names, values, strict=True):
        setattr(thing, name, value)
    return thing
