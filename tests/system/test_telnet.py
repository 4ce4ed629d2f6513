"""Telnet's commands and its Return, cut by a death: the line is read as if nobody had died."""

from __future__ import annotations

import pytest

from tests.running import LineClient, Server
from tests.system.servers import kill, needs_linux, replaced, status, until, unusual

pytestmark = needs_linux


def heard_of(server: Server, client: LineClient, data: bytes) -> None:
    """Send something that nothing is answered to, and wait until the worker has given it to the broker."""

    def records() -> int:
        return int(status(server)["worker0"]["records"])

    before = records()
    client.send_bytes(data)
    until(lambda: records() > before)


@pytest.mark.parametrize("role", ["broker", "worker0"])
def test_in_the_middle_of_a_command_and_of_a_return(role: str) -> None:
    """The command holds two bytes that end lines elsewhere."""
    with unusual("--workers", "1") as server, server.plain("eva") as eva, server.plain("fede") as fede:
        eva.expect("fede joined")
        heard_of(server, eva, b"ma\xff\xfa\x1f\x00\n\x00")
        replaced(server, kill(server, role), role)
        heard_of(server, eva, b"\n\xff\xf0\xc3\xb1ana\r")
        replaced(server, kill(server, role), role)
        eva.send_bytes(b"\x00")
        assert fede.read().endswith(" <eva> mañana")
        assert eva.ask() == []
