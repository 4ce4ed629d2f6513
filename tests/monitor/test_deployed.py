"""What is deployed for the exporter, as far as it can be read without Prometheus and Grafana."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
RULES = (ROOT / "scripts/deploy/mpchat.rules.yml").read_text()
DASHBOARD = json.loads((ROOT / "scripts/deploy/grafana-dashboard.json").read_text())


def test_each_metric_has_a_panel_or_a_rule() -> None:
    """But those that say what is told by another one."""
    used = " ".join(target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]) + RULES
    named = set(re.findall(r"mpchat_[a-z_]+", (ROOT / "README.md").read_text()))
    unused = {name for name in named if not re.search(rf"\b{name}\b", used)}
    assert unused == {
        "mpchat_build_info",
        "mpchat_process_start_time_seconds",
        "mpchat_process_private_memory_bytes",
    }


def test_the_readmes_have_each_alert_and_no_other() -> None:
    alerts = re.findall(r"(?m)^      - alert: (\w+)$", RULES)
    assert len(alerts) == len(set(alerts)) > 5
    for readme in ("README.md", "README.es.md"):
        rows = [line for line in (ROOT / readme).read_text().splitlines() if line.startswith("| `Mpchat")]
        named = [name for row in rows for name in re.findall(r"`(Mpchat\w+)`", row.split(" | ")[0])]
        assert sorted(named) == sorted(alerts), readme


def test_the_dashboard_asks_for_its_datasource() -> None:
    (asked,) = DASHBOARD["__inputs"]
    assert (asked["name"], asked["type"], asked["pluginId"]) == ("DS_PROMETHEUS", "datasource", "prometheus")
    wanted = {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}
    for panel in DASHBOARD["panels"]:
        assert panel["datasource"] == wanted
        assert all(target["datasource"] == wanted for target in panel["targets"])


def test_each_panel_is_of_the_server_that_is_chosen() -> None:
    """Several servers have the same roles: without a choice their lines would be one another's."""
    (variable,) = DASHBOARD["templating"]["list"]
    assert (variable["name"], variable["query"]["query"]) == ("instance", "label_values(mpchat_up, instance)")
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            chosen = re.sub(r'\bmpchat_\w+\{instance="\$instance"\}', "", target["expr"])
            assert "mpchat_" not in chosen, target["expr"]


def test_each_alert_says_of_which_server_it_is() -> None:
    summaries = re.findall(r"(?m)^          summary(?:_es)?: (?:>-\n +)?\"?(.*)", RULES)
    assert len(summaries) == 2 * RULES.count("- alert: ")
    assert [each for each in summaries if not each.startswith("{{ $labels.instance }}: ")] == []


def test_its_panels_have_places_of_their_own_and_titles_in_both_languages() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    cells = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    assert all(panel["title"].count(" / ") == 1 for panel in panels)
