"""Everything that one process says to another, and what the broker writes to its journal. Pure.

A message is a tuple: a word that names it, and fields of the types below. Tuples, because the reader of a frame refuses
every class (ipc/frames.py). What comes from a peer has no type before it has been checked: a receiver matches the word
and the fields, and its last case raises UnknownMessage, so an unknown word is a fault of that peer (ipc/validation.py).

The messages stand in the order of a line's way: in by a worker's record, out by the broker's item.
"""

from typing import Literal, NewType, TypeAlias

ConnectionId = NewType("ConnectionId", int)  # of a client's connection; the acceptor counts them, none is used twice
WorkerNumber = NewType("WorkerNumber", int)  # from 0
StreamPosition = NewType("StreamPosition", int)  # items of a worker's stream so far, 0: none
JournalPosition = NewType("JournalPosition", int)  # bytes of the journal so far, of all its segments
GroupId: TypeAlias = int  # a channel's members on one worker who want the same bytes

# An offset counts the bytes of one client's input, or of one client's output, from the connection's first byte.
Offset: TypeAlias = int
# Times: wall is the system's clock, mono the monotonic one, both in ms; an offset from UTC is in minutes.
Ms: TypeAlias = int


class BadFrame(Exception):
    """What came was not written by a process of ours: nothing that its writer says can be relied on any more."""


_SHOWN = 20  # characters of an unknown message's word, and values, in a line of the log


class UnknownMessage(BadFrame):
    """A whole frame, but none that its receiver knows: an unknown word, or not the values that go with it.

    Its text names the word and the types of the values, not the values: a client's password may be among them.
    """

    def __init__(self, message: object) -> None:
        word, values = "", message if isinstance(message, tuple) else (message,)
        if isinstance(message, tuple) and message and isinstance(message[0], str):
            word, values = message[0][:_SHOWN], message[1:]
        shown = [*([ascii(word)] if word else []), *(type(each).__name__ for each in values[:_SHOWN])]
        super().__init__(f"an unknown message: ({', '.join(shown)})")


# Records: what has happened. A worker forwards those of its clients; the broker adds its own. The core is a function of
# them, and the journal keeps them: a word that has been written is never given another meaning.

# a connection was handed to this worker: its dialect (true or false in an old journal: plain text or IRC), its address,
# and whether it came by TLS; an old journal does not have the last one, and knows no TLS
Open: TypeAlias = (
    tuple[Literal["open"], WorkerNumber, ConnectionId, str, str, bool]
    | tuple[Literal["open"], WorkerNumber, ConnectionId, str, str]
)
# a line, or what follows its parts, without its LF: the offset behind it
Line: TypeAlias = tuple[Literal["line"], ConnectionId, Offset, bytes]
# the beginning of a line, or more of it
Part: TypeAlias = tuple[Literal["part"], ConnectionId, Offset, bytes]
# a line was longer than any may be: the offset of what has come of it, and whether that is its end
Overlong: TypeAlias = tuple[Literal["overlong"], ConnectionId, Offset, bool]
# more of the same line
Rest: TypeAlias = tuple[Literal["rest"], ConnectionId, Offset, bool]
# the client left, or does not read: why
Gone: TypeAlias = tuple[Literal["gone"], ConnectionId, str]
# answers "probe": nothing of it lies unread
Silent: TypeAlias = tuple[Literal["silent"], ConnectionId]
# answers "drain", by its number: the client's kernel has taken all
Drained: TypeAlias = tuple[Literal["drained"], ConnectionId, int]

InputRecord: TypeAlias = Line | Part | Overlong | Rest
WorkerRecord: TypeAlias = Open | InputRecord | Gone | Silent | Drained

