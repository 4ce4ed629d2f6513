"""What a client can ask the server about itself: 005 MOTD LUSERS VERSION TIME ADMIN INFO LINKS HELP
(RFC 2812 section 3.4, Modern IRC: RPL_ISUPPORT)."""

from mpchat.chat.names import fold, matches
from mpchat.protocol import numerics as n
from mpchat.protocol.clock import date
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.history import MOST_ROWS
from mpchat.protocol.irc.commands import Command, Continuation, Handler
from mpchat.protocol.irc.refusing import middle
from mpchat.protocol.outcomes import DrainAsked, Outcomes
from mpchat.protocol.room_modes import lists

_TOKENS_A_LINE = 13  # with the nickname and the text, RFC 2812's fifteen parameters


def isupport(context: Context, connection: Connection) -> Outcomes:
    w = context.settings
    masks = lists(w.level)
    tokens = [
        "CASEMAPPING=ascii",
        "CHANTYPES=#",
        "PREFIX=(ov)@+",
        f"CHANMODES={masks},k,l,imnst",
        f"NETWORK={_value(w.network)}",
        f"NICKLEN={w.nick_bytes}",
        f"USERLEN={w.user_bytes}",
        f"CHANNELLEN={w.channel_bytes}",
        f"TOPICLEN={w.topic_bytes}",
        f"KICKLEN={w.reason_bytes}",
        f"AWAYLEN={w.reason_bytes}",
        f"KEYLEN={w.key_bytes}",
        f"CHANLIMIT=#:{w.channels_per_client}",
        f"MAXLIST={masks}:{w.bans_per_channel}",
        f"MODES={w.mode_changes}",
        f"TARGMAX=JOIN:,KICK:,NOTICE:{w.targets},PART:,PRIVMSG:{w.targets},TAGMSG:{w.targets}",
        f"CHATHISTORY={MOST_ROWS}",
        "MSGREFTYPES=msgid,timestamp" if w.level >= 4 else "MSGREFTYPES=msgid",
    ]
    if w.level >= 4:
        tokens += ["BOT=B", "ELIST=CMNTU", "EXCEPTS=e", "INVEX=I", f"NAMELEN={w.realname_bytes}", "UTF8ONLY", "WHOX"]
    for start in range(0, len(tokens), _TOKENS_A_LINE):
        line = tokens[start : start + _TOKENS_A_LINE]
        yield context.reply(connection, n.ISUPPORT, *line, "are supported by this server")


def _value(text: str) -> str:
    """Text as the value of a token, which holds no second "=" (Modern IRC: RPL_ISUPPORT)."""
    return text.replace("\\", "\\x5C").replace("=", "\\x3D").replace(" ", "\\x20")


def is_this_server(context: Context, target: str) -> bool:
    """A server may be named by a mask, or by somebody who is on it (RFC 2812 section 3.4)."""
    there = context.hub.nicks.get(fold(target))
    return matches(target, context.settings.name) or (there is not None and there.registered)


def for_this_server(run: Handler) -> Handler:
    """Commands that may name a server: any other than this one is not known (402)."""

    def checked(context: Context, connection: Connection, params: list[str]) -> Outcomes:
        if params and params[0] and not is_this_server(context, params[0]):
            yield context.reply(connection, n.NOSUCHSERVER, middle(params[0]), "No such server")
        else:
            yield from run(context, connection, params)

    return checked


def motd(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    if not context.settings.motd:
        yield context.reply(connection, n.NOMOTD, "MOTD File is missing")
        return
    yield context.reply(connection, n.MOTDSTART, f"- {context.settings.name} Message of the day -")
    yield from _motd(context, connection, 0)


def _motd(context: Context, connection: Connection, start: int) -> Outcomes:
    for place, line in enumerate(context.settings.motd[start:], start + 1):
        yield context.reply(connection, n.MOTD, f"- {line}")
        yield DrainAsked(("motd", place))
    yield context.reply(connection, n.ENDOFMOTD, "End of /MOTD command")


def lusers(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    hub = context.hub
    here, most = str(hub.registered), str(hub.most)
    channels = sum(1 for channel in hub.channels.values() if channel.members)
    seen = hub.registered - hub.invisible
    yield context.reply(connection, n.LUSERCLIENT, f"There are {seen} users and {hub.invisible} invisible on 1 servers")
    yield context.reply(connection, n.LUSEROP, str(hub.operators), "operator(s) online")
    yield context.reply(connection, n.LUSERUNKNOWN, str(len(hub.sessions) - hub.registered), "unknown connection(s)")
    yield context.reply(connection, n.LUSERCHANNELS, str(channels), "channels formed")
    yield context.reply(connection, n.LUSERME, f"I have {here} clients and 0 servers")
    yield context.reply(connection, n.LOCALUSERS, here, most, f"Current local users {here}, max {most}")
    yield context.reply(connection, n.GLOBALUSERS, here, most, f"Current global users {here}, max {most}")


def version(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    w = context.settings
    yield context.reply(connection, n.VERSION, w.version.replace(" ", "-") + ".", w.name, w.description)
    yield from isupport(context, connection)


def time(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    yield context.reply(connection, n.TIME, context.settings.name, date(context.wall, context.utc_offset))


def admin(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    w = context.settings
    yield context.reply(connection, n.ADMINME, w.name, "Administrative info")
    yield context.reply(connection, n.ADMINLOC1, w.network)
    yield context.reply(connection, n.ADMINLOC2, w.description)
    yield context.reply(connection, n.ADMINEMAIL, "Ask whoever runs this server")


def info(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    w = context.settings
    for line in (
        f"{w.version}: {w.description}",
        "An acceptor hands each connection to a worker; a broker decides; queues join them.",
        f"Running since {date(context.started * 1000)}",
    ):
        yield context.reply(connection, n.INFO, line)
    yield context.reply(connection, n.ENDOFINFO, "End of INFO list")


def links(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    """LINKS [[server] mask]: a mask that fits no server is no error, its list is empty (RFC 2812 section 3.4.5)."""
    w = context.settings
    if len(params) > 1 and not is_this_server(context, params[0]):
        yield context.reply(connection, n.NOSUCHSERVER, middle(params[0]), "No such server")
        return
    mask = middle(params[min(len(params), 2) - 1] if params else "*")
    if matches(mask, w.name):
        yield context.reply(connection, n.LINKS, w.name, w.name, f"0 {w.description}")
    yield context.reply(connection, n.ENDOFLINKS, mask, "End of LINKS list")


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
