"""flow/credit: how much may be in flight."""

from hypothesis import given
from hypothesis import strategies as st

from mpchat.flow.credit import CreditLedger, SendWindow


def test_a_send_window_may_go_below_zero_by_one_read() -> None:
    send_window = SendWindow(10)
    send_window.left -= 9
    assert send_window.left > 0
    send_window.left -= 100
    assert send_window.left <= 0
    send_window.earn(99)
    assert send_window.left <= 0, "nothing left is empty"
    send_window.earn(1)
    assert send_window.left > 0


def test_what_was_received_is_paid_back_once() -> None:
    ledger = CreditLedger(2, lag_limit=100)
    ledger.received(1, 30)
    ledger.received(1, 12)

    assert ledger.pay() == {1: 42}
    assert ledger.pay() == {}


def test_a_lagging_worker_slows_all_workers() -> None:
    ledger = CreditLedger(2, lag_limit=100)
    ledger.received(0, 10)
    ledger.sent(1, 100)
    assert not ledger.lagging
    ledger.sent(1, 1)
    assert ledger.lagging
    assert ledger.pay() == {}

    ledger.applied(1, 1)

    assert not ledger.lagging
    assert ledger.pay() == {0: 10}, "what was owed meanwhile is not forgotten"


def test_a_worker_that_has_died_slows_no_other() -> None:
    ledger = CreditLedger(2, lag_limit=100)
    ledger.received(0, 10)
    ledger.received(1, 20)
    ledger.sent(1, 1000)
    assert ledger.lagging

    ledger.reset(1)

    assert not ledger.lagging
    assert ledger.pay() == {0: 10}, "and it is paid nothing"


def test_a_new_worker_has_a_full_send_window_and_an_empty_stream() -> None:
    ledger = CreditLedger(1, lag_limit=100)
    ledger.received(0, 10)
    ledger.sent(0, 1000)
    ledger.applied(0, 950)

    ledger.reset(0)

    assert ledger.pay() == {}, "what it had spent is no concern of the new one's"
    ledger.sent(0, 101)
    assert ledger.lagging
    ledger.applied(0, 1)
    assert not ledger.lagging


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 1000), st.booleans()), max_size=50))
def test_no_credit_is_lost_or_made(reads: list[tuple[int, int, bool]]) -> None:
    ledger = CreditLedger(3, lag_limit=0)
    purses = [SendWindow(5000) for _ in range(3)]
    sent = 0
    for worker, size, lags in reads:
        purses[worker].left -= size
        ledger.received(worker, size)
        ledger.sent(0, size)
        sent += size
        ledger.applied(0, sent - lags)
        for payee, credit in ledger.pay().items():
            purses[payee].earn(credit)
    ledger.applied(0, sent)
    for payee, credit in ledger.pay().items():
        purses[payee].earn(credit)

    for send_window in purses:
        send_window.left -= 4999
        assert send_window.left > 0
        send_window.left -= 1
        assert send_window.left <= 0
