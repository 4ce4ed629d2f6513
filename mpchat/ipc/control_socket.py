"""The control socket: a Unix socket for the server's user and root, that tells the state of a running server.

An asker may send one line, a JSON object that names a command: {"command": "reload"}. One that sends no line in
ASKER_SECONDS, or ends its writing side before, asks for the state. The answer is one JSON object, then the end of file;
to "watch", "events" and "trace" it is lines, one object each, as long as the asker follows.
The server's end never waits for an asker.

Its folder is in XDG_RUNTIME_DIR, or in /tmp. Who asks may have another environment than who started the server (cron,
su, a second login), and the first of these may go while the server runs. So an asker looks in each place of its user's.
"""

import contextlib
import errno
import json
import os
import socket
import stat
import struct
import tempfile
import time
from pathlib import Path
from typing import Any

from mpchat.texts import t, translate

ASKER_SECONDS = 0.2  # for a line to come
_LINE_BYTES = 4096  # of an asker's line: a command has some twenty
_ANSWER_SECONDS = 5.0  # between two pieces of an answer
_QUEUE_SECONDS = 0.02  # between two attempts to get into the server's queue
_ANSWER_BYTES = 1 << 20  # of an answer: a row of 200 bytes for each process, of which there are 132 at most
_SESSIONS = Path("/run/user")  # where XDG_RUNTIME_DIR usually is, by user id
# What may be asked for: each command's options, with the values that stand for those that are not said.
COMMANDS: dict[str, dict[str, object]] = {
    "ps": {},
    "reload": {},
    "stop": {},
    "snapshot": {},
    "connection": {"worker": 0, "id": 0},
    "watch": {},
    "events": {"follow": False},
    "trace": {"from": "", "text": "", "count": 1, "private": False},
}
_MOST_TRACED = 1_000_000  # messages, of one trace


def runtime_folder(configured: str) -> Path:
    """The folder of this user's control sockets, made if need be. `configured` is XDG_RUNTIME_DIR, or "": one in /tmp.

    So it is too if XDG_RUNTIME_DIR is another user's, as it is after su. Raises OSError, also if the folder is not the
    user's own with mode 0700.
    """
    folder = own_folder(configured)
    if configured and not _can_be_ours(folder):
        folder = own_folder("")
    _make_private(folder)
    return folder


def _can_be_ours(folder: Path) -> bool:
    """Whether it can be made, or is there and this user's."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder.lstat().st_uid == os.getuid()
    except OSError:
        return False


def _make_private(folder: Path) -> None:
    """Raises OSError, also if it is there and not the user's own with mode 0700."""
    with contextlib.suppress(FileExistsError):  # then the next line says what it is
        folder.mkdir(mode=0o700, parents=True)
    if not _is_private(folder, os.getuid()):
        raise PermissionError(t("cli.not_private", folder=folder))


def find(configured: str, port: int) -> Path:
    """The control socket of the server on this port: the user's own, or for root another user's.

    Raises OSError where there is none, where the folder is not private, or where root must choose between several.
    """
    own, uid = own_folder(configured), os.getuid()
    answering = [path for folder in _folders(own, uid) if _answers(path := folder / f"{port}.sock")]
    if not answering:
        if uid and _is_there(own) and not _is_private(own, uid):
            raise PermissionError(t("cli.not_private", folder=own))
        raise FileNotFoundError(errno.ENOENT, "no server answers", str(own / f"{port}.sock"))
    if len(answering) > 1 and answering[0].parent != own and answering[0].lstat().st_uid != uid:
        users = ", ".join(str(path.lstat().st_uid) for path in answering)
        raise OSError(errno.EEXIST, t("cli.several_servers", port=port, users=users))
    return answering[0]


def every(configured: str) -> list[Path]:
    """The control sockets of all servers that answer: the user's own, or for root anybody's."""
    folders = _folders(own_folder(configured), os.getuid())
    return [path for folder in folders for path in sorted(folder.glob("*.sock")) if _answers(path)]


def _folders(own: Path, uid: int) -> list[Path]:
    """Where the control sockets of this user's servers may be; for root, of anybody's."""
    folders = [own, _SESSIONS / str(uid) / "mpchat", own_folder(""), Path(f"/tmp/mpchat-{uid}")]
    if uid == 0:
        folders += [*sorted(_SESSIONS.glob("*/mpchat")), *sorted(own.parent.glob("mpchat-*"))]
        folders += sorted(Path(tempfile.gettempdir()).glob("mpchat-*"))
    return [folder for folder in dict.fromkeys(folders) if _is_private(folder, uid or None)]


