"""At a start clients are admitted when it is known whose the nicknames are; a real broker, a turn at a time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.ipc.test_misbehaviour import CLIENT, HOST, BrokerTurns, Supervisor
from tests.running import PATIENCE


def until(broker: BrokerTurns, what: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, "it never became true"
        broker.broker.listen(0.01)
        broker.broker.work()


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BrokerTurns]:
    """One whose worker wants to begin, and whose authenticator has said nothing yet."""
    monkeypatch.chdir(tmp_path)  # a broker works in its data directory
    with contextlib.ExitStack() as stack:
        it = BrokerTurns(Supervisor(stack), tmp_path)
        it.worker.put(("attach", -1))
        until(it, lambda: it.broker.streams.asking_to_attach or it.broker.streams._attached[0])
        yield it
        it.close()


def is_admitted(broker: BrokerTurns) -> bool:
    """Whether the worker is, which has asked to be."""
    return not broker.broker.streams.asking_to_attach


def test_nobody_comes_in_before_it_is_known_whose_the_nicknames_are(broker: BrokerTurns) -> None:
    """The accounts may be newer than the journal: the first who connects gets no name that has an owner."""
    assert not is_admitted(broker)
    broker.authenticator.post(("accounts", ["ana"], ["PLAIN"]))
    broker.turn()
    assert is_admitted(broker)
    broker.worker.put(("batch", 0, 0, [("open", 0, CLIENT, "irc", HOST, False), ("line", CLIENT, 8, b"NICK ana")]))
    until(broker, lambda: broker.broker.recovery.core.dealt_with(CLIENT) == 8)
    assert not broker.broker.recovery.core.hub.nicks


def test_accounts_that_cannot_be_opened_keep_nobody_out(broker: BrokerTurns) -> None:
    broker.authenticator.post(("no accounts",))
    broker.turn()
    assert is_admitted(broker)


def test_nor_for_long_does_an_authenticator_that_says_nothing(broker: BrokerTurns) -> None:
    assert broker.broker.admit_at <= time.monotonic() + broker.broker.settings.account_seconds
    broker.broker.admit_at = time.monotonic()
    until(broker, lambda: is_admitted(broker))


def test_a_stop_does_not_wait_for_it(broker: BrokerTurns) -> None:
    """The workers must hear of it, to end in order."""
    broker.supervisor.link.post(("stop", "the server stops"))
    broker.turn()
    assert is_admitted(broker)
