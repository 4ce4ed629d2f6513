"""The end of the certificate: whoever runs the server is warned of it as long as the server runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpchat.runtime.log import Log
from mpchat.settings import Certificate, Secrets, Settings
from mpchat.supervisor.reloading import Read
from mpchat.supervisor.supervisor import Supervisor
from tests.system.tls import Authority

HOUR = 3600.0


@pytest.mark.parametrize(("days", "times"), [(3, 3), (30, 0)])
def test_its_end_is_warned_of_once_a_day(
    authority: Authority, capfd: pytest.CaptureFixture[str], days: int, times: int
) -> None:
    pair = authority.sign(f"of{days}", days=days)
    secrets = Secrets(certificate=Certificate(pair.cert.read_bytes(), pair.key.read_bytes()))
    supervisor = Supervisor(Settings(), secrets, Path("/nowhere"), dict, lambda: Read(Settings(), secrets))
    supervisor.log = Log("supervisor", "info", False)
    for hour in range(3 * 24):
        supervisor.look_at_certificate(1000.0 + hour * HOUR)
    assert capfd.readouterr().err.count("the certificate ends soon") == times
