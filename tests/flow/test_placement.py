"""flow/placement: which worker gets the next client."""

import pytest

from mpchat.flow.placement import least_loaded


@pytest.mark.parametrize(("clients", "worker"), [([0], 0), ([0, 0], 0), ([3, 2, 2], 1), ([1, 2, 0], 2)])
def test_the_least_loaded_the_first_of_equals(clients: list[int], worker: int) -> None:
    assert least_loaded(clients) == worker
