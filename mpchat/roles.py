"""Which function is the main of which role. cli.py hands one of these down: no process package knows another."""

from collections.abc import Callable


def load() -> dict[str, Callable[..., None]]:
    """Each role's main(control, log, settings, scoreboard, ...), without a worker's number.

    To be called in a child: it imports what the process runs. Raises whatever the import of changed code raises.
    """
    from mpchat.acceptor import acceptor
    from mpchat.authenticator import authenticator
    from mpchat.broker import broker
    from mpchat.recorder import recorder
    from mpchat.worker import worker

    return {
        "acceptor": acceptor.main,
        "authenticator": authenticator.main,
        "broker": broker.main,
        "recorder": recorder.main,
        "worker": worker.main,
    }


def load_with_front() -> dict[str, Callable[..., None]]:
    """The same where there are TLS ports. Where there are none, no process is larger by all that is OpenSSL."""
    from mpchat.front import front

    return {**load(), "front": front.main}
