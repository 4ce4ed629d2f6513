"""Every setting and every limit of the server, each with its unit and why it is what it is.

Pure data: cli.py fills it in, once. Settings go to every process, and hold the ChatSettings, which the
core is given; of the Secrets the broker has the passwords, and the front the certificate. A new server
starts from new ones.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import lru_cache
from ipaddress import ip_network

from mpchat.addresses import BITS, number_of

LOOPBACK = ("127.0.0.0/8", "::1/128")


@dataclass(frozen=True)
class Oper:
    """An operator's name and password, as OPER takes them."""

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Certificate:
    """The server's TLS certificate with those that vouch for it, and its private key, as PEM (RFC 7468)."""

    chain: bytes = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class Secrets:
    """What only one process may know: the certificate's key the front, the others the broker. No repr() shows them, so
    no log does.
    """

    password: str = field(default="", repr=False)  # the server's; "": it needs none
    opers: tuple[Oper, ...] = ()
    certificate: Certificate | None = None  # None: nobody speaks TLS


@dataclass(frozen=True)
class ChatSettings:
    """What shapes the chat, limits included: the part of the settings that the core is given.

    It travels inside the first record of a run, so a replay needs no command line. It holds no secret.
    """

    name: str = "mpchat.local"  # the server's name, the prefix of every numeric
    network: str = "mpchat"
    description: str = "a chat server made of processes"
    version: str = "mpchat"
    motd: tuple[str, ...] = ()
    password_needed: bool = False
    opers_exist: bool = False
    sts_seconds: int = 0  # for so long an IRC client that has seen it comes by TLS only (IRCv3 sts); 0: not offered
    sts_port: int = 0  # the one for TLS that it finds then; 0: this server has none, and does not offer it
    oper_accounts: tuple[str, ...] = ()  # whose owners are server operators as soon as they have logged in
    language: str = "en"  # one of texts.LANGUAGES: of those who have not said which one they read
    # How much there is of what came in with a newer server: whoever replays an older one's records must come to what
    # that one came to. 1: SEARCH, CHATHISTORY BEFORE, and the newer commands of plain text, all of which it refused;
    # private rooms wait for members that were lost; who is kicked out in plain text is in no room; names that look like
    # one in use are refused. 2: KLINE, DLINE, their opposites, STATS and REHASH. 3: KLINE takes networks, and no hosts
    # that no client can have; whom a ban closes reads 465; an operator who leaves does not wait for REHASH; accounts,
    # by REGISTER, SASL and NickServ, and /register /login /logout. 4: the capabilities that tell more of the others
    # (account-notify and so on), cap-notify, labeled-response, standard-replies, UTF8ONLY, WHOX, SETNAME and MARKREAD;
    # CHATHISTORY by time, AROUND, BETWEEN and TARGETS, and /history by time; an owner changes the password or drops the
    # account, a server operator drops it, and then nobody is logged in to it; rooms have exceptions (+e, +I);
    # bots (+B); LIST with conditions.
    level: int = 4
    room_flags: str = ""  # modes that a room begins with. cli.py gives "n"; a record that has none is of older times

    # Limits that IRC clients read in 005 (RPL_ISUPPORT). Bytes are UTF-8 bytes: what the 512-byte line counts.
    nick_bytes: int = 30
    user_bytes: int = 12
    channel_bytes: int = 64
    topic_bytes: int = 390  # a topic must fit one 332 line with the server's name, a nick and a channel
    reason_bytes: int = 300  # PART, QUIT, KICK and AWAY texts
    realname_bytes: int = 128
    key_bytes: int = 32
    bans_per_channel: int = 100  # the exceptions to them and to +i included
    mask_bytes: int = 160  # a ban must fit one 367 line with who set it
    server_bans: int = 1000  # of the whole server: each is kept for ever if its operator says so; 500 bytes
    mode_changes: int = 20  # parameters to one MODE line; more than a 512-byte line usefully holds
    targets: int = 4  # receivers of one PRIVMSG: more is what spammers want
    channels_per_client: int = 50
    departed_names: int = 1000  # WHOWAS remembers so many; a few hundred bytes each
    lost_places: int = 50_000  # rooms of lost sessions, all together: five for each of a full server's; 200 bytes each
    read_markers: int = 20_000  # of all accounts; as many of sessions without one: a course of 200, 100 each; 400 bytes
    read_markers_per_account: int = 200  # or session: its channels, and those it writes to; what is more was long ago
    dormant_rooms: int = 10_000  # with so many, no more wait for the lost; at most 20 kB each

    # Networks whose addresses have none of the limits that count by address, nor that of nickname changes. Of their
    # OPERs one a second is checked, for all together: there those who guess and those who know have one address.
    exempt: tuple[str, ...] = LOOPBACK
    unregistered_per_address: int = 32  # connections whose client has not entered yet: a class that opens nc at once
    nick_changes_per_minute: int = 12  # of a client, SETNAME too: a person tries a few, a flood fills every screen
    wrong_passwords: int = 5  # of one connection, then it is closed: who mistypes more often may connect again
    oper_wait_seconds: int = 60  # an address waits one second more for each wrong OPER, and no longer than this
    oper_forgotten_seconds: int = 600  # after its last one an address is as good as any: people share addresses
    wrong_logins_per_minute: int = 10  # of an address; what is more is answered later: a class mistypes now and then
    wrong_logins_per_account: int = 10  # within a minute, from wherever they come; what is more is answered later
    accounts_per_hour: int = 40  # registered from one address: a class behind one NAT does so at once
    removed_seconds: int = 30  # who was killed stays out for so long: a client that comes back by itself gives up

    answer_bytes: int = 65_536  # told at once of a long answer; what is left waits until the client has taken that

    registration_seconds: int = 30
    ping_seconds: int = 120  # silence before the server asks
    ping_grace_seconds: int = 60  # and before it gives up

    def exempts(self, host: str) -> bool:
        """Whether this address is in one of the exempt networks; what is no address is in none."""
        version, number = number_of(host)
        networks = _networks(self.exempt).get(version, {})
        return any(number >> BITS[version] - length in prefixes for length, prefixes in networks.items())


