"""mpchat top without its screen: pictures of a running server as text or JSON, for pipes, programs and screen readers.

It waits on the control socket alone. With a screen it is screen.py, which this module calls.
"""

import json
import os
import select
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from mpchat.ipc.control_socket import Follower
from mpchat.monitor.course import as_json
from mpchat.monitor.following import Refused
from mpchat.monitor.observer import Lost, Observer
from mpchat.monitor.picture import ENDLESS, Picture, as_text, render
from mpchat.texts import spoken, t

PLAIN_SECONDS = 2.0  # between two pictures that somebody reads
_ANSWER_SECONDS = 5.0  # for the first picture
_COLUMNS = 132  # where there is no terminal: all columns fit


class Failed(Exception):
    """There is nothing to show, or nothing more: its text says why. Exit status 1."""


@dataclass(frozen=True)
class Options:
    port: int
    once: bool = False
    json: bool = False
    plain: bool = False
    has_colours: bool = True
    bars: str = ""  # the letters of a sparkline, the lowest first

    @property
    def has_screen(self) -> bool:
        return not (self.once or self.json or self.plain)


def run(follower: Follower, follow: Callable[[], Follower], options: Options) -> int:
    """Show the server behind `follower`, and after a loss the one behind follow(), which raises OSError if none is.

    Returns the exit status. Raises Failed.
    """
    if not options.has_screen:
        return _print_pictures(follower, options)
    try:
        from mpchat.monitor import screen
    except ImportError as missing:
        if not (missing.name or "").startswith("prompt_toolkit"):
            raise
        follower.close()
        raise Failed(t("top.no_screen")) from None
    return screen.run(follower, follow, options)


def _print_pictures(follower: Follower, options: Options) -> int:
    """From the second snapshot on: rates need two."""
    observer = Observer(follower)
    next_at, seen = 0.0, 0
    give_up_at = time.monotonic() + _ANSWER_SECONDS
    try:
        while True:
            wait = None if next_at else max(0.0, give_up_at - time.monotonic())
            if not select.select([observer], [], [], wait)[0]:
                raise Failed(t("top.silent_server", port=options.port))
            if not observer.take():
                continue
            facts = observer.facts
            now = time.monotonic()
            if facts is None or facts.taken < 2 or (now < next_at and not options.json):
                continue
            if options.json:
                print(json.dumps(as_json(facts, seen)), flush=True)
                seen = max([seen, *(event["number"] for event in facts.events)])
            else:
                if next_at:
                    print()
                picture = Picture(options.port, facts, spoken(), options.bars, has_keys=False)
                print(as_text(render(picture, _columns(), ENDLESS)), flush=True)
            if options.once:
                return 0
            next_at = max(next_at + PLAIN_SECONDS, now)
    except Refused as refusal:
        raise Failed(t("top.refused", said=refusal)) from None
    except Lost:
        raise Failed(t("top.lost", port=options.port)) from None
    finally:
        observer.close()


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or _COLUMNS
    except (OSError, ValueError):  # no terminal
        return _COLUMNS