def own_folder(configured: str) -> Path:
    """Where this user's control sockets are, if there are any."""
    return Path(configured, "mpchat") if configured else Path(tempfile.gettempdir(), f"mpchat-{os.getuid()}")


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except OSError:  # or in another user's folder
        return False
    return True


def _is_private(folder: Path, owner: int | None) -> bool:
    """Whether only this user can enter it; None: whoever owns it."""
    try:
        about = folder.lstat()
    except OSError:
        return False
    is_owned = owner in (None, about.st_uid)
    return stat.S_ISDIR(about.st_mode) and is_owned and not stat.S_IMODE(about.st_mode) & 0o077


class Asker:
    """The server's end of a connection to the control socket. It has until `until` (monotonic) to send a line."""

    def __init__(self, sock: socket.socket) -> None:
        """`sock` is the asker's from now on: answer() and close() close it."""
        sock.setblocking(False)
        self._sock = sock
        self._line = b""
        self.until = time.monotonic() + ASKER_SECONDS

    def fileno(self) -> int:
        return self._sock.fileno()

    def asked(self) -> dict[str, Any] | None:
        """What is asked for: a command and all its options; None while a line may still come.

        Raises ValueError at any other line.
        """
        try:
            piece = self._sock.recv(_LINE_BYTES + 1)
        except BlockingIOError:
            return None if time.monotonic() < self.until else {"command": "ps"}
        except OSError:  # it has left
            return {"command": "ps"}
        self._line += piece
        line, has_ended, _ = self._line.partition(b"\n")
        if len(line) > _LINE_BYTES:
            raise ValueError(f"a line has at most {_LINE_BYTES} bytes")
        if not has_ended:
            return None if piece and time.monotonic() < self.until else {"command": "ps"}
        try:
            asked = json.loads(line)
        except (ValueError, RecursionError):
            raise ValueError("that is no JSON") from None
        return _checked(asked)

    def go_on(self) -> socket.socket:
        """The connection, to be answered in lines; it is the caller's from now on."""
        return self._sock

    def answer(self, answer: dict[str, object]) -> None:
        """The answer is far smaller than the socket's buffer, so this cannot block; an asker may have left."""
        with self._sock, contextlib.suppress(OSError):
            self._sock.sendall(json.dumps(answer).encode())

    def close(self) -> None:
        self._sock.close()


def _checked(asked: object) -> dict[str, Any]:
    """A command with all its options. Raises ValueError."""
    command = asked.get("command") if isinstance(asked, dict) else None
    if not isinstance(asked, dict) or not isinstance(command, str) or command not in COMMANDS:
        raise ValueError(f'a line is {{"command": NAME}}, and NAME one of {", ".join(COMMANDS)}')
    known = COMMANDS[command]
    for name, value in asked.items():
        if name != "command" and (name not in known or type(value) is not type(known[name])):
            raise ValueError(f"{command} has no option {name!r} of that type")
    whole = {**known, **asked}
    if not 1 <= whole.get("count", 1) <= _MOST_TRACED:
        raise ValueError(f"count is from 1 to {_MOST_TRACED}")
    return whole