# the first of a run: the chat's settings by name, how many workers, offset from UTC, wall, mono; messages get numbers
# above the next field; last a hash of the code with which it began. An old journal does not have the last two, or one
ChatValues: TypeAlias = tuple[tuple[str, object], ...]
Start: TypeAlias = (
    tuple[Literal["start"], ChatValues, int, int, Ms, Ms]
    | tuple[Literal["start"], ChatValues, int, int, Ms, Ms, int]
    | tuple[Literal["start"], ChatValues, int, int, Ms, Ms, int, str]
)
# the files of the settings were read again: the chat's settings by name
Reload: TypeAlias = tuple[Literal["reload"], ChatValues]
# before each block: wall, mono, offset from UTC (not in an old journal); due deadlines happen here
Clock: TypeAlias = tuple[Literal["clock"], Ms, Ms] | tuple[Literal["clock"], Ms, Ms, int]
# which accounts there are, by name, and which SASL mechanisms can be offered
Accounts: TypeAlias = tuple[Literal["accounts"], list[str], list[str]]
# answers a question of the core's: was the password right; were the settings read again, and what came of that; what
# the authenticator says of an account; or rows of the past, the oldest first
Answer: TypeAlias = tuple[Literal["answer"], ConnectionId, "bool | tuple[bool, str] | AccountAnswer | Past"]
# the answer died with a broker: the line that asked, and those after it, will be forwarded again
Again: TypeAlias = tuple[Literal["again"], ConnectionId]
# a record of this connection cannot be dealt with, and is left out; where it stood is the broker's affair
Skip: TypeAlias = tuple[Literal["skip"], int, ConnectionId]
# the disk is full: what these have sent waits unaccepted
Full: TypeAlias = tuple[Literal["full"], tuple[ConnectionId, ...]]
# the server ends: why
Stop: TypeAlias = tuple[Literal["stop"], str]

Record: TypeAlias = WorkerRecord | Start | Reload | Clock | Accounts | Answer | Again | Skip | Full | Stop

# what the authenticator says of an account: "in", its name; "registered", its name; "wrong" password, its name,
# or no such account, ""; "changed", its name: it has another password; "dropped", its name: there is no such account
# any more; "taken"; "challenge", what the client must answer (base64); "proof", as the client has proved to know the
# password: its account's name, a space, and what it must answer; "more" of the message must come; "bad": no
# such message can be; "weak": why a password is refused; "late": nothing has answered, or it died: try again; "full":
# there are as many accounts as there may be
AccountAnswer: TypeAlias = tuple[
    Literal[
        "in",
        "registered",
        "changed",
        "dropped",
        "wrong",
        "taken",
        "challenge",
        "proof",
        "more",
        "bad",
        "weak",
        "late",
        "full",
    ],
    str,
]

# why a password is refused: it has too few characters, or too many, or is the account's name, or has some that no
# password may have
WeakPassword: TypeAlias = Literal["short", "long", "name", "characters"]

# Facts and rows: what was said in channels, for the history.

# number, wall, channel (casefolded), nick!user@host, "PRIVMSG" or "NOTICE", text, offset from UTC
Fact: TypeAlias = tuple[int, Ms, str, str, str, str, int]
# the same as the history has it: the offset may be unknown; "GAP" instead of the verb: something is missing behind it
Row: TypeAlias = tuple[int, Ms, str, str, str, str, int | None]
# rows; or why there are none: None, nothing has answered; the search took too long; this SQLite cannot search
Past: TypeAlias = list[Row] | Literal["too slow", "no index"] | None

# Reports: what the broker must log. An event and its facts, by name; nothing that was said.
Report: TypeAlias = tuple[str, dict[str, str | int]]

# Items: what a worker must do, in the broker's numbered stream to it.

OpenItem: TypeAlias = tuple[Literal["open"], ConnectionId]  # it has a session: everything of it follows this
Send: TypeAlias = tuple[Literal["send"], ConnectionId, bytes]  # append to this connection's output
# the same for each member of these groups, but for one connection (0: for none)
Cast: TypeAlias = tuple[Literal["cast"], tuple[GroupId, ...], bytes, ConnectionId]
Join: TypeAlias = tuple[Literal["join"], GroupId, ConnectionId]
Leave: TypeAlias = tuple[Literal["leave"], GroupId, ConnectionId]
Ack: TypeAlias = tuple[Literal["ack"], ConnectionId, Offset]  # take the input up to there from the kernel
Probe: TypeAlias = tuple[Literal["probe"], ConnectionId]  # is anything of it unread? then say nothing, else "silent"
# say when all that was sent to it before this is out, by this number; the last number counts
Drain: TypeAlias = tuple[Literal["drain"], ConnectionId, int]
Close: TypeAlias = tuple[Literal["close"], ConnectionId]  # flush and close
End: TypeAlias = tuple[Literal["end"]]  # the last item of all

