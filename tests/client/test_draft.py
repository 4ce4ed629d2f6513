"""A draft under 20 messages a second, as scripts/screen_delay.py sends them; how fast they show is for it to tell."""

import pytest

from scripts.screen_delay import measure


@pytest.mark.slow
def test_a_draft_is_sent_as_it_was_typed_while_twenty_messages_a_second_come() -> None:
    measured = measure(4.0)

    assert measured.received == measured.draft
    assert measured.order == list(range(80))
