"""The control socket: one answer to each asker, for its owner only, and its path is free again afterwards."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mpchat.ipc.control_socket import Asker, ControlSocket, ask, find, peer_uid, runtime_folder
from tests.running import PATIENCE


@pytest.fixture
def folder() -> Any:
    with tempfile.TemporaryDirectory(prefix="mpchat-test-") as it:  # tmp_path is too long for a Unix socket's name
        yield Path(it)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_the_folder_is_made_for_its_user_alone(folder: Path) -> None:
    made = runtime_folder(str(folder))
    assert made == folder / "mpchat"
    assert mode(made) == 0o700
    assert runtime_folder(str(folder)) == made  # and found again


def test_a_folder_that_others_can_enter_is_refused(folder: Path) -> None:
    (folder / "mpchat").mkdir()
    (folder / "mpchat").chmod(0o750)
    with pytest.raises(PermissionError, match="only you can enter"):
        runtime_folder(str(folder))


def test_a_link_to_somewhere_else_is_refused(folder: Path) -> None:
    (folder / "private").mkdir(mode=0o700)
    (folder / "mpchat").symlink_to(folder / "private")
    with pytest.raises(PermissionError, match="only you can enter"):
        runtime_folder(str(folder))


@contextlib.contextmanager
def serving(folder: Path, answer: dict[str, object]) -> Iterator[tuple[ControlSocket, list[str]]]:
    """A server that gives everybody this answer, and notes what was asked for."""
    control, asked, wake = ControlSocket(folder / "1.sock"), list[str](), socket.socketpair()

    def serve() -> None:
        askers: list[Asker] = []
        while True:
            sources: list[Any] = [control, wake[0], *askers]
            ready = select.select(sources, [], [], 0.02)[0]
            if wake[0] in ready:
                break
            new = control.accept() if control in ready else None
            askers += [new] if new is not None else []
            for asker in list(askers):
                try:
                    command = (asker.asked() or {}).get("command", "")
                except ValueError as error:
                    command = str(error)
                if command:
                    asked.append(command)
                    askers.remove(asker)
                    asker.answer(answer)
        for asker in askers:
            asker.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield control, asked
    finally:
        wake[1].close()
        thread.join()
        wake[0].close()
        control.close()


def test_each_asker_is_answered(folder: Path) -> None:
    with serving(folder, {"broker": 42}) as (control, asked):
        assert mode(control.path) == 0o600
        assert ask(control.path) == {"broker": 42}
        assert ask(control.path, "reload") == {"broker": 42}
        assert ask(control.path, "stop") == {"broker": 42}
        assert asked == ["ps", "reload", "stop"]
    assert not control.path.exists()


def answered(path: Path, *sent: bytes, ends: bool) -> bytes:
    """All that is answered to an asker who sends these pieces, and perhaps ends its writing side."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(str(path))
        with contextlib.suppress(BrokenPipeError):  # what comes behind the line may find that it has been answered
            for piece in sent:
                sock.sendall(piece)
        if ends:
            sock.shutdown(socket.SHUT_WR)
        data = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := sock.recv(4096):
                data += piece
        return data


@pytest.mark.parametrize("sent", [(), (b'{"command": "sto',)])
@pytest.mark.parametrize("ends", [True, False])
def test_who_sends_no_line_asks_for_the_state(folder: Path, sent: tuple[bytes, ...], ends: bool) -> None:
    with serving(folder, {}) as (control, asked):
        assert answered(control.path, *sent, ends=ends) == b"{}"
        assert asked == ["ps"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"stop\n", "that is no JSON"),
        (b"\xff\xfe\n", "that is no JSON"),
        (b"[" * 4000 + b"\n", "that is no JSON"),
        (b"\n", "that is no JSON"),
        (b"[]\n", "a line is"),
        (b'"stop"\n', "a line is"),
        (b"{}\n", "a line is"),
        (b'{"command": "dance"}\n', "a line is"),
        (b'{"command": ["stop"]}\n', "a line is"),
        (b'{"command": {}}\n', "a line is"),
        (b'{"command": null}\n', "a line is"),
        (b'{"command": "stop", "now": true}\n', "stop has no option"),
        (b'{"command": "ps", "count": null}\n', "ps has no option"),
        (b'{"command": "trace", "count": null}\n', "trace has no option"),
        (b'{"command": "trace", "count": true}\n', "trace has no option"),
        (b'{"command": "trace", "count": 0}\n', "count is from 1"),
        (b"x" * 4097 + b"\n", "a line has at most 4096 bytes"),
        (b"x" * 5000, "a line has at most 4096 bytes"),
    ],
)
def test_what_is_no_command(folder: Path, line: bytes, why: str) -> None:
    with serving(folder, {}) as (control, asked):
        answered(control.path, line, ends=False)
        assert len(asked) == 1
        assert asked[0].startswith(why)


def test_a_line_may_come_in_pieces(folder: Path) -> None:
    line = b'{"command": "reload"}\nand more that means nothing\n'
    with serving(folder, {}) as (control, asked):
        answered(control.path, *[line[at : at + 1] for at in range(len(line))], ends=False)
        assert asked == ["reload"]


def test_an_asker_that_has_left_is_harmless(folder: Path) -> None:
    with serving(folder, {"broker": 42}) as (control, asked):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asker:
            asker.connect(str(control.path))
        assert ask(control.path) == {"broker": 42}
        assert asked == ["ps", "ps"]


