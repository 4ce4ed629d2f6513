from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.authenticator.chain import Chain


@pytest.fixture
def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chain]:
    monkeypatch.chdir(tmp_path)  # the authenticator works in the data directory
    it = Chain(tmp_path)
    yield it
    it.close()
