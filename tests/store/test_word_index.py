"""The index of words in the history: it follows in steps, finds each message once, and forgets what has expired."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpchat.messages import ConnectionId, JournalPosition, Places, Row, WordsAsked
from mpchat.store import history as history_module
from mpchat.store import word_index
from mpchat.store.history import History
from mpchat.store.word_index import STEP_ROWS, TooSlow

EVER = (0, 1 << 62)
DATA = Path(__file__).parent.parent / "data"


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    it = History(tmp_path / "history.db")
    yield it
    it.close()


def row(number: int, text: str, room: str = "#lobby", sender: str = "ana!ana@host") -> Row:
    return number, number * 1000, room, sender, "PRIVMSG", text, 60


def asked(
    words: str,
    places: Places = (("#lobby", 0),),
    sender: str = "",
    times: tuple[int, int] = EVER,
    limit: int = 50,
) -> WordsAsked:
    return "search", JournalPosition(0), ConnectionId(1), 5, words, places, sender, *times, limit


def indexed(history: History) -> None:
    for _ in range(100):
        if not history.unindexed:
            return
        history.index()
    raise AssertionError("the index does not come to an end")


def found(history: History, *about: Any, **more: Any) -> list[int]:
    indexed(history)
    return [each[0] for each in history.search(asked(*about, **more))]


def test_all_words_must_be_there_in_any_order(history: History) -> None:
    history.add([row(1, "la cola está llena"), row(2, "llena la cola"), row(3, "la cola"), row(4, "cola, ¡llena!")], 1)

    assert found(history, "llena cola") == [1, 2, 4], "the oldest first"
    assert found(history, "vacía") == []


def test_marks_and_capitals_make_no_difference(history: History) -> None:
    history.add([row(1, "La REUNIÓN de mañana"), row(2, "reunion"), row(3, "Ñandú"), row(4, "Ải Vân")], 1)

    assert found(history, "reunion") == found(history, "Reunión") == [1, 2]
    assert found(history, "MANANA") == [1]
    assert found(history, "nandu") == [3]
    assert found(history, "ai van") == [4]


@pytest.mark.parametrize(
    "words", ["OR", "NOT cola", "cola*", "text:cola", "^cola", "NEAR(cola)", '"cola', 'co"la', "co AND la", "(", "-"]
)
def test_words_have_no_operators(history: History, words: str) -> None:
    history.add([row(1, "cola"), row(2, "llena"), row(3, "colador")], 1)

    assert found(history, words) == ([1] if words in ("cola*", "^cola", '"cola') else [])


def test_a_word_of_several_parts_is_a_phrase(history: History) -> None:
    history.add([row(1, "kill -9 1234"), row(2, "9 kill"), row(3, "os.fork() otra vez"), row(4, "fork de os")], 1)

    assert found(history, "kill-9") == [1]
    assert found(history, "os.fork()") == [3]


@settings(max_examples=200, deadline=None)
@given(words=st.text(min_size=1, max_size=40))
def test_whatever_is_asked_there_is_an_answer(words: str) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        database.executescript(history_module._SCHEMA)
        index = word_index.WordIndex(database)
        database.execute("INSERT INTO messages VALUES (1, 1, '#lobby', 'ana!a@h', 'PRIVMSG', 'hola', 0)")
        index.step(1)

        assert len(index.search(asked(words.encode("utf-8", "replace").decode().replace("\0", "")))) <= 1


def test_only_in_these_rooms_and_only_since_then(history: History) -> None:
    rooms = ["#lobby", "#club", "#otra"] * 3
    history.add([row(number, "hola", room) for number, room in enumerate(rooms, 1)], 1)

    assert found(history, "hola") == [1, 4, 7]
    assert found(history, "hola", (("#lobby", 4), ("#club", 0))) == [2, 5, 7, 8]
    assert found(history, "hola", (("#ninguna", 0),)) == []


def test_the_newest_so_many(history: History) -> None:
    history.add([row(number, "hola") for number in range(1, 101)], 1)

    assert found(history, "hola", limit=3) == [98, 99, 100]


def test_by_sender_and_by_time(history: History) -> None:
    senders = ["ana!a@h", "Ana_b!a@h", "anaXb!a@h", "beto!ana@h"]
    history.add([row(number, "hola", sender=sender) for number, sender in enumerate(senders, 1)], 1)

    assert found(history, "hola", sender="ANA") == [1]
    assert found(history, "hola", sender="ana_b") == [2], "the line is no wildcard"
    assert found(history, "", sender="beto") == [4], "without words each message counts"
    assert found(history, "hola", times=(2000, 3000)) == [2, 3]


def test_a_step_takes_so_many_and_the_rest_is_found_later(history: History) -> None:
    history.add([row(number, f"hola {number}") for number in range(1, STEP_ROWS + 11)], 1)
    history.index()

    assert history.unindexed == 10
    assert [each[0] for each in history.search(asked(f"{STEP_ROWS}"))] == [STEP_ROWS]
    assert history.search(asked(f"{STEP_ROWS + 1}")) == []
    history.index()
    assert history.unindexed == 0
    assert [each[0] for each in history.search(asked(f"{STEP_ROWS + 1}"))] == [STEP_ROWS + 1]


def test_numbers_of_no_room_do_not_hold_it_up(history: History) -> None:
    history.add([row(1, "hola"), row(500, "hola")], 1)
    history.pass_over([row(900, "x")], 2, 0)

    assert found(history, "hola") == [1, 500]
    assert history.unindexed == 0


def test_another_process_goes_on_where_the_last_one_was_killed(history: History, tmp_path: Path) -> None:
    history.add([row(number, "hola") for number in range(1, STEP_ROWS + 2)], 1)
    history.index()
    again = History(tmp_path / "history.db")

    assert again.unindexed == 1
    assert len(found(again, "hola", limit=STEP_ROWS * 2)) == STEP_ROWS + 1, "and none twice"
    again.close()


def test_what_has_expired_is_not_found(history: History, tmp_path: Path) -> None:
    history.add([row(number, "hola") for number in range(1, 11)], 1)
    indexed(history)
    history.add([row(11, "hola"), row(12, "adiós")], 2)

    assert history.expire(20_000, 8_500, 1 << 40) == 11, "one of them is not in the index yet"
    assert found(history, "hola") == []
    assert found(history, "adiós") == [12]
    with closing(sqlite3.connect(tmp_path / "history.db")) as database:
        ((entries,),) = database.execute("SELECT count(*) FROM words_docsize")
    assert entries == 1, "nor is it kept"


def test_a_slow_query_is_ended(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    history.add([row(number, "hola", "#otra") for number in range(1, 5000)], 1)
    indexed(history)
    monkeypatch.setattr(word_index, "SEARCH_SECONDS", -1.0)

    with pytest.raises(TooSlow):
        history.search(asked("hola"))
    monkeypatch.setattr(word_index, "SEARCH_SECONDS", 60.0)
    assert history.search(asked("hola")) == [], "and the next one is not"


@pytest.mark.parametrize("version", ["state-3", "state-5"])
def test_an_older_database_is_converted_in_steps(tmp_path: Path, version: str) -> None:
    shutil.copy(DATA / version / "stopped" / "history.db", tmp_path)
    with closing(sqlite3.connect(tmp_path / "history.db")) as before:
        rows = before.execute("SELECT number, room, text FROM messages WHERE text GLOB '*[a-z]*'").fetchall()
    assert rows
    history = History(tmp_path / "history.db")
    assert history.moved is None
    assert history.unindexed > 0, "it can be used before that is done"
    for number, room, text in rows:
        words = "".join(letter if letter.isalnum() else " " for letter in text)
        assert number in found(history, words, ((room, 0),))
    history.close()


def test_without_fts5_the_history_is_one_without_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_index, "_CREATE", "CREATE VIRTUAL TABLE words USING fts_of_no_sqlite (text)")
    history = History(tmp_path / "history.db")
    history.add([row(1, "hola")], 1)
    assert (history.can_search, history.unindexed) == (False, 0)
    assert history.expire(10_000_000, 1, 1 << 40) == 1
    history.add([row(2, "hola")], 2)
    history.close()
    monkeypatch.undo()

    history = History(tmp_path / "history.db")  # by a Python that has it
    assert found(history, "hola") == [2]
    history.close()


def test_a_damaged_index_is_a_damaged_database(history: History, tmp_path: Path) -> None:
    history.add([row(1, "hola")], 1)
    indexed(history)
    history.close()
    with closing(sqlite3.connect(tmp_path / "history.db")) as database, database:
        database.execute("UPDATE words_data SET block = x'0011223344556677'")

    again = History(tmp_path / "history.db")
    assert again.moved is not None
    again.close()


def test_a_database_that_has_an_index_can_come_to_a_python_that_has_none(history: History, tmp_path: Path) -> None:
    history.add([row(1, "hola")], 1)
    indexed(history)
    history.close()
    with closing(sqlite3.connect(tmp_path / "history.db")) as database, database:
        database.execute("PRAGMA writable_schema = ON")
        database.execute("UPDATE sqlite_master SET sql = replace(sql, 'fts5', 'fts_of_no_sqlite') WHERE name = 'words'")

    again = History(tmp_path / "history.db")
    assert (again.can_search, again.unindexed) == (False, 0)
    assert again.expire(10_000_000, 1, 1 << 40) == 1
    again.close()


def test_what_has_been_passed_over_stays_so_when_older_rows_expire(history: History) -> None:
    history.add([row(1, "hola")], 1)
    history.pass_over([row(9, "x")], 2, 0)
    assert history.expire(10_000_000, 0, 1 << 40) == 1

    assert [each[4] for each in history.after("#lobby", 5, 10)] == ["GAP"]
