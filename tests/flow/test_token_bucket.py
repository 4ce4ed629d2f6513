"""flow/token_bucket: a burst at once, and then so many lines a second."""

from hypothesis import given
from hypothesis import strategies as st

from mpchat.flow.token_bucket import TokenBucket
from mpchat.settings import Settings


def test_a_burst_and_then_a_rate() -> None:
    bucket = TokenBucket(20, now=100.0)
    assert bucket.tokens(20, 5.0, 100.0) == 20
    bucket.spend(20)
    assert bucket.tokens(20, 5.0, 100.0) == 0
    assert bucket.ready_at(5.0) == 100.2
    assert bucket.tokens(20, 5.0, 100.19) == 0
    assert bucket.tokens(20, 5.0, 100.2) == 1
    assert bucket.tokens(20, 5.0, 101.0) == 5
    assert bucket.tokens(20, 5.0, 1000.0) == 20, "silence is not saved up beyond the burst"


def test_it_is_ready_while_there_are_tokens() -> None:
    bucket = TokenBucket(2, now=7.0)
    assert bucket.ready_at(5.0) == 7.0
    bucket.spend(1)
    assert bucket.ready_at(5.0) == 7.0


def test_who_types_and_talks_has_nearly_the_whole_burst_left() -> None:
    """IRCv3's typing: a client says so every three seconds at most, and that it is over with the message, here one a
    second for an hour. So what they paste then is read as fast as anybody's.
    """
    bucket = TokenBucket(Settings.burst_lines, now=0.0)
    for second in range(3600):
        assert bucket.tokens(Settings.burst_lines, Settings.lines_per_second, second) == Settings.burst_lines
        bucket.spend(2 if second % 3 else 3)


@given(st.floats(0, 1e6), st.integers(1, 50), st.floats(0.1, 100))
def test_a_client_that_waits_until_then_may_speak(now: float, burst: int, rate: float) -> None:
    bucket = TokenBucket(burst, now)
    for _ in range(burst + 3):
        now = max(now, bucket.ready_at(rate))
        assert bucket.tokens(burst, rate, now) >= 1
        bucket.spend(1)
