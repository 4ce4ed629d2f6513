"""mpchat events: what happens to the processes of a server, a line for each, as it happens or what is kept of it."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from mpchat.ipc.control_socket import Follower
from mpchat.monitor.events import as_line
from mpchat.monitor.waiting import Waiting
from mpchat.texts import t


class Refused(Exception):
    """The server does not do it, for the reason that it says."""


def follow(
    path: Path,
    goes_on: bool,
    as_json: bool,
    show: Callable[[str], None],
    tell: Callable[[str], None],
    output: int | None,
) -> bool:
    """Show the kept events; if it `goes_on` those that come, until Ctrl-C, or until the reader of `output` leaves.

    Returns whether it was not the server that ended it. Raises OSError, and Refused.
    """
    with (
        closing(Follower(path, {"command": "events", "follow": goes_on})) as follower,
        closing(Waiting(follower, output)) as waiting,
    ):
        has_any = False
        while not (follower.ended or waiting.is_over):
            waiting.wait(None)
            for each in follower.take():
                if each.get("ok") is False:
                    raise Refused(str(each.get("said", "")))
                if each.get("kind") == "event":
                    has_any = True
                    show(json.dumps(each) if as_json else as_line(each))
        if not has_any and not goes_on:
            tell(t("events.none"))
        return waiting.is_over or not goes_on
