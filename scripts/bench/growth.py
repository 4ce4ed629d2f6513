"""How the cost of a delivery grows: `make bench-growth`, or `make bench-growth ARGS='members --workers 1,2'`.

    members   one room of 10 to 5,000, 4 publishers with 8 messages in flight each
    rooms     1 to 500 rooms of 8, 2 publishers in each with 2 in flight each
    clients   2 to 1,000 clients, two by two, with one private message in flight each

For each of these sizes servers with 1, 2 and 4 workers are up at once and loaded in turn, in several rounds; the figure
is CPU time of all of a server's processes for one delivery, the median of the rounds: what noise spares most. Every
delivery is checked. A table of each is printed; written are all figures as JSON, and a picture of each.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from scripts.bench import pictures
from scripts.bench.command_line import (
    OneLineParser,
    add_rounds_and_folder,
    end_like_an_interrupt,
    list_of,
    one_of,
    tell,
)
from scripts.bench.loads import Load, Meter
from scripts.bench.pairs import Pairs
from scripts.bench.rooms import Rooms
from scripts.bench.subject import Mpchat, Subject
from scripts.bench.tables import table

_WORKERS = (1, 2, 4)


class Growth(NamedTuple):
    title: str
    unit: str  # of the sizes
    sizes: Sequence[int]
    load: Callable[[Subject, int], Load]


GROWTHS = {
    "members": Growth(
        "one room, 4 publishers with 8 messages in flight each",
        "members of the room",
        (10, 30, 100, 300, 1000, 3000, 5000),
        lambda server, size: Rooms(server, 1, size, 4, 8, echo=False),
    ),
    "rooms": Growth(
        "rooms of 8, 2 publishers in each with 2 in flight each",
        "rooms",
        (1, 5, 20, 100, 500),
        lambda server, size: Rooms(server, size, 8, 2, 2, echo=False),
    ),
    "clients": Growth(
        "pairs of clients, one private message in flight in each",
        "clients",
        (2, 10, 50, 200, 1000),
        lambda server, size: Pairs(server, size // 2),
    ),
}

Costs = dict[int, list[float]]  # by the number of workers, a round's CPU us for one delivery


def main() -> int:
    options = _parser().parse_args()
    end_like_an_interrupt()
    kept: dict[str, dict[int, Costs]] = {}
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        for name in options.what or GROWTHS:
            kept[name] = {
                size: _measured(name, size, options.workers, options.rounds, options.ipc)
                for size in GROWTHS[name].sizes
            }
            _report(name, kept[name], options.workers, options.out)
            (options.out / "growth.json").write_text(json.dumps(kept, indent=1) + "\n")
    except KeyboardInterrupt:
        return 130
    finally:
        tell("")
    print(f"bench-growth: kept in {options.out}", file=sys.stderr)
    return 0


def _measured(name: str, size: int, workers: Sequence[int], rounds: int, ipc: str) -> Costs:
    growth = GROWTHS[name]
    costs: Costs = {count: [] for count in workers}
    with ExitStack() as stack:
        meters = {}
        for count in workers:
            tell(f"{growth.unit}: {size:,}, --workers {count}: the clients come")
            options = ("--unlimited", "--workers", str(count), "--plain-port", "none", "--ipc", ipc)
            subject = stack.enter_context(Mpchat(*options, name=f"--workers {count}"))
            meters[count] = Meter(subject, stack.enter_context(closing(growth.load(subject, size))))
        for number in range(rounds):
            for count, meter in meters.items():
                tell(f"{growth.unit}: {size:,}, --workers {count}: round {number + 1} of {rounds}")
                meter.run(1.0)
                costs[count].append(meter.take().cost)
    return costs


def _report(name: str, costs: dict[int, Costs], workers: Sequence[int], out: Path) -> None:
    growth = GROWTHS[name]
    rows = [[f"{size:,}", *(f"{statistics.median(of[count]):.3f}" for count in workers)] for size, of in costs.items()]
    tell("")
    print(f"CPU us for one delivery: {growth.title}\n")
    print("\n".join(table([growth.unit, *(f"--workers {count}" for count in workers)], rows)) + "\n", flush=True)
    if pictures.can_draw():
        lines: dict[str, list[float | None]] = {
            f"--workers {count}": [statistics.median(of[count]) for of in costs.values()] for count in workers
        }
        sizes = [f"{size:,}" for size in costs]
        pictures.draw_growth(growth.title, growth.unit, sizes, lines, out / f"growth-{name}.svg")


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="bench-growth", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("what", nargs="*", type=one_of(GROWTHS), metavar="WHAT", help="default: all three")
    add("--ipc", choices=("queue", "pipe"), default="queue", help="default: %(default)s")
    add("--workers", type=_counts, default=_WORKERS, metavar="N,N", help="default: 1,2,4")
    add_rounds_and_folder(parser)
    return parser


def _counts(words: str) -> list[int]:
    return [int(one) for one in list_of([str(count) for count in range(1, 65)])(words)]


if __name__ == "__main__":
    raise SystemExit(main())