class ControlSocket:
    """The server's end. Raises OSError, also if another server answers on this path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._bind()
        except OSError as error:
            self._sock.close()
            why = translate(error.strerror or str(error))
            raise OSError(error.errno, t("cli.control_failed", why=why), str(path)) from error
        self._sock.setblocking(False)
        self._file = _identity(path)

    def _bind(self) -> None:
        # bind(2) makes the file with the mode that umask leaves; the folder is 0700 all the same.
        mask = os.umask(0o177)
        try:
            self._sock.bind(str(self.path))
        except OSError:
            if _answers(self.path):
                raise OSError(errno.EADDRINUSE, t("cli.control_in_use")) from None
            self.path.unlink(missing_ok=True)  # left behind by a server that was killed
            self._sock.bind(str(self.path))
        finally:
            os.umask(mask)
        self._sock.listen(8)

    @property
    def is_in_place(self) -> bool:
        """Whether its file is there: without that nobody finds it."""
        return self._file is not None and _identity(self.path) == self._file

    def made_again(self) -> "ControlSocket":
        """Another one in its place, or in /tmp if its folder cannot be made again: /run/user/UID goes with a logout.

        Raises OSError, also if another server has the place.
        """
        try:
            _make_private(self.path.parent)
            folder = self.path.parent
        except OSError:
            folder = runtime_folder("")
        return ControlSocket(folder / self.path.name)

    def fileno(self) -> int:
        return self._sock.fileno()

    def accept(self) -> Asker | None:
        """The next asker; None if it is gone, or not allowed to ask.

        Raises OSError if no descriptor is free for it; it waits, and this socket stays readable.
        """
        try:
            client, _ = self._sock.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS):
                raise
            return None
        if peer_uid(client) in (None, os.getuid(), 0):
            return Asker(client)
        client.close()
        return None

    def close(self) -> None:
        if self.is_in_place:
            self.path.unlink(missing_ok=True)
        self._sock.close()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        about = path.lstat()
    except OSError:
        return None
    return about.st_dev, about.st_ino


def peer_uid(sock: socket.socket) -> int | None:
    """The user id of the other end (SO_PEERCRED, unix(7)), or None where the system does not tell it."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return int(uid)


def _answers(path: Path) -> bool:
    """Whether a server listens there, even if so many ask at the moment that its queue is full (EAGAIN, unix(7))."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        return sock.connect_ex(str(path)) in (0, errno.EAGAIN)


def _connect(sock: socket.socket, path: Path, seconds: float) -> None:
    """Raises OSError; TimeoutError if there was no room in the server's queue for so long, of which no event tells."""
    give_up_at = time.monotonic() + seconds
    while True:
        try:
            sock.connect(str(path))
        except BlockingIOError:
            if time.monotonic() >= give_up_at:
                raise TimeoutError(errno.ETIMEDOUT, "too many ask the server", str(path)) from None
            time.sleep(_QUEUE_SECONDS)
        else:
            return


class Follower:
    """An asker's end of an answer that goes on: lines, each a JSON object, until one side closes."""

    def __init__(self, path: Path, asked: dict[str, object], seconds: float = _ANSWER_SECONDS) -> None:
        """`asked`: the command and its options. Raises OSError where no server is."""
        self.ended = False  # the server has closed its side: it has ended, or we were too slow
        self.fds: list[int] = []  # descriptors that have come; the caller's to close
        self._unread = b""
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._sock.settimeout(seconds)
            _connect(self._sock, path, seconds)
            self._sock.sendall(json.dumps(asked).encode() + b"\n")
        except OSError:
            self._sock.close()
            raise
        self._sock.setblocking(False)

    def fileno(self) -> int:
        """Readable when take() has something to do."""
        return self._sock.fileno()

    def take(self) -> list[dict[str, Any]]:
        """The lines that have come whole since the last call; [] if there is none yet, or no more."""
        try:
            data, fds, _, _ = socket.recv_fds(self._sock, _ANSWER_BYTES, 1)
        except BlockingIOError:
            return []
        except ConnectionResetError:
            data, fds = b"", []
        self.fds += fds
        self.ended = not data
        *lines, self._unread = (self._unread + data).split(b"\n")
        found = [json.loads(line) for line in lines]
        if self.ended:  # a refusal is one object, without a line end; of a server that died the last line may be torn
            with contextlib.suppress(ValueError):
                found.append(json.loads(self._unread))
        return found

    def close(self) -> None:
        self._sock.close()


def ask(path: Path, command: str = "ps", seconds: float = _ANSWER_SECONDS, **options: object) -> dict[str, Any]:
    """The answer of the server behind this control socket, which has so many seconds for all of it.

    `options`: the command's (COMMANDS). Not for those that are answered in lines for as long as somebody follows.

    Raises OSError where there is no server, or none that gives an answer.
    """
    data = b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(seconds)
        _connect(sock, path, seconds)
        with contextlib.suppress(BrokenPipeError):  # an older server reads nothing
            sock.sendall(json.dumps({"command": command, **options}).encode() + b"\n")
        until = time.monotonic() + seconds
        with contextlib.suppress(ConnectionResetError):
            while len(data) <= _ANSWER_BYTES and (piece := sock.recv(65536)):
                data += piece
                sock.settimeout(max(0.001, until - time.monotonic()))  # a byte now and then is no answer either
    try:
        answer = json.loads(data)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise OSError(errno.EPROTO, "the server gave no answer", str(path))
    return answer
