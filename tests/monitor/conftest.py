"""Sentences are read in English, whatever the locale."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mpchat import texts


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    before = texts.spoken()
    texts.use("en")
    yield
    texts.use(before)
