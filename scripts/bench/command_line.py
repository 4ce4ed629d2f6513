"""What the three benchmarks have in common on the command line, and how they tell how far they are."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NoReturn

from scripts.bench.subject import ROOT


class OneLineParser(argparse.ArgumentParser):
    """argparse would put the whole usage in front of what is wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (--help shows what there is)\n")


def one_of(names: Collection[str]) -> Callable[[str], str]:
    def chosen(word: str) -> str:
        if word not in names:
            raise argparse.ArgumentTypeError(f"there is no {word!r}, only {', '.join(names)}")
        return word

    return chosen


def list_of(names: Collection[str]) -> Callable[[str], list[str]]:
    one = one_of(names)
    return lambda words: [one(word) for word in words.split(",")]


def positive_seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 86_400:
        raise argparse.ArgumentTypeError(f"a number above 0, not {text}")
    return value


def add_rounds_and_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rounds", type=int, choices=range(1, 100), metavar="N", default=3, help="default: %(default)s"
    )
    folder = ROOT / "build" / "bench"
    parser.add_argument("--out", type=Path, default=folder, metavar="DIR", help="default: build/bench")


def end_like_an_interrupt() -> None:
    """A signal that ends this process ends the servers too, as Ctrl-C does: else they would be left behind."""
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.default_int_handler)


def tell(progress: str) -> None:
    """On a terminal each line of progress takes the place of the one before, and "" leaves none."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{progress}", end="", file=sys.stderr, flush=True)
    elif progress:
        print(progress, file=sys.stderr, flush=True)
