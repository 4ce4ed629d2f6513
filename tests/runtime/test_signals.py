"""Signals as bytes: they wake the one place where a process waits, and the loop decides."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Iterator

import pytest

from mpchat.runtime.signals import Signals


@pytest.fixture
def signals() -> Iterator[Signals]:
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)}
    it = Signals(signal.SIGUSR1, signal.SIGUSR2)
    try:
        yield it
    finally:
        it.let_go()  # or all that this process starts later would hold them too
        it.close()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_makes_it_readable(signals: Signals) -> None:
    assert select.select([signals], [], [], 0)[0] == []
    assert signals.take() == []
    os.kill(os.getpid(), signal.SIGUSR1)
    assert select.select([signals], [], [], 5)[0] == [signals]
    assert signals.take() == [signal.SIGUSR1]
    assert select.select([signals], [], [], 0)[0] == []


def test_signals_are_taken_in_the_order_in_which_they_came(signals: Signals) -> None:
    for number in (signal.SIGUSR2, signal.SIGUSR1, signal.SIGUSR2):
        os.kill(os.getpid(), number)
    assert signals.take() == [signal.SIGUSR2, signal.SIGUSR1, signal.SIGUSR2]


def test_more_signals_than_are_read_are_harmless(signals: Signals) -> None:
    for _ in range(3000):
        signal.raise_signal(signal.SIGUSR1)
    taken = 0
    while batch := signals.take():
        taken += len(batch)
    assert taken
    os.kill(os.getpid(), signal.SIGUSR2)
    assert signals.take() == [signal.SIGUSR2]


def test_signals_that_are_held_come_later(signals: Signals) -> None:
    signals.hold()
    # Not to the process: a thread of the test runner, which does not hold them, could take it.
    signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
    assert signals.take() == []
    signals.let_go()
    assert signals.take() == [signal.SIGUSR1]
