"""Groups against the simplest model: sets of members, and for each a list of what they were told."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpchat.protocol.dialect import DIALECTS
from mpchat.settings import Settings
from mpchat.worker.connection import Connection, Limits
from mpchat.worker.groups import Groups

ALL = 1 << 30


@pytest.fixture
def people() -> Iterator[list[Connection]]:
    with make_people(4) as it:
        yield it


class make_people:
    """Connections, none of which ever sends: the tests look into the outboxes."""

    def __init__(self, count: int) -> None:
        self.sock = socket.socket()
        self.limits = Limits(Settings())
        self.count = count

    def __enter__(self) -> list[Connection]:
        return [Connection(id, self.sock, DIALECTS["irc"], "127.0.0.1", self.limits) for id in range(1, self.count + 1)]

    def __exit__(self, *_: object) -> None:
        self.sock.close()


def turn(groups: Groups) -> dict[int, bytes]:
    """The bytes each was told, in pieces of whatever size; as a flush does, empties the outboxes."""
    pending = groups.take_pending(ALL)
    told = {connection.id: b"".join(connection.to_send) for connection in pending}
    assert len(told) == len(pending), "each comes once"
    for connection in pending:
        connection.to_send.clear()
    return {id: text for id, text in told.items() if text}


def test_everybody_but_the_sender(people: list[Connection]) -> None:
    groups = Groups()
    for who in people[:3]:
        groups.join(7, who)
    groups.cast((7,), b"hola", 2)
    assert turn(groups) == {1: b"hola", 3: b"hola"}
    assert turn(groups) == {}
    assert groups.deliveries == 2


def test_whoever_is_in_several_groups_hears_it_once(people: list[Connection]) -> None:
    groups = Groups()
    for number in (7, 8):
        groups.join(number, people[0])
    groups.join(7, people[1])
    groups.join(8, people[2])
    groups.cast((7, 8), b"ana quit", 0)
    assert turn(groups) == {1: b"ana quit", 2: b"ana quit", 3: b"ana quit"}


def test_who_leaves_in_the_same_turn_still_gets_what_was_said_before(people: list[Connection]) -> None:
    """A KICK is cast to the group, and then its victim leaves: they must read it."""
    groups = Groups()
    groups.join(7, people[0])
    groups.join(7, people[1])
    groups.cast((7,), b"KICK", 0)
    groups.leave(7, people[1])
    groups.cast((7,), b"good riddance", 0)
    assert turn(groups) == {1: b"KICKgood riddance", 2: b"KICK"}


def test_the_last_to_leave_gets_it_too(people: list[Connection]) -> None:
    groups = Groups()
    groups.join(7, people[0])
    groups.cast((7,), b"PART", 0)
    groups.leave(7, people[0])
    assert turn(groups) == {1: b"PART"}
    groups.join(7, people[1])  # the group is a new one
    groups.cast((7,), b"hola", 0)
    assert turn(groups) == {2: b"hola"}


def test_who_comes_in_the_same_turn_hears_nothing_of_before(people: list[Connection]) -> None:
    groups = Groups()
    groups.join(7, people[0])
    groups.cast((7,), b"before", 0)
    groups.join(7, people[1])
    groups.cast((7,), b"after", 0)
    assert turn(groups) == {1: b"beforeafter", 2: b"after"}


def test_answers_and_casts_keep_their_order(people: list[Connection]) -> None:
    groups = Groups()
    groups.join(7, people[0])
    groups.send(people[0], b"1")
    groups.cast((7,), b"2", 0)
    groups.send(people[0], b"3")
    assert turn(groups) == {1: b"123"}


def test_who_is_left_out_of_one_group_hears_nothing_of_another(people: list[Connection]) -> None:
    groups = Groups()
    groups.join(7, people[0])
    groups.join(7, people[1])
    groups.join(8, people[2])
    groups.cast((7,), b"from 1", 1)
    groups.cast((8,), b"to 3", 0)
    groups.send(people[0], b"to 1")
    assert turn(groups) == {1: b"to 1", 2: b"from 1", 3: b"to 3"}


def test_touched_is_looked_at_though_nothing_was_said(people: list[Connection]) -> None:
    groups = Groups()
    groups.touch(people[2])
    groups.touch(people[2])
    assert groups.take_pending(ALL) == [people[2]]
    assert groups.take_pending(ALL) == []


def test_who_is_settled_has_all_so_far_and_gets_the_rest_too(people: list[Connection]) -> None:
    """In the middle of a run their outbox tells how much they were sent."""
    groups = Groups()
    for person in people[:2]:
        groups.join(1, person)
    groups.cast((1,), b"a", 0)
    groups.cast((1,), b"b", 0)
    for person in (people[0], people[2]):
        groups.settle(person)
    assert [b"".join(person.to_send) for person in people] == [b"ab", b"", b"", b""]
    groups.cast((1,), b"c", 0)

    assert turn(groups) == {1: b"abc", 2: b"abc"}


def test_who_is_forgotten_is_not_sent_what_was_said(people: list[Connection]) -> None:
    groups = Groups()
    groups.send(people[0], b"1")
    groups.send(people[1], b"2")
    groups.forget(people[0])
    assert turn(groups) == {2: b"2"}


def test_cleared_there_are_no_groups_and_nobody_was_told_anything(people: list[Connection]) -> None:
    """In the middle of a run, too: its new beginning has nothing to do with it."""
    groups = Groups()
    groups.join(7, people[0])
    groups.join(7, people[1])
    groups.cast((7,), b"hola", 1)
    groups.clear()
    for who in people:
        who.to_send.clear()
    assert turn(groups) == {}
    groups.join(7, people[2])
    groups.cast((7,), b"again", 0)
    assert turn(groups) == {3: b"again"}


_ACTS = st.tuples(
    st.sampled_from(["join", "leave", "cast", "cast both", "send", "turn"]),
    st.integers(1, 3),  # a group
    st.integers(1, 4),  # somebody
)


@settings(deadline=None)
@given(st.lists(_ACTS, min_size=30, max_size=80))
def test_as_the_model_says(acts: list[tuple[str, int, int]]) -> None:
    with make_people(4) as people:
        groups = Groups()
        members: dict[int, set[int]] = {1: set(), 2: set(), 3: set()}
        expected: dict[int, bytes] = {}
        delivered = 0
        for number, (act, group, who) in enumerate([*acts, ("turn", 1, 1)]):
            text = b"<%d>" % number
            heard: set[int] = set()
            if act == "join" and who not in members[group]:
                groups.join(group, people[who - 1])
                members[group].add(who)
            elif act == "leave" and who in members[group]:
                groups.leave(group, people[who - 1])
                members[group].remove(who)
            elif act == "cast" and members[group]:
                groups.cast((group,), text, who)
                heard = members[group] - {who}
                delivered += len(heard)
            elif act == "cast both" and all(members[each] for each in {group, 1}):
                groups.cast(tuple({group, 1}), text, who)
                heard = (members[group] | members[1]) - {who}
                delivered += len(heard)
            elif act == "send":
                groups.send(people[who - 1], text)
                heard = {who}
            elif act == "turn":
                assert turn(groups) == expected
                expected = {}
            for id in heard:
                expected[id] = expected.get(id, b"") + text
        assert groups.deliveries == delivered


def test_who_has_waited_longest_comes_first(people: list[Connection]) -> None:
    groups = Groups()
    for connection in people:
        groups.join(1, connection)
    groups.cast((1,), b"one ", 0)
    assert groups.take_pending(3) == people[:3]
    assert groups.has_pending
    groups.cast((1,), b"two ", 0)
    assert groups.take_pending(2) == [people[3], people[0]]
    assert [b"".join(connection.to_send) for connection in people] == [b"one two "] * 4
    assert groups.take_pending(2) == people[1:3]
    assert not groups.has_pending


def test_a_run_that_has_not_ended_is_pending(people: list[Connection]) -> None:
    groups = Groups()
    groups.join(1, people[0])
    assert not groups.has_pending
    groups.cast((1,), b"one ", 0)
    assert groups.has_pending
    groups.forget_pending()
    assert not groups.has_pending
    assert people[0].to_send == [b"one "]


def test_of_very_many_a_part_comes_at_once() -> None:
    with make_people(1000) as people:
        groups = Groups()
        for connection in people:
            groups.touch(connection)
        assert [len(groups.take_pending(8)) for _ in range(3)] == [15, 15, 15]
        while groups.has_pending:
            some = groups.take_pending(8)
        assert len(some) <= 8
