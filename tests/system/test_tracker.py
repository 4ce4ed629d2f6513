"""multiprocessing's own process, the resource tracker, dies: no client notices, and another is started."""

from __future__ import annotations

import pytest

from tests.running import running
from tests.system.servers import kill, needs_linux, pids, ready, replaced, until

pytestmark = needs_linux


def test_its_death_is_no_news_even_where_warnings_are_errors() -> None:
    """running() sets PYTHONWARNINGS=error, as whoever starts a server may: multiprocessing warns of such a death."""
    with running("--unlimited", "--workers", "2") as server:
        ana = server.irc("ana")
        until(lambda: ready(server))
        before = kill(server, "resource_tracker")
        until(lambda: pids(server)["resource_tracker"] != before["resource_tracker"])
        for role in ("worker0", "broker"):
            replaced(server, kill(server, role), role)
        assert ana.ask() == []
        assert "Warning" not in server.log_text()
        assert "Traceback" not in server.log_text()


@pytest.mark.slow
def test_it_dies_together_with_those_who_need_another_one() -> None:
    roles = ("resource_tracker", "worker0", "worker1", "broker", "spare")
    with running("--unlimited", "--workers", "2") as server:
        ana = server.irc("ana")
        for _ in range(2):
            until(lambda: ready(server))
            replaced(server, kill(server, *roles), *roles)
            assert ana.ask() == []
        assert "Traceback" not in server.log_text()
