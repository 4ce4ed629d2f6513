"""The control socket: a Unix socket, for the same user only, that tells the state of a running server.

To connect is to ask; the answer is one JSON object, then the end of file. Nothing is ever read from the client.
"""

import contextlib
import errno
import json
import os
import socket
import stat
import struct
import tempfile
from pathlib import Path
from typing import Any

_ANSWER_SECONDS = 5.0


def runtime_folder(configured: str) -> Path:
    """The folder of the control sockets, made if need be. `configured` is XDG_RUNTIME_DIR, or "" for one in /tmp.

    Raises OSError, also if it is not the user's own with mode 0700.
    """
    folder = Path(configured, "mpchat") if configured else Path(tempfile.gettempdir(), f"mpchat-{os.getuid()}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or stat.S_IMODE(about.st_mode) & 0o077:
        raise PermissionError(f"{folder} is not a folder that only you can enter")
    return folder


class ControlSocket:
    """The server's end. Raises OSError, also if another server answers on this path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._bind()
        except OSError as error:
            self._sock.close()
            raise OSError(
                error.errno, f"cannot open the control socket ({error.strerror or error})", str(path)
            ) from error
        self._sock.setblocking(False)

    def _bind(self) -> None:
        # bind(2) makes the file with the mode that umask leaves; the folder is 0700 all the same.
        mask = os.umask(0o177)
        try:
            self._sock.bind(str(self.path))
        except OSError:
            if _answers(self.path):
                taken = "in use: a server of yours is running on that port, whatever its address"
                raise OSError(errno.EADDRINUSE, taken) from None
            self.path.unlink(missing_ok=True)  # left behind by a server that was killed
            self._sock.bind(str(self.path))
        finally:
            os.umask(mask)
        self._sock.listen(8)

    def fileno(self) -> int:
        return self._sock.fileno()

    def answer(self, status: dict[str, object]) -> bool:
        """Answer the next client. The answer is far smaller than the socket's buffer, so this cannot block.

        False: no descriptor is free for it; the client waits, and this socket stays readable.
        """
        try:
            client, _ = self._sock.accept()
        except OSError as error:
            return error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
        with client:
            if peer_uid(client) in (None, os.getuid(), 0):
                client.setblocking(False)
                with contextlib.suppress(OSError):  # the client has left
                    client.sendall(json.dumps(status).encode())
        return True

    def close(self) -> None:
        self._sock.close()
        with contextlib.suppress(OSError):  # it, or its folder, has been removed or replaced
            self.path.unlink()


def peer_uid(sock: socket.socket) -> int | None:
    """The user id of the other end (SO_PEERCRED, unix(7)), or None where the system does not tell it."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return int(uid)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        return sock.connect_ex(str(path)) == 0


def ask(path: Path) -> dict[str, Any]:
    """The answer of the server behind this control socket. Raises OSError where there is no server."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(_ANSWER_SECONDS)
        sock.connect(str(path))
        pieces = []
        while piece := sock.recv(65536):
            pieces.append(piece)
    status: dict[str, Any] = json.loads(b"".join(pieces))
    return status
