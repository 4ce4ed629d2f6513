"""Who hears what: channels -> groups of connections, events -> bytes, made once for all who read the same.

A group is a channel's members on one worker who want the same bytes. What a whole group gets is one item ("cast"); what
one connection gets is another ("send").
"""

from __future__ import annotations

from mpchat.chat.channels import Channel
from mpchat.chat.events import (
    AccountSet,
    ActsAsOperator,
    AwaySet,
    Event,
    Invited,
    InviteSeen,
    Joined,
    Kicked,
    Left,
    ModesSet,
    Parted,
    RealnameSet,
    Regained,
    Renamed,
    Said,
    TagsSent,
    TopicSet,
    Wallops,
)
from mpchat.chat.sessions import Session
from mpchat.messages import ConnectionId, Item
from mpchat.protocol.capabilities import ECHO_MESSAGE
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.dialect import OF_PROFILE
from mpchat.protocol.labels import under_label

NOT_EXCLUDED = ConnectionId(0)

Groups = dict[tuple[int, int], list[int]]  # by worker and wire profile: the group's number, how many members


class Routing:
    """Of one core, for one run of the server.

    items   by worker: what follows for it, until the core hands it over
    groups  by channel; a channel without members has none
    labelled  whose labelled line is being dealt with now, if anybody's is
    answer  what it is told meanwhile that answers this line, and has not been released
    """

    def __init__(self, context: Context, workers: int) -> None:
        self.context = context
        self.connections: dict[ConnectionId, Connection] = {}
        self.groups: dict[Channel, Groups] = {}
        self.last_group = 0
        self.items: list[list[Item]] = [[] for _ in range(workers)]
        self.labelled: Connection | None = None
        self.answer: list[bytes] = []

    def send(self, connection: Connection, lines: list[bytes]) -> None:
        """Lines of an answer, to the connection alone."""
        data = connection.dialect.stamp(self.context, connection.profile, lines)
        if connection is self.labelled:
            self.answer.append(data)
        else:
            self.items[connection.worker].append(("send", connection.id, data))

    def release(self, connection: Connection, is_whole: bool) -> None:
        """Send what has come of the answer to its labelled line, which is the last of it if that `is_whole`."""
        lines, self.answer = b"".join(self.answer).splitlines(keepends=True), []
        if data := under_label(self.context, connection, lines, is_whole):
            self.items[connection.worker].append(("send", connection.id, data))
        if is_whole:
            connection.label, self.labelled = "", None

    def publish(self, event: Event) -> None:
        """Deliver an event, but speech, to its audience, and let it change groups."""
        match event:
            case TagsSent():
                self._publish_tags(event)
            case Joined():
                self.join(self.connections[event.by.id], event.channel)
                self.cast([event.channel], event)
                if event.by.away:
                    self.publish(AwaySet(event.by, [event.channel]))
            case Parted():
                self.cast([event.channel], event)
                self.leave(self.connections[event.by.id], event.channel)
            case Kicked():
                self.cast([event.channel], event)
                self.leave(self.connections[event.whom.id], event.channel)
            case Renamed() | AccountSet() | RealnameSet():
                if event.channels:
                    self.cast(event.channels, event)
                else:
                    self.echo(event, {})
            case Left():
                self.cast(event.channels, event, event.by.id)
                for channel in event.channels:
                    self.leave(self.connections[event.by.id], channel)
            case Invited():
                self.tell(event.whom, event, {})
                self.publish(InviteSeen(event.by, event.whom, event.channel))
            case InviteSeen():
                self.cast([event.channel], event, event.by.id)
            case AwaySet():
                self.cast(event.channels, event, event.by.id)
            case Wallops():
                rendered: dict[int, bytes] = {}
                for session in [who for who in self.context.hub.people() if who.wallops]:
                    if session is event.by:
                        self.echo(event, rendered)
                    else:
                        self.tell(session, event, rendered)
            case Regained() | TopicSet() | ModesSet() | ActsAsOperator():
                self.cast([event.channel], event)
            case Said():
                raise TypeError("speech is delivered by Core")

    def _publish_tags(self, event: TagsSent) -> None:
        """To all who would hear a message, if their clients know tags."""
        rendered: dict[int, bytes] = {}
        sender = event.by.id
        if isinstance(event.to, Session):
            self.tell(event.to, event, rendered)
        else:
            self.cast_one(event.to, event, sender, rendered)
        if self.connections[sender].capabilities & ECHO_MESSAGE:
            self.echo(event, rendered)

    def cast(self, channels: list[Channel], event: Event, exclude: ConnectionId = NOT_EXCLUDED) -> None:
        """To everybody on any of these channels once: one item for each worker and wire profile that reads it."""
        rendered: dict[int, bytes] = {}
        if self.labelled is not None and exclude != self.labelled.id:
            exclude = self._cast_to_labelled(self.labelled, channels, event, exclude, rendered)
        if len(channels) == 1:
            self.cast_one(channels[0], event, exclude, rendered)
            return
        together: dict[tuple[int, int], tuple[int, ...]] = {}
        for channel in channels:
            for place, (group, _) in self.groups.get(channel, {}).items():
                together[place] = (*together.get(place, ()), group)
        for (worker, profile), groups in together.items():
            if data := rendered.get(profile) or self._render(event, profile, rendered):
                self.items[worker].append(("cast", groups, data, exclude))

    def cast_one(self, channel: Channel, event: Event, exclude: ConnectionId, rendered: dict[int, bytes]) -> None:
        """The same to one channel, which may be empty: the lobby, or one that its last member is leaving."""
        groups = self.groups.get(channel)
        if groups is not None:
            for (worker, profile), (group, _) in groups.items():
                if data := rendered.get(profile) or self._render(event, profile, rendered):
                    self.items[worker].append(("cast", (group,), data, exclude))

    def _cast_to_labelled(
        self,
        connection: Connection,
        channels: list[Channel],
        event: Event,
        exclude: ConnectionId,
        rendered: dict[int, bytes],
    ) -> ConnectionId:
        """What the one reads of a cast whose labelled line it follows from. Returns whom the cast leaves out then.

        What they do themselves answers their line, if they are there to read it. What others do in consequence answers
        nothing; they read it with their group, and in its place among their answers.
        """
        me, is_mine = connection.session, event.by is connection.session
        is_leaving = isinstance(event, Parted) or (isinstance(event, Kicked) and event.whom is me)
        is_member = any(me in channel.members for channel in channels)
        if is_mine and (is_member or is_leaving):
            self.echo(event, rendered)
            return connection.id
        if is_mine or is_member:
            self.release(connection, is_whole=False)
        return exclude

    def echo(self, event: Event, rendered: dict[int, bytes]) -> None:
        """To the one alone who has done it, in answer to their line."""
        to = self.connections[event.by.id]
        data = rendered.get(to.profile) or self._render(event, to.profile, rendered)
        if not data:
            return
        if to is self.labelled:
            self.answer.append(data)
        else:
            self.items[to.worker].append(("send", to.id, data))

    def tell(self, session: Session, event: Event, rendered: dict[int, bytes]) -> None:
        """To one person alone, as any other would get it: if it is their own message to themselves, it is no answer."""
        to = self.connections[session.id]
        if data := rendered.get(to.profile) or self._render(event, to.profile, rendered):
            if to is self.labelled:
                self.release(to, is_whole=False)
            self.items[to.worker].append(("send", to.id, data))

    def _render(self, event: Event, profile: int, rendered: dict[int, bytes]) -> bytes:
        """An event's bytes for a wire profile, made for the first of all who read the same of it."""
        dialect = OF_PROFILE[profile]
        like = dialect.alike(event, profile)
        data = rendered.get(like)
        if data is None:
            data = rendered[like] = dialect.render(self.context, event, like)
        rendered[profile] = data
        return data

    # Groups

    def join(self, connection: Connection, channel: Channel) -> None:
        groups = self.groups.setdefault(channel, {})
        group = groups.get((connection.worker, connection.profile))
        if group is None:
            self.last_group += 1
            group = groups[connection.worker, connection.profile] = [self.last_group, 0]
        group[1] += 1
        self.items[connection.worker].append(("join", group[0], connection.id))

    def leave(self, connection: Connection, channel: Channel) -> None:
        groups = self.groups[channel]
        group = groups[connection.worker, connection.profile]
        group[1] -= 1
        self.items[connection.worker].append(("leave", group[0], connection.id))
        if not group[1]:
            del groups[connection.worker, connection.profile]
            if not groups:
                del self.groups[channel]

    def regroup(self, connection: Connection) -> None:
        """Its capabilities have changed: it moves between groups, in the stream like everything else."""
        profile = connection.dialect.profile(connection.capabilities)
        if profile == connection.profile:
            return
        channels = list(connection.session.channels.values())
        for channel in channels:
            self.leave(connection, channel)
        connection.profile = profile
        for channel in channels:
            self.join(connection, channel)