Item: TypeAlias = OpenItem | Send | Cast | Join | Leave | Ack | Probe | Drain | Close | End

# A worker to the broker, by their transport.

# how many bytes of items it has applied since this transport began, for the credit ledger; what the records cost its
# send window, in bytes; the records
Batch: TypeAlias = tuple[Literal["batch"], int, int, list[WorkerRecord]]
# of a connection: offset of its output's end; what is new and unsent of it; how many bytes are unsent in all
Entry: TypeAlias = tuple[ConnectionId, Offset, bytes, int]
# all up to this item has been applied, and this is what that left; position 0: more of the same checkpoint follows.
# Last, the connections forgotten since the one before; None: all but those of the entries
Checkpoint: TypeAlias = tuple[Literal["checkpoint"], StreamPosition, list[Entry], list[ConnectionId] | None]
# it is new, or has a new transport: where it is in its stream, -1: nowhere
Attach: TypeAlias = tuple[Literal["attach"], int]

WorkerToBroker: TypeAlias = Batch | Checkpoint | Attach

# The broker to a worker.

# the number of the first item, the credit that comes back, what the items weigh, the items
Items: TypeAlias = tuple[Literal["items"], int, int, int, list[Item]]
# for a new worker, of what its predecessor was: a connection, offset of its output's end, what is unsent, is it closing
Resumed: TypeAlias = tuple[ConnectionId, Offset, bytes, bool]
Group: TypeAlias = tuple[GroupId, tuple[ConnectionId, ...]]
State: TypeAlias = tuple[Literal["state"], StreamPosition, list[Resumed], list[Group]]
# of a connection: how far its input is accepted; how many bytes up to there begin a line; is the rest of it discarded
Input: TypeAlias = tuple[ConnectionId, Offset, int, bool]
# they are in step: from here on items are delivered. Besides, the connections of which "drained" is still awaited
Go: TypeAlias = tuple[Literal["go"], list[Input], list[tuple[ConnectionId, int]]]

# of the items behind this message, those of these numbers are traced (ipc/trace_ring.py)
Traced: TypeAlias = tuple[Literal["traced"], list[int]]

BrokerToWorker: TypeAlias = Items | State | Go | Traced

# The front and the acceptor, by their link. The one marked * carries the end of a loopback pair for a worker.

FrontToken: TypeAlias = int  # of a client on its way from a front to an acceptor; no front gives one twice
# *a client with which TLS has been agreed upon: its dialect and address, and whether an earlier acceptor was given it
TlsClient: TypeAlias = tuple[Literal["client"], FrontToken, str, str, bool]
Taken: TypeAlias = tuple[Literal["taken"], FrontToken]  # the acceptor has it: the front closes its copy of that end

# The acceptor and a worker, by their link. Those marked * carry the client's file descriptor.

# *a client for this worker: its dialect, its address, whether it came by TLS
Client: TypeAlias = tuple[Literal["client"], ConnectionId, str, str, bool]
Synced: TypeAlias = tuple[Literal["synced"]]  # that was all that the worker lacked
AcceptorToWorker: TypeAlias = Client | Synced

# *one that the worker has, a copy for the acceptor: the same
Mine: TypeAlias = tuple[Literal["mine"], ConnectionId, str, str, bool]
All: TypeAlias = tuple[Literal["all"]]  # those were all
Closed: TypeAlias = tuple[Literal["gone"], ConnectionId]  # the worker has closed it
NoRoom: TypeAlias = tuple[Literal["full"], ConnectionId]  # the worker has no descriptor for it
WorkerToAcceptor: TypeAlias = Mine | All | Closed | NoRoom

