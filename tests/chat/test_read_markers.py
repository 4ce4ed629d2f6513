"""chat/read_markers: they go forward only, and there are only so many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mpchat.chat.read_markers import Owner, ReadMarkers
from mpchat.messages import ConnectionId

OWNERS: list[Owner] = ["ana", "beto", ConnectionId(1)]


def test_a_marker_goes_forward_only() -> None:
    markers = ReadMarkers(10, 10)
    assert markers.time("ana", "#a") is None
    assert markers.move("ana", "#a", 5)
    assert not markers.move("ana", "#a", 5)
    assert not markers.move("ana", "#a", 4)
    assert markers.time("ana", "#a") == 5
    assert markers.move("ana", "#a", 6)
    assert (markers.time("ana", "#a"), markers.time("beto", "#a")) == (6, None)


def test_the_oldest_of_one_owner_goes_and_none_of_another() -> None:
    markers = ReadMarkers(2, 10)
    for owner, target, time in (
        ("beto", "#a", 1),
        ("ana", "#a", 1),
        ("ana", "#b", 1),
        ("ana", "#a", 2),
        ("ana", "#c", 1),
    ):
        markers.move(owner, target, time)
    assert markers.values() == [("beto", "#a", 1), ("ana", "#a", 2), ("ana", "#c", 1)]


def test_the_oldest_of_all_goes() -> None:
    markers = ReadMarkers(10, 2)
    for owner, target, time in (("beto", "#a", 1), ("ana", "#a", 1), ("beto", "#a", 2), ("ana", "#b", 1)):
        markers.move(owner, target, time)
    assert markers.values() == [("beto", "#a", 2), ("ana", "#b", 1)], "a marker that has moved is as good as new"


def test_what_does_not_move_grows_no_younger() -> None:
    markers = ReadMarkers(10, 2)
    for owner, time in (("ana", 5), ("beto", 5), ("ana", 4), ("carla", 5)):
        markers.move(owner, "#a", time)
    assert markers.values() == [("beto", "#a", 5), ("carla", "#a", 5)]


def test_who_leaves_leaves_none_behind() -> None:
    markers = ReadMarkers(10, 10)
    markers.move(ConnectionId(1), "#a", 1)
    markers.move(ConnectionId(2), "#a", 1)
    markers.forget(ConnectionId(1))
    markers.forget(ConnectionId(1))
    assert markers.values() == [(2, "#a", 1)]


@given(st.lists(st.tuples(st.sampled_from([*OWNERS, None]), st.sampled_from("abcd"), st.integers(0, 9))))
def test_it_never_has_more_and_loads_what_it_had(moves: list[tuple[Owner | None, str, int]]) -> None:
    """None: the session of the others leaves."""
    markers, loaded = ReadMarkers(3, 5), ReadMarkers(3, 5)
    for owner, target, time in moves:
        if owner is None:
            markers.forget(ConnectionId(1))
        elif markers.move(owner, target, time):
            assert markers.time(owner, target) == time
        assert len(markers) <= 5
        assert all(len([each for each in markers.values() if each[0] == one]) <= 3 for one in OWNERS)
    loaded.load(markers.values())
    for owner, target, time in moves:  # the same goes on the same way
        if owner is not None:
            assert markers.move(owner, target, time + 5) == loaded.move(owner, target, time + 5)
            assert markers.values() == loaded.values()