def test_a_server_that_answers_nothing(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as mute:
        mute.bind(str(folder / "1.sock"))
        mute.listen()
        with pytest.raises(TimeoutError):
            ask(folder / "1.sock", seconds=0.05)
        mute.accept()[0].close()
        leaver = threading.Thread(target=lambda: mute.accept()[0].close())
        leaver.start()
        with pytest.raises(OSError, match="gave no answer"):
            ask(folder / "1.sock")
        leaver.join()


def crowded(path: Path) -> tuple[socket.socket, list[socket.socket]]:
    """A server that takes nobody in yet, and those who have filled its queue."""
    busy = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    busy.bind(str(path))
    busy.listen(1)
    waiting: list[socket.socket] = []
    while True:
        asker = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        asker.setblocking(False)
        if asker.connect_ex(str(path)) != 0:
            asker.close()
            return busy, waiting
        waiting.append(asker)


def test_who_finds_the_queue_full_waits_for_their_turn(folder: Path) -> None:
    made = runtime_folder(str(folder))
    busy, waiting = crowded(made / "1.sock")
    assert find(str(folder), 1) == made / "1.sock", "a server listens there"
    with pytest.raises(TimeoutError):
        ask(made / "1.sock", seconds=0.05)

    def serve() -> None:
        while True:
            client = busy.accept()[0]
            client.settimeout(PATIENCE)
            with client, contextlib.suppress(BrokenPipeError):
                line = client.recv(4096)
                client.sendall(b'{"broker": 42}')
            if line:  # the others have left
                break

    server = threading.Timer(0.1, serve)
    server.start()
    for asker in waiting:
        asker.close()
    assert ask(made / "1.sock") == {"broker": 42}
    server.join()
    busy.close()


def test_the_socket_of_a_port_is_found(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        find(str(folder), 1)
    made = runtime_folder(str(folder))
    with pytest.raises(FileNotFoundError):
        find(str(folder), 1)
    control = ControlSocket(made / "1.sock")
    assert find(str(folder), 1) == control.path
    made.chmod(0o750)
    with pytest.raises((PermissionError, FileNotFoundError)):
        find(str(folder), 1)
    made.chmod(0o700)
    control.close()


@pytest.mark.parametrize("started", ["in a session", "without one"])
@pytest.mark.parametrize("asked", ["in a session", "without one", "with another user's"])
def test_who_asks_may_have_another_environment_than_who_started_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, started: str, asked: str
) -> None:
    session, theirs = folder / "run" / str(os.getuid()), folder / "theirs"
    session.mkdir(parents=True)
    theirs.write_text("no folder that we can enter")
    monkeypatch.setattr("mpchat.ipc.control_socket._SESSIONS", folder / "run")
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    places = {"in a session": str(session), "without one": "", "with another user's": str(theirs)}
    control = ControlSocket(runtime_folder(places[started]) / "1.sock")
    assert find(places[asked], 1) == control.path
    control.close()


def test_what_cannot_be_made_in_a_session_is_in_the_other_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    (folder / "theirs").write_text("no folder that we can enter")
    assert runtime_folder(str(folder / "theirs")) == folder / f"mpchat-{os.getuid()}"


@pytest.mark.parametrize("loss", ["the file", "its folder", "all", "all, and something is in its place"])
def test_one_whose_file_is_gone_can_be_made_again(folder: Path, monkeypatch: pytest.MonkeyPatch, loss: str) -> None:
    (folder / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder / "tmp"))
    control = ControlSocket(runtime_folder(str(folder / "run")) / "1.sock")
    assert control.is_in_place
    match loss:
        case "the file":
            control.path.unlink()
        case "its folder":
            shutil.rmtree(control.path.parent)
        case _:
            shutil.rmtree(folder / "run")
    if "in its place" in loss:
        (folder / "run").write_text("")
    assert not control.is_in_place
    another = control.made_again()
    control.close()
    assert another.is_in_place, "the first one leaves it alone"
    assert find(str(folder / "run"), 1) == another.path
    assert (another.path == control.path) == ("in its place" not in loss)
    another.close()
    assert not another.path.exists()


def test_one_does_not_take_the_place_of_another_server(folder: Path) -> None:
    control = ControlSocket(folder / "1.sock")
    control.path.unlink()
    other = ControlSocket(folder / "1.sock")
    folder.chmod(0o700)
    with pytest.raises(OSError, match="in use"):
        control.made_again()
    control.close()
    assert other.is_in_place
    other.close()


def test_what_a_killed_server_left_behind_is_replaced(folder: Path) -> None:
    path = folder / "1.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as killed:
        killed.bind(str(path))
        killed.listen()
    assert path.exists()
    control = ControlSocket(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asker:
        asker.connect(str(path))
    control.close()


def test_a_living_servers_place_is_not_taken(folder: Path) -> None:
    control = ControlSocket(folder / "1.sock")
    with pytest.raises(OSError, match=r"in use.*1\.sock"):
        ControlSocket(folder / "1.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asker:
        asker.connect(str(control.path))  # the first one still answers
    control.close()


def test_there_is_no_answer_without_a_server(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ask(folder / "1.sock")


@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="the kernel does not say")
def test_the_kernel_says_who_asks() -> None:
    left, right = socket.socketpair(socket.AF_UNIX)
    assert peer_uid(left) == os.getuid()
    left.close()
    right.close()