# The broker and the recorder, by their link.

Grown: TypeAlias = tuple[Literal["grown"]]  # the journal has more for the history
# where a part of a channel's past begins or ends: at the message with this number, or at a moment (wall ms)
Bound: TypeAlias = tuple[Literal["message", "time"], int]
# which part that is, as CHATHISTORY has them: the last ones, behind a bound or not; the last before one; the first
# behind one; those between two, as seen from the first; those around one (IRCv3 chathistory)
Window: TypeAlias = Literal["LATEST", "BEFORE", "AFTER", "BETWEEN", "AROUND"]
# what was said in a channel behind the message with this number: the journal's position at which it was asked, who asks
# and by which line, channel, number, which part, its bounds, at most how many
HistoryAsked: TypeAlias = tuple[
    Literal["history"], JournalPosition, ConnectionId, Offset, str, int, Window, tuple[Bound, ...], int
]
# the same of messages that have these words: words, channels and behind which number in each, a sender's nickname or
# "", from when to when, at most how many
Places: TypeAlias = tuple[tuple[str, int], ...]
WordsAsked: TypeAlias = tuple[Literal["search"], JournalPosition, ConnectionId, Offset, str, Places, str, Ms, Ms, int]
# the last message of each channel behind its number, if it was said between two moments; of more than so many, those
# that are nearest to the first moment, which may be the later one
LastOnesAsked: TypeAlias = tuple[Literal["targets"], JournalPosition, ConnectionId, Offset, Places, Ms, Ms, int]
BrokerToRecorder: TypeAlias = Grown | HistoryAsked | WordsAsked | LastOnesAsked

Idle: TypeAlias = tuple[Literal["idle"], JournalPosition]  # it is at the journal's end, and waits for "grown"
Rows: TypeAlias = tuple[Literal["rows"], ConnectionId, Offset, Past]
RecorderToBroker: TypeAlias = Idle | Rows

# The broker and the authenticator, by their link. No other message has an account's password in it.

# it has taken which accounts there are, and what comes from clients now comes behind that
Heard: TypeAlias = tuple[Literal["heard"]]
# make this account; is this its password; let this be its password from now on; drop it, if this is its password: who
# asks and by which line, from which address; account, password
PasswordTold: TypeAlias = tuple[Literal["register", "login", "password", "drop"], ConnectionId, Offset, str, str, str]
# drop this account, as a server operator says so, who need not know its password: who asks and by which line; account
Removal: TypeAlias = tuple[Literal["remove"], ConnectionId, Offset, str]
# go on with a SASL exchange: who, by which line, from which address; mechanism, does it begin, what the client sent
SaslPiece: TypeAlias = tuple[Literal["sasl"], ConnectionId, Offset, str, str, bool, str]
# this connection has left, or was told that nothing has answered: what it had asked, or begun, is void
Forget: TypeAlias = tuple[Literal["forget"], ConnectionId]
BrokerToAuthenticator: TypeAlias = Heard | PasswordTold | Removal | SaslPiece | Forget

# Accounts or NoAccounts is the first that it says by a new link; Accounts comes again if they come or go by no question
Verdict: TypeAlias = tuple[Literal["verdict"], ConnectionId, Offset, AccountAnswer]
NoAccounts: TypeAlias = tuple[Literal["no accounts"]]  # their files cannot be used; once they can, Accounts comes
AuthenticatorToBroker: TypeAlias = Accounts | NoAccounts | Verdict

# The supervisor to its children, by their control links. Those marked * carry file descriptors.

