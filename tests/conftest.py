"""One server serves all tests that do not change it; its channels and nicknames are theirs by name.

Tests of the pure packages get no socket and no sleep. Hypothesis tries the same examples every time, so that a run is
worth as much as any other. MPCHAT_EXAMPLES=50 tries fifty times as many, and different ones every time.
"""

import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import HealthCheck, settings

from tests.running import OPEN, Server, running
from tests.system.tls import Authority, Pair

_PURE = ("chat", "core", "flow", "protocol", "texts")
_TIMES = int(os.environ.get("MPCHAT_EXAMPLES", "0"))

settings.register_profile(
    "same every time",
    max_examples=60 * max(1, _TIMES),
    stateful_step_count=40,
    derandomize=not _TIMES,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("same every time")

_names = count(1)

# A shell ignores Ctrl-C for what it starts in the background, and nohup a hang-up: then our servers would stay deaf to
# them, as they should. The tests begin as in a terminal, wherever they are started.
for _number, _handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, _handler)


# Whatever language the tester's locale speaks, our processes speak English, unless a test gives them another locale.
os.environ["LC_ALL"] = "C.UTF-8"


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A running server without limits, two workers, an operator root:secret."""
    with running("--unlimited", "--workers", "2", "--oper", "root:secret") as it:
        yield it


@pytest.fixture(scope="session")
def locked() -> Iterator[Server]:
    """A server that asks for a password."""
    with running("--unlimited", "--workers", "1", "--password", "open sesame") as it:
        yield it


@pytest.fixture(scope="session")
def bare() -> Iterator[Server]:
    """A server that has nothing but its defaults, and whose lobby is empty."""
    with running("--unlimited") as it:
        yield it


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One that signs certificates for servers of the tests, whose clients trust it."""
    if shutil.which("openssl") is None:
        pytest.skip("makes certificates with openssl(1)")
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def pair(authority: Authority) -> Pair:
    """A certificate and its key, for a server on this machine."""
    return authority.sign("server")


@pytest.fixture
def channel() -> str:
    """A channel nobody else uses."""
    return f"#room{next(_names)}"


@pytest.fixture
def nicks() -> Iterator[str]:
    """Nicknames nobody else uses: next(nicks)."""
    return (f"nick{number}" for number in _names)


@pytest.fixture(autouse=True)
def _hang_up() -> Iterator[None]:
    """No test leaves a connection behind."""
    yield
    while OPEN:
        OPEN.pop().close()


@pytest.fixture(autouse=True)
def _neither_sockets_nor_sleep(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.path.parent.name not in _PURE:
        return

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a pure test reached for the world outside")

    for module, name in ((socket, "socket"), (socket, "create_connection"), (socket, "socketpair"), (time, "sleep")):
        monkeypatch.setattr(module, name, forbidden)
