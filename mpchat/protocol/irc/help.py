"""HELP (numerics 704 to 706, and 524 for what nobody can help with)."""

from mpchat.protocol import numerics as n
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.irc.commands import Command
from mpchat.protocol.irc.refusing import middle
from mpchat.protocol.outcomes import Outcomes

_TOPICS = {
    "": (
        "Join a channel, then just speak: your client turns what you type into commands.",
        "Each command has its own help: HELP JOIN, for example.",
        "ADMIN AWAY CAP CHATHISTORY HELP INFO INVITE ISON JOIN KICK KILL LINKS LIST LUSERS MODE MOTD NAMES NICK",
        "NOTICE OPER PART PASS PING PONG PRIVMSG QUIT SEARCH TAGMSG TIME TOPIC USER USERHOST VERSION WALLOPS WHO WHOIS"
        " WHOWAS",
        "More: HELP MODES",
    ),
    "MODES": (
        "+i invite only   +m only +v and +o speak   +n no messages from outside   +s hidden   +t topic by operators",
        "+k key   +l limit   +b nick!user@host banned (* and ? match)   +o nick operator   +v nick voice",
        "MODE your-nick +i hides you from strangers, +w shows you operators' announcements",
    ),
    "ADMIN": ("ADMIN: who runs this server",),
    "AWAY": ("AWAY :text: what those who write to you are told; without a text you are back",),
    "CAP": ("CAP LS 302 | LIST | REQ :names | END: IRCv3 capabilities, by name",),
    "CHATHISTORY": (
        "CHATHISTORY LATEST #channel * limit: what was said last in a channel that you are on",
        "CHATHISTORY LATEST|AFTER #channel msgid=id limit: the last of it, or the first, behind that message",
        "CHATHISTORY BEFORE #channel msgid=id limit: the last of it before that message",
        "Without that: a message to the nickname history, such as #channel 50",
    ),
    "HELP": ("HELP [subject]",),
    "INFO": ("INFO: about this server",),
    "INVITE": ("INVITE nick #channel: lets them in through +i and +l, if an operator says it",),
    "ISON": ("ISON nick nick ...: which of them are here",),
    "JOIN": ("JOIN #channel,#channel [key,key]: come in, and create what is not there yet; JOIN 0 leaves all",),
    "KICK": ("KICK #channel nick,nick [:why]: for channel operators",),
    "KILL": ("KILL nick :why: ends a connection, for server operators; that nick stays out for half a minute",),
    "LINKS": ("LINKS: the servers of this network",),
    "LIST": ("LIST [#channel,#channel]: channels, how many are there, and their topics",),
    "LUSERS": ("LUSERS: how many people and channels there are",),
    "MODE": ("MODE #channel [changes values], MODE your-nick [changes]: see HELP MODES",),
    "MOTD": ("MOTD: the message of the day",),
    "NAMES": ("NAMES #channel: who is there",),
    "NICK": ("NICK name: be called that",),
    "NOTICE": ("NOTICE nick-or-#channel :text: like PRIVMSG, but never answered by a machine",),
    "OPER": (
        "OPER name password: become a server operator, who may MODE, TOPIC, KICK and INVITE in any channel (in #lobby:",
        "KICK, TOPIC, +m, +b, +v), in sight of its members; and comes into a +i, +k or +s one when a member invites",
    ),
    "PART": ("PART #channel,#channel [:why]",),
    "PASS": ("PASS password: before NICK and USER, if the server has one",),
    "PING": ("PING text: answered with PONG and the same text, after everything you asked before",),
    "PONG": ("PONG text: the answer to the server's PING",),
    "PRIVMSG": ("PRIVMSG nick-or-#channel,... :text: say it",),
    "QUIT": ("QUIT [:text]: leave",),
    "SEARCH": (
        "SEARCH in=#channel;text=word\\sword;from=nick;limit=50: what was said with these words where you are (each is",
        "optional; after= and before= take times such as 2026-01-31T12:00:00.000Z); with the capability soju.im/search",
    ),
    "RESUME": ("RESUME last-or-* next, with the capability mpchat.org/resume: back where a lost connection was",),
    "TAGMSG": ("TAGMSG nick-or-#channel,...: only its tags, for clients that know message-tags",),
    "TIME": ("TIME: what the server's clock shows",),
    "TOPIC": ("TOPIC #channel [:text]: see it or set it; an empty text clears it",),
    "USER": ("USER name 0 * :real name: once, with NICK, to come in",),
    "USERHOST": ("USERHOST nick nick ...: user@host of five people at most",),
    "VERSION": ("VERSION: which server this is",),
    "WALLOPS": ("WALLOPS :text: an announcement to all with +w, for server operators",),
    "WHO": ("WHO #channel-or-nick-or-mask [o]: who is there",),
    "WHOIS": ("WHOIS nick: what can be known about somebody",),
    "WHOWAS": ("WHOWAS nick [count]: who was called that",),
}


