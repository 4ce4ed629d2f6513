"""core: which messages are traced, and which items deliver them. Tracing changes nothing that anybody reads."""

from __future__ import annotations

import pytest

from mpchat.core.tracing import MOST_A_SECOND, Marked, Tracing
from mpchat.messages import TraceWanted
from tests.core.driver import Driver, Person


def room() -> tuple[Driver, Person, Person, Person]:
    """Ana and Beto, one on each of two workers, and Carla by plain text, are in #a."""
    driver = Driver()
    ana, beto, carla = driver.irc("ana"), driver.irc("beto"), driver.plain("carla")
    for person in (ana, beto):
        person.send("JOIN #a")
    carla.send("/join #a")
    return driver, ana, beto, carla


def marked(driver: Driver, wanted: TraceWanted, *said: tuple[Person, str]) -> list[Marked]:
    """What is traced of these lines, each in a block of its own."""
    found: list[Marked] = []
    apply = driver.core.apply

    def noting(block: object) -> object:
        applied = apply(block)  # type: ignore[arg-type]
        found.extend(applied.marked)
        return applied

    driver.core.tracing = Tracing([wanted])
    driver.core.apply = noting  # type: ignore[method-assign, assignment]
    for person, line in said:
        person.send(line)
    return found


def test_a_message_is_marked_with_the_items_that_deliver_it() -> None:
    driver, ana, beto, carla = room()
    before = [len(worker.output) for worker in driver.workers]

    (mark,) = marked(driver, (7, 0, "", "", 1, False), (ana, "PRIVMSG #a :hola"))

    assert (mark.trace, mark.connection, mark.is_private) == (7, ana.id, False)
    assert mark.end == driver.core.inputs(ana.worker)[0][1], "the offset behind the line"
    assert {worker for worker, _ in mark.items} == {beto.worker, carla.worker}
    assert before == [len(worker.output) for worker in driver.workers]


@pytest.mark.parametrize(
    ("wanted", "traced"),
    [
        ((1, 0, "", "", 9, False), [1, 2, 3]),
        ((1, 0, "ANA", "", 9, False), [1, 3]),
        ((1, 0, "", "mundo", 9, False), [2, 3]),
        ((1, 0, "ana", "mundo", 9, False), [3]),
        ((1, 0, "nadie", "", 9, False), []),
        ((1, 0, "", "", 2, False), [1, 2]),
        ((1, 1, "", "", 9, False), []),  # since a moment that is not yet
        ((1, 0, "", "", 9, True), [1, 2, 3, 4]),
        ((1, 0, "", "secreto", 9, False), []),
    ],
)
def test_which_ones_are_wanted(wanted: TraceWanted, traced: list[int]) -> None:
    driver, ana, beto, _ = room()
    said = [
        (ana, "PRIVMSG #a :hola"),
        (beto, "PRIVMSG #a :mundo"),
        (ana, "PRIVMSG #a :hola mundo"),
        (ana, "PRIVMSG beto :secreto"),
    ]

    found = marked(driver, wanted, *said)

    ends = [(ana.id, 1), (beto.id, 2), (ana.id, 3), (ana.id, 4)]
    assert len(found) == len(traced)
    assert [mark.connection for mark in found] == [ends[number - 1][0] for number in traced]
    assert [mark.is_private for mark in found] == [number == 4 for number in traced]


def test_what_is_refused_or_no_message_is_not_traced() -> None:
    driver, ana, beto, _ = room()

    found = marked(
        driver,
        (1, 0, "", "", 9, True),
        (ana, "PRIVMSG #nowhere :hola"),
        (ana, "TOPIC #a :hola"),
        (beto, "PING hola"),
    )

    assert found == []


def test_a_plain_line_and_a_plain_private_one_are_messages() -> None:
    driver, _, _, carla = room()

    found = marked(driver, (1, 0, "carla", "", 9, True), (carla, "hola"), (carla, "/msg ana hola"))

    assert [mark.is_private for mark in found] == [False, True]


def test_of_a_flood_some_are_followed() -> None:
    driver, ana, _, _ = room()

    found = marked(driver, (1, 0, "", "", 99, False), *[(ana, f"PRIVMSG #a :{n}") for n in range(MOST_A_SECOND + 5)])
    assert len(found) == MOST_A_SECOND
    driver.pass_time(1)
    ana.send("PRIVMSG #a :later")
    assert len(found) == MOST_A_SECOND + 1


def test_tracing_changes_no_item() -> None:
    traced, plain = room(), room()
    traced[0].core.tracing = Tracing([(1, 0, "", "", 9, True)])
    for number, line in ((1, "PRIVMSG #a :hola"), (2, "PRIVMSG ana :hola"), (1, "PART #a")):
        assert traced[number].send(line) == plain[number].send(line)  # type: ignore[union-attr]
    assert traced[0].core.dump() == plain[0].core.dump()


def test_a_trace_goes_on_when_another_begins() -> None:
    driver, ana, _, _ = room()
    marked(driver, (1, 0, "", "", 2, False), (ana, "PRIVMSG #a :uno"))
    former = driver.core.tracing
    assert former is not None
    driver.core.tracing = Tracing([(1, 0, "", "", 2, False), (2, 0, "", "", 1, False)])
    driver.core.tracing.go_on(former)
    found: list[Marked] = []
    for text in ("dos", "tres"):
        found += driver.core.apply(
            [("line", ana.id, ana.sent + 100 * len(found) + 100, b"PRIVMSG #a :%s" % text.encode())]
        ).marked

    assert [mark.trace for mark in found] == [1, 2], "the first has followed one before, and wanted two"
