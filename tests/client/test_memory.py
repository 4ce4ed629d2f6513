"""What /last shows again."""

from __future__ import annotations

from mpchat.client.memory import LINES, PLACES, Memory
from mpchat.client.step import Line, Said


def line(text: str, room: str = "") -> Line:
    return Line(text, "<beto>", "beto", room, calls=True, said=Said("#r", "beto", text, "message", "#r"))


def filled(*lines: str) -> Memory:
    memory = Memory()
    for text in lines:
        memory.add("#r", line(text))
    return memory


def found(memory: Memory, count: int = 20, words: str = "", place: str = "#r") -> list[str]:
    return [shown.text for shown in memory.last(place, count, words)]


def test_the_newest_lines_of_a_place() -> None:
    memory = filled("one", "two", "three")
    assert found(memory, 2) == ["two", "three"]
    assert found(memory, place="#R") == ["one", "two", "three"]
    assert found(memory, place="#other") == []


def test_words_are_found_without_their_accents_and_capitals() -> None:
    memory = filled("Mañana, examen", "el CAFÉ", "straße")
    assert found(memory, words="manana") == ["Mañana, examen"]
    assert found(memory, words="café") == ["el CAFÉ"]
    assert found(memory, words="STRASSE") == ["straße"]
    assert found(memory, words="BETO") == ["Mañana, examen", "el CAFÉ", "straße"], "who said it counts too"


def test_a_line_calls_nobody_twice_and_needs_no_room_in_front() -> None:
    memory = Memory()
    memory.add("#r", line("hola", room="#r"))
    assert memory.last("#r", 1) == [Line("hola", "<beto>", "beto")]


def test_it_has_a_bound() -> None:
    memory = filled(*map(str, range(LINES + 5)))
    assert found(memory, 1000) == [str(number) for number in range(5, LINES + 5)]
    for number in range(PLACES):
        memory.add(f"nick{number}", line("hola"))
    assert found(memory) == []
    assert found(memory, place="nick0") == ["hola"]


def test_a_talk_goes_on_under_another_nick() -> None:
    memory = Memory()
    memory.add("beto", line("one"))
    memory.rename("beto", "bea")
    memory.add("bea", line("two"))
    assert found(memory, place="bea") == ["one", "two"]
    assert found(memory, place="beto") == []
    memory.rename("bea", "BEA")
    memory.rename("nobody", "bea")
    assert found(memory, place="bea") == ["one", "two"]