# Of the commands that a server of before did not have, and of which its records have no help.
_NEWER = {
    "": (*_TOPICS[""], "For server operators: DLINE KLINE REHASH STATS UNDLINE UNKLINE, and HELP OPERATORS"),
    "OPERATORS": (
        "KILL nick :why   WALLOPS :text   REHASH   See also HELP OPER",
        "KLINE [limit] user@host :why   UNKLINE user@host   STATS k: who may not register (* and ? match)",
        "DLINE [limit] network :why   UNDLINE network   STATS d: from which addresses nobody may connect",
        "A limit is in minutes (30), hours (12h) or days (7d); without one a ban has no end. It survives a restart",
    ),
    "DLINE": ("DLINE [limit] address-or-network :why: nobody connects from there, for server operators",),
    "KLINE": ("KLINE [limit] user@host :why: nobody comes in who is so called there, for server operators",),
    "REHASH": ("REHASH: the files of the server's settings are read again, for server operators",),
    "STATS": ("STATS k | STATS d: the bans of the whole server, for server operators",),
    "UNDLINE": ("UNDLINE address-or-network: that ban is over, for server operators",),
    "UNKLINE": ("UNKLINE user@host: that ban is over, for server operators",),
}


# And of those that came with accounts.
_NEWEST = {
    "": (*_NEWER[""], "Accounts: AUTHENTICATE NICKSERV REGISTER, and HELP ACCOUNTS"),
    "ACCOUNTS": (
        "REGISTER * * password: the nickname that you have is yours alone from now on",
        "Clients log in by SASL (AUTHENTICATE) before they enter; people by /msg NickServ IDENTIFY password",
        "Who has logged in takes their nickname back (NICK), and has the rights in channels that they had",
        "A password is taken over TLS, and from the server's own machine; over anything else only SCRAM-SHA-256 works",
    ),
    "AUTHENTICATE": ("AUTHENTICATE mechanism | base64 | +, or * to give up, with the capability sasl: log in",),
    "NICKSERV": ("NICKSERV command: as a message to NickServ; NICKSERV HELP lists the commands",),
    "NS": ("NS command: as NICKSERV",),
    "REGISTER": ("REGISTER nick-or-* mail-or-* password: an account of your nickname; no mail is kept, or sent",),
    "VERIFY": ("VERIFY: has nothing to verify here",),
}


# And of those that came next.
_LATEST = {
    "": (*_NEWEST[""], "Also: MARKREAD SETNAME"),
    "MARKREAD": (
        "MARKREAD #channel-or-nick [timestamp=time]: up to where you have read, to all clients of your account",
    ),
    "SETNAME": ("SETNAME :real name: be described so from now on",),
    "WHO": (*_TOPICS["WHO"], "WHO #channel-or-nick-or-mask %fields[,token]: these of tcuihsnfdlaor, in that order"),
    "LIST": (
        *_TOPICS["LIST"],
        "LIST condition,condition: those that meet all: a mask (* and ? match), !mask, >people, <people,",
        "C<minutes or C>minutes since it was made, T<minutes or T>minutes since its topic was set",
    ),
    "MODES": (
        *_TOPICS["MODES"],
        "+e nick!user@host no ban meets   +I nick!user@host needs no invitation to come in",
        "MODE your-nick +B says that you are a program",
    ),
    "ACCOUNTS": (
        *_NEWEST["ACCOUNTS"],
        "NickServ takes another password, too (SET PASSWORD), and ends an account (DROP)",
    ),
}


def help(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    subject = params[0].upper() if params else ""
    known = (_TOPICS, _NEWER, _NEWEST, _LATEST)[: max(context.settings.level, 1)]
    topics = {name: text for each in known for name, text in each.items()}
    lines, shown = topics.get(subject), middle(subject)
    if lines is None:
        yield context.reply(connection, n.HELPNOTFOUND, shown, "No help available on this topic")
        return
    yield context.reply(connection, n.HELPSTART, shown, "Help")
    for line in lines:
        yield context.reply(connection, n.HELPTXT, shown, line)
    yield context.reply(connection, n.ENDOFHELP, shown, "End of help")


COMMANDS = {"HELP": Command(help)}
