"""What the server itself says, in English, to whoever reads it: why somebody left, why nobody can come in. Pure.

Who says it does not know who will read it, so plain text knows it again by its words. A person's own words are never
translated: what they say when they leave stands behind "Quit: ", and other words of theirs do not come here.
"""

import re
from string import Formatter

from mpchat import texts

_KEYS = (
    *("plain.reason.quit", "plain.reason.client_quit", "plain.reason.closed", "plain.reason.lost"),
    *("plain.reason.ping", "plain.reason.reset", "plain.reason.timed_out", "plain.reason.no_route"),
    *("plain.reason.sendq", "plain.reason.killed", "plain.reason.resumed", "plain.reason.registration"),
    *("plain.reason.passwords", "plain.reason.web", "plain.reason.error", "plain.reason.skipped"),
    *("plain.reason.stop", "plain.reason.no_entry", "plain.reason.no_journal", "plain.reason.no_broker"),
    *("plain.reason.damaged", "plain.reason.changed", "plain.reason.full", "plain.reason.address_full"),
    *("plain.reason.address_fast", "plain.reason.address_entering", "plain.reason.nick_fast"),
    *("plain.reason.disk_full", "plain.reason.removed"),
    *("plain.reason.banned_until", "plain.reason.banned", "plain.reason.ban"),
    *("plain.reason.owner", "plain.reason.renamed"),
    *("plain.reason.bad_mask", "plain.reason.bad_key", "plain.reason.bad_limit"),
)


def _pattern(sentence: str) -> re.Pattern[str]:
    """Matches the sentence, and finds what stands in its placeholders."""
    pieces = [
        re.escape(text) + (f"(?P<{name}>.*?)" if name else "") for text, name, _, _ in Formatter().parse(sentence)
    ]
    return re.compile("".join(pieces), re.DOTALL)


_PATTERNS = [(key, _pattern(texts.LANGUAGES[texts.DEFAULT][key])) for key in _KEYS]


def translated(language: str, words: str) -> str:
    """The server's own words in this language; words that are not known stay as they are."""
    if language == texts.DEFAULT:
        return words
    for key, pattern in _PATTERNS:
        found = pattern.fullmatch(words)
        if found is not None:
            return texts.say(language, key, **found.groupdict())
    return words