AssignRole: TypeAlias = tuple[str, bytes]  # *the first: a role, and settings and arguments (ipc/queue_passing.py)
# *a new transport, by its serial number; to the broker first of all which worker is at the other end
WorkerTransport: TypeAlias = tuple[Literal["transport"], int, bytes]
BrokerTransport: TypeAlias = tuple[Literal["transport"], WorkerNumber, int, bytes]
NewLink: TypeAlias = tuple[Literal["link"], int]  # *to the acceptor: to this worker; to the broker: to the recorder
# *a link to it: to a worker or the front; to recorder and authenticator; to the acceptor; to the broker
NewPeer: TypeAlias = tuple[Literal["acceptor", "broker", "front", "authenticator"]]
# a trace: its number, the monotonic ms since which, a sender's nickname or "", a text or "", of how many messages at
# most, of private ones too
TraceWanted: TypeAlias = tuple[int, Ms, str, str, int, bool]
# to the broker: all that there are now
Traces: TypeAlias = tuple[Literal["trace"], tuple[TraceWanted, ...]]
Inspect: TypeAlias = tuple[Literal["inspect"], ConnectionId]  # to a worker: how does this client's socket stand?
StopNow: TypeAlias = tuple[Literal["stop"]]  # to the acceptor, recorder, authenticator, front
NewCertificate: TypeAlias = tuple[Literal["certificate"], bytes, bytes]  # to the front: a chain, and its key, as PEM
# to the front, of handshakes: seconds for one, how many at once; of an address: how many at once, new connections
# within a minute, the networks that have no such limit
NewHandshakeLimits: TypeAlias = tuple[Literal["handshakes"], float, int, int, int, tuple[str, ...]]
# to the broker: the chat's settings, the server's password, the operators' names and passwords
NewSettings: TypeAlias = tuple[Literal["reload"], ChatValues, str, tuple[tuple[str, str], ...]]
# to the acceptor and to each worker, of an address: connections, new ones within a minute, the networks that have no
# such limit; of a client: lines at once, lines a second
NewLimits: TypeAlias = tuple[Literal["limits"], int, int, tuple[str, ...], int, float]
# to the broker, which has asked for "rehash": whose line asked, and by which line; has it been done, what came of it
Rehashed: TypeAlias = tuple[Literal["rehashed"], ConnectionId, Offset, bool, str]
StopAll: TypeAlias = tuple[Literal["stop"], str]  # to the broker, which tells everybody why
Farewell: TypeAlias = tuple[Literal["farewell"], str]  # to a worker: there is no broker to tell the clients why
SupervisorToChild: TypeAlias = (
    AssignRole
    | WorkerTransport
    | BrokerTransport
    | NewLink
    | NewPeer
    | NewSettings
    | NewLimits
    | Rehashed
    | NewCertificate
    | NewHandshakeLimits
    | Traces
    | Inspect
    | StopNow
    | StopAll
    | Farewell
)

# The children to the supervisor.

Here: TypeAlias = tuple[Literal["here"]]  # it has all its imports behind it
Ready: TypeAlias = tuple[Literal["ready"]]  # it is at work
Loaded: TypeAlias = tuple[Literal["opened"], int]  # it has loaded the transport of this number
Misbehaves: TypeAlias = tuple[Literal["misbehaves"], str, str]  # a process that it works with, by its role; how
DamagedData: TypeAlias = tuple[Literal["damaged"], str]  # what no successor could do better with
Crashed: TypeAlias = tuple[Literal["crashed"], str]  # it ends by an error: which, and where
Reloaded: TypeAlias = tuple[Literal["reloaded"]]  # the broker has journaled the new settings
# of the broker: a server operator wants the settings' files read again: who asks, and by which line
Rehash: TypeAlias = tuple[Literal["rehash"], ConnectionId, Offset]
# a worker answers "inspect". In bytes: of the output, what it keeps, and what waits in this machine's kernel until the
# client's acknowledges it; of the input, what waits in the kernel, and how much of that the broker has. Then the
# client's port, and why it is not read: a word of InputReader.state(); "closing"; or "gone": it is not here
Inspected: TypeAlias = tuple[Literal["inspected"], ConnectionId, tuple[int, int, int, int], int, str]
DiskState: TypeAlias = tuple[Literal["disk full"], str]  # why the broker accepts nothing; "": it does again
Changed: TypeAlias = tuple[Literal["changed"]]  # the broker runs other code than the one with which this run began
ChildToSupervisor: TypeAlias = (
    Here | Ready | Loaded | Misbehaves | DamagedData | Crashed | Reloaded | Rehash | Inspected | DiskState | Changed
)
