"""What `mpchat explain` tells of a conversation that a test has led with a core alone (tests/core/driver.py)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from mpchat.messages import Record
from mpchat.monitor.explaining import Explainer
from mpchat.monitor.happening import Block, Happening, Replay, Wanted, left_out

BLOCK_BYTES = 1000  # what each block would take in the journal


def placed(journal: Iterable[Sequence[Record]]) -> list[Block]:
    """Blocks, each with a position."""
    return [(number * BLOCK_BYTES, list(block)) for number, block in enumerate(journal)]


class Told:
    """All that is told of these blocks, and what the replay knows then."""

    def __init__(
        self,
        journal: Iterable[Sequence[Record]],
        nick: str = "",
        room: str = "",
        *,
        private: bool = False,
        since: int = 0,
        state: bytes | None = None,
    ) -> None:
        blocks = placed(journal)
        self.replay = Replay(state, "", Wanted(nick, room, private, since))
        self.happenings: list[Happening] = list(self.replay.happenings(blocks, left_out(blocks)))
        self.explainer = Explainer(self.replay.name, nick, room)

    @property
    def stories(self) -> list[str]:
        """Each happening in words, but its place and time."""
        return [self.explainer.in_words(each).split("  ", 2)[2] for each in self.happenings]

    @property
    def text(self) -> str:
        return "\n".join(self.stories)

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(json.dumps(self.explainer.as_object(each))) for each in self.happenings]

    @property
    def all(self) -> str:
        """In words and as objects: what is in neither is shown nowhere."""
        return self.text + json.dumps([self.explainer.as_object(each) for each in self.happenings], ensure_ascii=False)

    def of(self, words: str) -> str:
        """The story of the one record whose first line has these words."""
        (found,) = [each for each in self.stories if words in each.partition("\n")[0]]
        return found

    def verdicts(self) -> list[tuple[str, str]]:
        """Each line that came with the verdict on it, if there is one."""
        return [
            (each.line or each.record[0], each.hearing.verdict) for each in self.happenings if each.hearing is not None
        ]
