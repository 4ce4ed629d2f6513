"""What was measured, as Markdown: one table of all, and one of each scenario. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from scripts.bench.figures import Results, Rounds, is_limited, median, span
from scripts.bench.scenarios import SCENARIOS

_LIMITED = "\\*"


def markdown(results: Results) -> str:
    parts = [", ".join(f"{name}: {value}" for name, value in results.about.items()), "", *_overview(results)]
    for scenario in results.rounds:
        parts += ["", f"**{scenario}**: {SCENARIOS[scenario].title}", "", *_details(results, scenario)]
    if any(is_limited(found) for of in results.rounds.values() for found in of.values() if isinstance(found, list)):
        parts += ["", f"{_LIMITED} the load generator had nothing to spare: this server might have done more."]
    return "\n".join(parts) + "\n"


def _overview(results: Results) -> list[str]:
    scenarios = list(results.rounds)
    rows = [[server, *(_cell(results, scenario, server) for scenario in scenarios)] for server in results.servers]
    if results.ours and results.judges:
        for server in results.ours:
            ratios = [_compared(results, scenario, server) for scenario in scenarios]
            rows.append([f"*{server} / the better of {' and '.join(results.judges)}*", *ratios])
    heads = {"rate": "{}/s, CPU us each", "latency": "p50 / p99 ms", "memory": "KiB each"}
    head = [f"{name}: {heads[SCENARIOS[name].kind].format(SCENARIOS[name].unit)}" for name in scenarios]
    return table(["", *head], rows)


def _cell(results: Results, scenario: str, server: str) -> str:
    rounds = results.of(scenario, server)
    if rounds is None:
        return "-"
    kind = SCENARIOS[scenario].kind
    if kind == "memory":
        return f"{median(rounds, 'each_idle') / 1024:.1f}"
    if kind == "latency":
        return f"{median(rounds, 'p50'):.2f} / {median(rounds, 'p99'):.2f}"
    mark = _LIMITED if is_limited(rounds) else ""
    return f"{short(median(rounds, 'rate'))}{mark}, {median(rounds, 'cpu'):.2f}"


def _compared(results: Results, scenario: str, server: str) -> str:
    """Ours to whichever of the judges is best, each figure by itself."""

    def ratio(what: str, is_low: bool) -> str:
        ours, theirs = results.median(scenario, server, what), results.best(scenario, results.judges, what, is_low)
        return f"{ours / theirs:.2f}" if ours is not None and theirs else "-"

    kind = SCENARIOS[scenario].kind
    if not SCENARIOS[scenario].is_compared:
        return "-"
    if kind == "memory":
        return ratio("each_idle", True)
    if kind == "latency":
        return f"{ratio('p50', True)} / {ratio('p99', True)}"
    return f"{ratio('rate', False)}, {ratio('cpu', True)}"


def _details(results: Results, scenario: str) -> list[str]:
    if SCENARIOS[scenario].kind == "memory":
        head = ["", "KiB for each client", "MiB of all"]
    else:
        unit = SCENARIOS[scenario].unit
        head = ["", f"{unit}/s", "(rounds)", f"CPU us for one {unit}", "(rounds)", "p50 ms", "p99", "p99.9"]
        head += ["memory MiB", "generator's share of a core"]
    rows = []
    for server in results.servers:
        found = results.rounds[scenario].get(server)
        if isinstance(found, str):
            rows.append([server, found, *[""] * (len(head) - 2)])
        elif found:
            rows.append([server, *_figures(scenario, found)])
    return table(head, rows)


def _figures(scenario: str, rounds: Rounds) -> list[str]:
    memory = f"{median(rounds, 'memory') / 2**20:.1f}"
    if SCENARIOS[scenario].kind == "memory":
        return [f"{median(rounds, 'each_idle') / 1024:.2f}", memory]
    slowest, fastest = span(rounds, "rate")
    least, most = span(rounds, "cpu")
    latencies = [f"{median(rounds, what):.3f}" for what in ("p50", "p99", "p999")]
    return [
        *(f"{median(rounds, 'rate'):,.0f}", f"{slowest:,.0f} .. {fastest:,.0f}"),
        *(f"{median(rounds, 'cpu'):.3f}", f"{least:.3f} .. {most:.3f}"),
        *(*latencies, memory, f"{median(rounds, 'generator'):.2f}"),
    ]


def short(number: float) -> str:
    """With three digits."""
    for size, sign in ((1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:.3g}{sign}"
    return f"{number:.3g}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]
