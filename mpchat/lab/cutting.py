"""An exercise is cut from its solution: what stands between two markers goes, and the reader's language stays. Pure.

    # en: TODO 1: put() returns at once; what the pipe does not take is kept.
    # es: TODO 1: put() vuelve enseguida; lo que la tubería no acepta se guarda.
    ### BEGIN SOLUTION
    ...
    ### END SOLUTION

The markers are those of nbgrader. In place of what was between them stands `raise NotImplementedError("TODO 1")`.
"""

import re

_BEGIN, _END = "### BEGIN SOLUTION", "### END SOLUTION"
_TODO = re.compile(r"# (?:\w\w: )?(TODO \d+)")
_TAGGED = re.compile(r"^(\s*)# (en|es): ?(.*)$")


class BadMarkers(Exception):
    """The markers of a solution do not match."""


def cut(solution: str, language: str) -> str:
    """The exercise. One that is cut already, in this language, stays as it is. Raises BadMarkers."""
    return _lines(solution, language, is_cut=True)


def in_language(solution: str, language: str) -> str:
    """The solution, without its markers and the other languages' comments."""
    return _lines(solution, language, is_cut=False)


def regions(solution: str) -> list[list[str]]:
    """The lines between each pair of markers, in their order."""
    found: list[list[str]] = []
    inside = False
    for line in solution.splitlines():
        if line.strip() in (_BEGIN, _END):
            inside = line.strip() == _BEGIN
            if inside:
                found.append([])
        elif inside:
            found[-1].append(line)
    return found


def without_regions(solution: str) -> list[str]:
    """All other lines, the markers left out."""
    lines: list[str] = []
    inside = False
    for line in solution.splitlines():
        if line.strip() in (_BEGIN, _END):
            inside = line.strip() == _BEGIN
        elif not inside:
            lines.append(line)
    return lines


def _lines(solution: str, language: str, is_cut: bool) -> str:
    lines: list[str] = []
    todo, inside = "TODO", False
    for line in solution.splitlines():
        if found := _TODO.search(line):
            todo = found[1]
        if line.strip() in (_BEGIN, _END):
            if inside == (line.strip() == _BEGIN):
                raise BadMarkers(line)
            inside = not inside
            if inside and is_cut:
                lines.append(line.replace(_BEGIN, f'raise NotImplementedError("{todo}")'))
        elif not (inside and is_cut):
            tagged = _TAGGED.match(line)
            if tagged is None:
                lines.append(line)
            elif tagged[2] == language:
                lines.append(f"{tagged[1]}# {tagged[3]}".rstrip())
    if inside:
        raise BadMarkers(_BEGIN)
    return "\n".join(lines) + "\n"