@dataclass(frozen=True)
class Settings:
    """What the processes of a server need. Sizes in bytes, times in seconds unless the name says otherwise."""

    host: str = "127.0.0.1"
    port: int = 6667
    plain_port: int | None = 6680
    tls_port: int | None = None  # IRC over TLS
    tls_plain_port: int | None = None  # plain text over TLS
    workers: int = 1
    chat: ChatSettings = ChatSettings()
    max_clients: int = 10_000
    reserved_fds: int = 8  # of each process: the transport to a new broker has 4, two old ones are still open, a link
    data: str = ""  # directory of journal and history; "" keeps none, and the broker's death ends the server
    power: bool = False  # whether the disk has a batch before any client is told of it: then a power cut loses nothing
    ipc: str = "queue"  # the transport between workers and broker: queue, pipe, or a Python file's absolute path
    hang_limit: float = 3.0  # a process whose loop does not turn for so long is killed; 0: never
    history_days: int = 30
    history_bytes: int = 1 << 30
    journal_bytes: int = 1 << 30  # what a recorder that is dead or slow may make the journal grow to
    keep_journal: bool = False  # all of it, for `mpchat explain`: then the disk alone bounds it
    question_seconds: float = 2.0  # how long the history may take for an answer: the line waits for it
    account_seconds: float = 10.0  # with no answer of the authenticator's for so long, who waits is told to try again
    account_most_seconds: float = 120.0  # and after so long in any case: hundreds have had their turn
    # OWASP's Password Storage Cheat Sheet, for PBKDF2-HMAC-SHA256: a derivation takes 0.1 to 0.4 s. Kept per account.
    key_iterations: int = 600_000
    max_accounts: int = 10_000  # some 500 bytes of memory each; a start and the journal's record of them stay short
    password_characters: int = 8  # at least (NIST SP 800-63B)
    password_most_characters: int = 256  # a line of IRC has no room for more
    unlimited: bool = False
    log_level: str = "info"
    log_json: bool = False

    sendq_bytes: int = 1 << 20  # a client further behind than this is not reading: about 10,000 lines
    sendq_total_bytes: int = 256 << 20  # all of them together, kept by the workers and once more by the broker
    line_bytes: int = 8191  # 512 of IRC and 4096 of tags, with room; what is longer is discarded
    peek_bytes: int = 16_384  # one look into a socket; equal to the receive buffer, so a look sees all of it
    window_bytes: int = 8_192  # forwarded and unacknowledged, per client: with so much, wait for the broker
    receive_buffer_bytes: int = 16_384  # SO_RCVBUF: bounds what an unread client costs the kernel
    send_buffer_bytes: int = 131_072  # SO_SNDBUF: the same for a client that does not read
    burst_lines: int = 20  # flood control: a client may say so much at once,
    lines_per_second: float = 5.0  # and then so much; faster ones are read more slowly, never kicked
    connections_per_address: int = 64  # a class behind one NAT fits, a flood does not
    new_connections_per_minute: int = 120  # per address
    handshake_seconds: float = 10  # for one of TLS: a phone on a bad line takes two or three
    handshakes: int = 256  # of TLS at once: 40 kB each, 15 kB when it is over; of more one gives way
    handshakes_per_address: int = 64  # a class behind one NAT comes back all at once when the front has died
    flush_seconds: float = 5.0  # how long a closing client may take to accept its last lines
    drain_seconds: float = 2.0  # and how long we go on discarding what it still sends
    stop_seconds: float = 10.0  # a stopping server's processes are killed after this
    credit_bytes: int = 1 << 20  # what a worker may have on its way to the broker
    lag_bytes: int = 8 << 20  # how far a worker may fall behind its stream before the senders are slowed

    @property
    def has_front(self) -> bool:
        """Whether there is a port for TLS."""
        return self.tls_port is not None or self.tls_plain_port is not None

    def exempting(self, networks: tuple[str, ...]) -> Callable[[str], bool]:
        """What tells whether an address has no limits of its own: as it is in these networks, or by --unlimited."""
        return (lambda host: True) if self.unlimited else ChatSettings(exempt=networks).exempts


