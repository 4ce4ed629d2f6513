"""An exercise is cut from its solution."""

from __future__ import annotations

import pytest

from mpchat.lab.cutting import BadMarkers, cut, in_language

SOLUTION = """\
def double(number):
    # en: TODO 1: return twice the number.
    # es: TODO 1: devuelve el doble.
    ### BEGIN SOLUTION
    return 2 * number
    ### END SOLUTION


def half(number):
    # en: TODO 2: return half of it.
    # es: TODO 2: devuelve la mitad.
    ### BEGIN SOLUTION
    whole = number / 2
    return whole
    ### END SOLUTION
"""


def test_the_solution_goes_and_the_language_stays() -> None:
    assert cut(SOLUTION, "es") == (
        "def double(number):\n"
        "    # TODO 1: devuelve el doble.\n"
        '    raise NotImplementedError("TODO 1")\n'
        "\n\n"
        "def half(number):\n"
        "    # TODO 2: devuelve la mitad.\n"
        '    raise NotImplementedError("TODO 2")\n'
    )


def test_what_is_cut_already_stays_as_it_is() -> None:
    once = cut(SOLUTION, "en")

    assert cut(once, "en") == once


def test_a_solution_has_no_markers() -> None:
    whole = in_language(SOLUTION, "en")

    assert "SOLUTION" not in whole
    assert "devuelve" not in whole
    assert "return 2 * number" in whole


@pytest.mark.parametrize(
    "source",
    ["### BEGIN SOLUTION\n", "### END SOLUTION\n", "### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION\n"],
)
def test_markers_that_do_not_match_are_an_error(source: str) -> None:
    with pytest.raises(BadMarkers):
        cut(source, "en")
