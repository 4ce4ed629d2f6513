"""What was measured, as pictures (SVG), by the library pygal. Where it is not installed there are none."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.bench.figures import Results
from scripts.bench.scenarios import SCENARIOS

_WHAT = {"rate": ("rate", False), "latency": ("p99", True), "memory": ("each_idle", True)}  # and: is less better?


def can_draw() -> bool:
    return importlib.util.find_spec("pygal") is not None


def draw_peers(results: Results, path: Path) -> None:
    """How many times as good as the best judge each server is, in each scenario; without judges, as the best of all."""
    import pygal

    chart = pygal.Bar(
        **_look(f"How many times as good as the best of {', '.join(results.judges or results.servers)}"),
        x_title="S4 and S8: p99; S7: memory; the others: how many a second",
        logarithmic=True,
    )
    compared = [scenario for scenario in results.rounds if SCENARIOS[scenario].is_compared]
    chart.x_labels = compared
    for server in results.servers:
        chart.add(server, [_relative(results, scenario, server) for scenario in compared])
    chart.render_to_file(str(path))


def _relative(results: Results, scenario: str, server: str) -> float | None:
    what, is_low = _WHAT[SCENARIOS[scenario].kind]
    value = results.median(scenario, server, what)
    best = results.best(scenario, results.judges or results.servers, what, is_low)
    if not value or not best:
        return None
    return best / value if is_low else value / best


def draw_growth(title: str, unit: str, sizes: Sequence[str], lines: dict[str, list[float | None]], path: Path) -> None:
    """Lines over sizes, each with a value for each of them."""
    import pygal

    chart = pygal.Line(**_look(title), logarithmic=True, x_title=unit, y_title="CPU us for one delivery")
    chart.x_labels = sizes
    for name, values in lines.items():
        chart.add(name, values)
    chart.render_to_file(str(path))


def _look(title: str) -> dict[str, Any]:
    """No script, nothing from elsewhere, and the same file for the same figures."""
    from pygal.style import LightColorizedStyle

    style = LightColorizedStyle(font_family="sans-serif", background="white", plot_background="white")
    return {
        "title": title,
        "style": style,
        "js": [],
        "no_prefix": True,
        "width": 1000,
        "height": 520,
        "legend_at_bottom": True,
    }
