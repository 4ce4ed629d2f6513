"""The control socket: one answer to each client, for its owner only, and its path is free again afterwards."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from mpchat.ipc.control_socket import ControlSocket, ask, peer_uid, runtime_folder


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


def test_each_client_is_answered(folder: Path) -> None:
    control = ControlSocket(folder / "1.sock")
    assert mode(control.path) == 0o600
    answers: list[dict[str, Any]] = []
    asker = threading.Thread(target=lambda: answers.append(ask(control.path)))
    asker.start()
    while not answers and asker.is_alive():
        control.answer({"broker": 42})
        asker.join(0.01)
    asker.join()
    assert answers == [{"broker": 42}]
    control.answer({})  # nobody waits: nothing happens
    control.close()
    assert not control.path.exists()


def test_a_client_that_has_left_is_harmless(folder: Path) -> None:
    control = ControlSocket(folder / "1.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asker:
        asker.connect(str(control.path))
    control.answer({"broker": 42})
    control.close()


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