@lru_cache(maxsize=16)
def _networks(exempt: tuple[str, ...]) -> dict[int, dict[int, frozenset[int]]]:
    """By IP version and length of the prefix, the prefixes: however many networks, a look is one for each length.

    A record may have thousands of them, and at a reload each connection is looked up.
    """
    found: dict[int, dict[int, set[int]]] = {4: {}, 6: {}}
    for network in map(ip_network, exempt):
        prefix = int(network.network_address) >> network.max_prefixlen - network.prefixlen
        found[network.version].setdefault(network.prefixlen, set()).add(prefix)
    return {
        version: {length: frozenset(prefixes) for length, prefixes in lengths.items()}
        for version, lengths in found.items()
    }


# What a record of older times does not have, where that is not what it is today: 0 is no limit.
_OF_OLDER_RECORDS = {
    "level": 0,
    "accounts_per_hour": 0,
    "nick_changes_per_minute": 0,
    "unregistered_per_address": 0,
    "wrong_logins_per_account": 0,
    "wrong_logins_per_minute": 0,
}


def pack(chat: ChatSettings) -> tuple[tuple[str, object], ...]:
    """Chat settings as plain names and values, fit for a record."""
    return tuple((each.name, getattr(chat, each.name)) for each in fields(chat))


def unpack(values: tuple[tuple[str, object], ...]) -> ChatSettings:
    """The inverse of pack(). What a record of older times does not have is as it was then."""
    return ChatSettings(**{**_OF_OLDER_RECORDS, **dict(values)})  # type: ignore[arg-type]
