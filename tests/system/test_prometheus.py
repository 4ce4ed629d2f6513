"""The real Prometheus, with the project's configuration, rules and dashboard, on a real server whose worker dies."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.running import PATIENCE, Server, ended, running
from tests.system.exporting import Exporter, exporting
from tests.system.servers import kill, needs_linux, ready, replaced, until
from tests.system.tls import Pair

is_missing = shutil.which("prometheus") is None or shutil.which("promtool") is None
needs_prometheus = pytest.mark.skipif(is_missing, reason="prometheus is not here")
pytestmark = [needs_linux, pytest.mark.surroundings, needs_prometheus]

DEPLOYED = Path(__file__).parent.parent.parent / "scripts" / "deploy"
DASHBOARD = json.loads((DEPLOYED / "grafana-dashboard.json").read_text())
EXPRESSIONS = sorted({target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]})
MONITORING_SECONDS = 30.0  # until Prometheus has seen enough, on a machine with other things to do


def checked(*args: str) -> str:
    done = subprocess.run(["promtool", "check", *args], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def hurried(name: str, folder: Path, *changes: tuple[str, str]) -> None:
    """A deployed file, copied with other values in some places, each of which must be there."""
    text = (DEPLOYED / name).read_text()
    for pattern, value in changes:
        text, count = re.subn(pattern, value, text)
        assert count, f"{name} has no {pattern}"
    (folder / name).write_text(text)


class Prometheus:
    def __init__(self, folder: Path, target: str) -> None:
        """With all that is deployed but for the target, and for how long things take."""
        self.target = target
        every = (r"(?m)^(  (?:scrape|evaluation)_interval:) \w+", r"\1 250ms")
        hurried("prometheus.yml", folder, every, (r"127\.0\.0\.1:9667", target))
        hurried("mpchat.rules.yml", folder, (r"(?m)^(        for:) \w+$", r"\1 1s"))
        checked("config", str(folder / "prometheus.yml"))
        self.process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--web.listen-address=127.0.0.1:0",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.url = ""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if found := re.search(r'msg="?Listening on"? address=(\S+)', line):
                self.url = f"http://{found[1]}"
            if "Server is ready" in line:
                return
        raise AssertionError("it has ended")

    def ask(self, what: str, **parameters: str) -> Any:
        """`data` of its answer; an invalid query is an error of HTTP."""
        url = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            told = json.load(answer)
        assert told["status"] == "success"
        return told["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Of a panel, too: then of the one server that there is."""
        expression = expression.replace("$instance", self.target)
        found: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return found

    def firing(self) -> set[tuple[str, str]]:
        """The alerts, with the role that each is about."""
        alerts = self.ask("alerts")["alerts"]
        return {
            (each["labels"]["alertname"], each["labels"].get("role", ""))
            for each in alerts
            if each["state"] == "firing"
        }

    def stop(self) -> None:
        self.process.terminate()
        try:
            ended(self.process, PATIENCE)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            assert self.process.stderr is not None
            self.process.stderr.close()


class Watched(NamedTuple):
    server: Server
    exporter: Exporter
    prometheus: Prometheus


@contextmanager
def watching(folder: Path, *args: str) -> Iterator[Watched]:
    """A server, its exporter, and Prometheus."""
    with running("--workers", "2", "--unlimited", "--keep-journal", *args) as server:
        until(lambda: ready(server))
        with exporting(server.environment, server.irc_port) as exporter:
            prometheus = Prometheus(folder, f"{exporter.host}:{exporter.port}")
            try:
                yield Watched(server, exporter, prometheus)
            finally:
                prometheus.stop()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, pair: Pair) -> Iterator[Watched]:
    with watching(tmp_path_factory.mktemp("prometheus"), "--tls-port", "0", *pair.options) as it:
        yield it


def rules(prometheus: Prometheus) -> dict[str, dict[str, Any]]:
    (group,) = prometheus.ask("rules")["groups"]
    return {rule["name"]: rule for rule in group["rules"]}


def test_promtool_accepts_what_is_deployed() -> None:
    names = re.findall(r"(?m)^      - alert: (\w+)$", (DEPLOYED / "mpchat.rules.yml").read_text())
    assert f"{len(names)} rules found" in checked("rules", str(DEPLOYED / "mpchat.rules.yml"))
    assert "is valid prometheus config file syntax" in checked("config", str(DEPLOYED / "prometheus.yml"))


def test_it_scrapes(watched: Watched) -> None:
    until(lambda: watched.prometheus.query("mpchat_up == 1"), MONITORING_SECONDS)
    (target,) = watched.prometheus.ask("targets")["activeTargets"]
    assert (target["health"], target["lastError"], target["labels"]["job"]) == ("up", "", "mpchat")


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_each_panel_finds_data(watched: Watched, expression: str) -> None:
    found = until(lambda: watched.prometheus.query(expression), MONITORING_SECONDS)
    assert all(re.fullmatch(r"[-+.e\d]+", each["value"][1]) for each in found), "a number, and neither NaN nor +Inf"


def test_each_rule_is_evaluated_and_says_what_to_look_at(watched: Watched) -> None:
    found = until(
        lambda: (now := rules(watched.prometheus)) and all(each["health"] == "ok" for each in now.values()) and now,
        MONITORING_SECONDS,
    )
    assert {"MpchatRoleDied", "MpchatDown", "MpchatDiskFull", "MpchatSilent", "MpchatNoSpare"} <= set(found)
    for name, rule in found.items():
        watched.prometheus.query(rule["query"])
        assert rule["labels"]["severity"] in ("critical", "warning"), name
        assert set(rule["annotations"]) == {"summary", "summary_es", "description", "description_es"}, name
        commands = [
            re.findall(r"`mpchat [^`]+`", rule["annotations"][text]) for text in ("description", "description_es")
        ]
        assert commands[0], name
        assert sorted(commands[0]) == sorted(commands[1]), name


def test_a_death_wakes_somebody(watched: Watched) -> None:
    """Nothing fires before; then the one alert, with the role in it, and none that says that it is not mended."""
    server, _, prometheus = watched
    death = ("MpchatRoleDied", "worker1")
    until(lambda: prometheus.query('mpchat_process_deaths_total{role="worker1"} == 0'), MONITORING_SECONDS)
    until(lambda: not prometheus.firing(), MONITORING_SECONDS)

    replaced(server, kill(server, "worker1"), "worker1")
    until(lambda: death in prometheus.firing(), MONITORING_SECONDS)
    until(lambda: prometheus.firing() == {death}, MONITORING_SECONDS)
    (alert,) = (each for each in prometheus.ask("alerts")["alerts"] if each["state"] == "firing")
    assert alert["annotations"]["summary"] == f"{prometheus.target}: a process of worker1 has died"
    assert alert["annotations"]["summary_es"] == f"{prometheus.target}: murió un proceso de worker1"


def test_the_end_of_the_server_wakes_somebody_and_so_does_that_of_the_exporter(tmp_path: Path) -> None:
    with watching(tmp_path) as (server, exporter, prometheus):
        until(lambda: prometheus.query("mpchat_up == 1"), MONITORING_SECONDS)
        server.stop()
        until(lambda: prometheus.firing() == {("MpchatDown", "")}, MONITORING_SECONDS)
        exporter.stop()
        until(lambda: prometheus.firing() == {("MpchatExporterDown", "")}, MONITORING_SECONDS)
