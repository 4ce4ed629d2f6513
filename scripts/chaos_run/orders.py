"""Orders: do several views of the same things agree, and in what do two differ? Pure. Nothing is twice in a view."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from graphlib import TopologicalSorter
from itertools import combinations, pairwise
from typing import TypeVar

T = TypeVar("T", bound=Hashable)


def merged(views: Iterable[list[T]]) -> list[T]:
    """An order that all views are part of; CycleError where there is none."""
    before: dict[T, dict[T, None]] = {}
    for view in views:
        for item in view:
            before.setdefault(item, {})
        for one, next_one in pairwise(view):
            before[next_one][one] = None
    return list(TopologicalSorter(before).static_order())


def dissenters(views: Sequence[list[T]]) -> list[int]:
    """Those without whom no two views contradict each other: whoever contradicts most goes first."""
    against: dict[int, set[int]] = {number: set() for number in range(len(views))}
    members = [set(view) for view in views]
    for one, other in combinations(range(len(views)), 2):
        common = members[one] & members[other]
        if [item for item in views[one] if item in common] != [item for item in views[other] if item in common]:
            against[one].add(other)
            against[other].add(one)
    found = []
    while any(against.values()):
        worst = max(against, key=lambda number: len(against[number]))
        for others in against.values():
            others.discard(worst)
        del against[worst]
        found.append(worst)
    return found


def differences(expected: Sequence[T], got: Sequence[T]) -> Iterator[tuple[str, T]]:
    """What is lost, doubled, torn (not expected at all) or reordered in `got`. What is expected is there once."""
    places = {item: place for place, item in enumerate(expected)}
    seen = set()
    latest = -1
    for item in got:
        if item not in places:
            yield "torn", item
        elif item in seen:
            yield "doubled", item
        elif places[item] < latest:
            yield "reordered", item
        seen.add(item)
        latest = max(latest, places.get(item, -1))
    for item in expected:
        if item not in seen:
            yield "lost", item
