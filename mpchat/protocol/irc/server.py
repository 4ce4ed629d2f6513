"""What a client can ask the server about itself: 005 MOTD LUSERS VERSION TIME ADMIN INFO LINKS HELP
(RFC 2812 section 3.4, Modern IRC: RPL_ISUPPORT)."""

from mpchat.chat.names import fold, matches
from mpchat.protocol import numerics as n
from mpchat.protocol.clock import date
from mpchat.protocol.desk import DRAIN, Desk, Outcomes, Peer, Question
from mpchat.protocol.irc.commands import Command, Continuation, Handler
from mpchat.protocol.irc.refusing import middle
from mpchat.protocol.past import MOST_ROWS

_TOKENS_A_LINE = 13  # with the nickname and the text, RFC 2812's fifteen parameters


def isupport(desk: Desk, peer: Peer) -> Outcomes:
    w = desk.wording
    tokens = [
        "CASEMAPPING=ascii",
        "CHANTYPES=#",
        "PREFIX=(ov)@+",
        "CHANMODES=b,k,l,imnst",
        f"NETWORK={_value(w.network)}",
        f"NICKLEN={w.nick_bytes}",
        f"USERLEN={w.user_bytes}",
        f"CHANNELLEN={w.channel_bytes}",
        f"TOPICLEN={w.topic_bytes}",
        f"KICKLEN={w.reason_bytes}",
        f"AWAYLEN={w.reason_bytes}",
        f"KEYLEN={w.key_bytes}",
        f"CHANLIMIT=#:{w.channels_per_client}",
        f"MAXLIST=b:{w.bans_per_channel}",
        f"MODES={w.mode_changes}",
        f"TARGMAX=JOIN:,KICK:,NOTICE:{w.targets},PART:,PRIVMSG:{w.targets},TAGMSG:{w.targets}",
        f"CHATHISTORY={MOST_ROWS}",
        "MSGREFTYPES=msgid",
    ]
    for start in range(0, len(tokens), _TOKENS_A_LINE):
        line = tokens[start : start + _TOKENS_A_LINE]
        yield desk.reply(peer, n.ISUPPORT, *line, "are supported by this server")


def _value(text: str) -> str:
    """Text as the value of a token, which holds no second "=" (Modern IRC: RPL_ISUPPORT)."""
    return text.replace("\\", "\\x5C").replace("=", "\\x3D").replace(" ", "\\x20")


def is_this_server(desk: Desk, target: str) -> bool:
    """A server may be named by a mask, or by somebody who is on it (RFC 2812 section 3.4)."""
    there = desk.hub.nicks.get(fold(target))
    return matches(target, desk.wording.name) or (there is not None and there.entered)


def for_this_server(run: Handler) -> Handler:
    """Commands that may name a server: any other than this one is not known (402)."""

    def checked(desk: Desk, peer: Peer, params: list[str]) -> Outcomes:
        if params and params[0] and not is_this_server(desk, params[0]):
            yield desk.reply(peer, n.NOSUCHSERVER, middle(params[0]), "No such server")
        else:
            yield from run(desk, peer, params)

    return checked


def motd(desk: Desk, peer: Peer, params: list[str]) -> Outcomes:
    if not desk.wording.motd:
        yield desk.reply(peer, n.NOMOTD, "MOTD File is missing")
        return
    yield desk.reply(peer, n.MOTDSTART, f"- {desk.wording.name} Message of the day -")
    yield from _motd(desk, peer, 0)


def _motd(desk: Desk, peer: Peer, start: int) -> Outcomes:
    for place, line in enumerate(desk.wording.motd[start:], start + 1):
        yield desk.reply(peer, n.MOTD, f"- {line}")
        yield Question(DRAIN, ("motd", place))
    yield desk.reply(peer, n.ENDOFMOTD, "End of /MOTD command")


def lusers(desk: Desk, peer: Peer, params: list[str]) -> Outcomes:
    hub = desk.hub
    here, most = str(hub.entered), str(hub.most)
    channels = sum(1 for channel in hub.channels.values() if channel.members)
    seen = hub.entered - hub.invisible
    yield desk.reply(peer, n.LUSERCLIENT, f"There are {seen} users and {hub.invisible} invisible on 1 servers")
    yield desk.reply(peer, n.LUSEROP, str(hub.operators), "operator(s) online")
    yield desk.reply(peer, n.LUSERUNKNOWN, str(len(hub.sessions) - hub.entered), "unknown connection(s)")
    yield desk.reply(peer, n.LUSERCHANNELS, str(channels), "channels formed")
    yield desk.reply(peer, n.LUSERME, f"I have {here} clients and 0 servers")
    yield desk.reply(peer, n.LOCALUSERS, here, most, f"Current local users {here}, max {most}")
    yield desk.reply(peer, n.GLOBALUSERS, here, most, f"Current global users {here}, max {most}")


def version(desk: Desk, peer: Peer, params: list[str]) -> Outcomes:
    w = desk.wording
    yield desk.reply(peer, n.VERSION, w.version.replace(" ", "-") + ".", w.name, w.description)
    yield from isupport(desk, peer)


def time(desk: Desk, peer: Peer, params: list[str]) -> Outcomes:
    yield desk.reply(peer, n.TIME, desk.wording.name, date(desk.wall, desk.utc_offset))


def admin(desk: Desk, peer: Peer, params: list[str]) -> Outcomes:
    w = desk.wording
    yield desk.reply(peer, n.ADMINME, w.name, "Administrative info")
    yield desk.reply(peer, n.ADMINLOC1, w.network)
    yield desk.reply(peer, n.ADMINLOC2, w.description)
    yield desk.reply(peer, n.ADMINEMAIL, "Ask whoever runs this server")


def info(desk: Desk, peer: Peer, params: list[str]) -> Outcomes:
    w = desk.wording
    for line in (
        f"{w.version}: {w.description}",
        "An acceptor hands each connection to a worker; a broker decides; queues join them.",
        f"Running since {date(desk.started * 1000)}",
    ):
        yield desk.reply(peer, n.INFO, line)
    yield desk.reply(peer, n.ENDOFINFO, "End of INFO list")


def links(desk: Desk, peer: Peer, params: list[str]) -> Outcomes:
    """LINKS [[server] mask]: a mask that fits no server is no error, its list is empty (RFC 2812 section 3.4.5)."""
    w = desk.wording
    if len(params) > 1 and not is_this_server(desk, params[0]):
        yield desk.reply(peer, n.NOSUCHSERVER, middle(params[0]), "No such server")
        return
    mask = middle(params[min(len(params), 2) - 1] if params else "*")
    if matches(mask, w.name):
        yield desk.reply(peer, n.LINKS, w.name, w.name, f"0 {w.description}")
    yield desk.reply(peer, n.ENDOFLINKS, mask, "End of LINKS list")


GO_ON: dict[str, Continuation] = {"motd": _motd}
COMMANDS = {
    "ADMIN": Command(for_this_server(admin)),
    "INFO": Command(for_this_server(info)),
    "LINKS": Command(links),
    "LUSERS": Command(lusers),
    "MOTD": Command(for_this_server(motd)),
    "TIME": Command(for_this_server(time)),
    "VERSION": Command(for_this_server(version)),
}
