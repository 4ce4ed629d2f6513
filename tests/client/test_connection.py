"""Why there is no connection, in the user's language where it is one of those that people meet."""

import errno
import os
import socket

import pytest

from mpchat.client.connection import reason

COMMON = [
    (OSError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)"), "conexión rechazada"),
    (OSError(errno.ETIMEDOUT, ""), "nadie respondió a tiempo"),
    (OSError(errno.EHOSTUNREACH, ""), "no hay ruta a esa máquina"),
    (OSError(errno.ENETUNREACH, ""), "no se puede llegar a esa red"),
    (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "no se conoce ese nombre"),
]
OTHERS = [
    (OSError(errno.EMFILE, "socket"), "demasiados archivos abiertos"),
    (OSError(errno.EXDEV, "connect"), os.strerror(errno.EXDEV)),
    (socket.gaierror(socket.EAI_FAMILY, "ai_family not supported"), "ai_family not supported"),
    (OSError("just so"), "just so"),
]


@pytest.mark.usefixtures("in_spanish")
@pytest.mark.parametrize(("problem", "told"), COMMON + OTHERS)
def test_the_common_ones_are_told_in_spanish_and_others_as_the_system_does(problem: OSError, told: str) -> None:
    assert reason(problem) == told


@pytest.mark.parametrize("code", [errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT, errno.ENETUNREACH])
def test_in_english_they_are_the_systems_own_words(code: int) -> None:
    assert reason(OSError(code, "Connect call failed")) == os.strerror(code)


def test_nor_is_the_resolvers_word_another_one() -> None:
    assert reason(socket.gaierror(socket.EAI_NONAME, "Name or service not known")) == "Name or service not known"
