"""The READMEs of the project, of the code and of the course say the same in two languages, and know each option."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mpchat.protocol.capabilities import NAMES

ROOT = Path(__file__).parent.parent
PAIRS = [(ROOT / folder / "README.md", ROOT / folder / "README.es.md") for folder in (".", "mpchat", "mpchat/lab")]

pair = pytest.mark.parametrize(("english", "spanish"), PAIRS, ids=["project", "map", "course"])


def outside_blocks(text: str) -> str:
    """Without what stands between fences, where # begins no heading."""
    return re.sub(r"(?ms)^```.*?^```", "", text)


def headings(path: Path) -> list[int]:
    """Their levels."""
    return [len(found) for found in re.findall(r"(?m)^(#+) ", outside_blocks(path.read_text()))]


def blocks(path: Path) -> list[str]:
    return re.findall(r"(?ms)^```\w*\n(.*?)^```", path.read_text())


def commands(block: str) -> list[str]:
    """The lines that somebody types into a shell, but for what is quoted, and the nicknames."""
    lines = [line for line in block.splitlines() if line.startswith("$ ")]
    return [re.sub(r"'[^']*'|--nick \w+", "", line) for line in lines]


@pair
def test_they_have_the_same_headings(english: Path, spanish: Path) -> None:
    assert headings(english) == headings(spanish)
    assert len(headings(english)) > 3


@pair
def test_the_same_is_typed_in_both(english: Path, spanish: Path) -> None:
    assert [commands(block) for block in blocks(english)] == [commands(block) for block in blocks(spanish)]


@pair
def test_they_name_the_same_options_commands_and_files(english: Path, spanish: Path) -> None:
    for what in (r"(?<![\w-])--[a-z][a-z-]+", r"`/[a-z]+", r"[\w/]+\.(?:py|toml|db|txt)\b", r"`make [a-z-]+"):
        found = [set(re.findall(what, path.read_text())) for path in (english, spanish)]
        assert found[0] == found[1], what


@pair
def test_their_tables_have_as_many_rows(english: Path, spanish: Path) -> None:
    rows = [
        [line.count(" | ") for line in path.read_text().splitlines() if line[:2] == "| "] for path in (english, spanish)
    ]
    assert rows[0] == rows[1]


@pair
def test_a_link_to_a_heading_leads_to_one(english: Path, spanish: Path) -> None:
    for path in (english, spanish):
        text = outside_blocks(path.read_text())
        names = {
            re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-")
            for title in re.findall(r"(?m)^#+ (.*)", text)
        }
        assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= names


def test_each_option_of_the_server_is_in_both() -> None:
    source = (ROOT / "mpchat" / "cli.py").read_text()
    server = source[source.index("def _add_server") : source.index("def _run_server")]
    options = set(re.findall(r'"(--[a-z-]+)"', server))
    assert len(options) > 20
    for path in PAIRS[0]:
        assert {option for option in options if option not in path.read_text()} == set(), path.name


@pair
def test_a_link_to_a_file_leads_to_one(english: Path, spanish: Path) -> None:
    for path in (english, spanish):
        links = re.findall(r"\]\(([^)#:]+)\)", outside_blocks(path.read_text()))
        assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("mpchat/lab/**/*.md")) + [each for two in PAIRS for each in two])
def test_nothing_that_was_to_be_filled_in_is_left(path: Path) -> None:
    assert re.findall(r"(?m)^(?:TRANSCRIPT|TABLE|ANSWERS?|GRADING|RUN|CHECK)\d*$", path.read_text()) == []


@pytest.mark.parametrize("path", PAIRS[0], ids=["english", "spanish"])
def test_they_claim_the_capabilities_that_the_server_offers(path: Path) -> None:
    """And no other: neither in the row that lists what clients can ask for, nor by the name of IRCv3's drafts."""
    text = path.read_text()
    (row,) = [line for line in text.splitlines() if line.startswith("| ") and "`extended-join`" in line]
    claimed = set(re.findall(r"`([a-z0-9./-]+)`", row))
    written = set(re.findall(r"`([a-z0-9./-]+)`", text))

    assert claimed - set(NAMES) == {"sts"}, "which nobody asks for"
    assert set(NAMES) - written == set()
    assert {word for word in written if word.startswith("draft/")} == {name for name in NAMES if "draft/" in name}
