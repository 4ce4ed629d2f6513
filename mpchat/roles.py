"""Which function is the main of which role. cli.py hands load() down, so that no process package knows another."""

from collections.abc import Callable


def load() -> dict[str, Callable[..., None]]:
    """Each role's main(control, log, settings, scoreboard, ...), without a worker's number.

    To be called in a child: it imports what the process runs. Raises whatever the import of changed code raises.
    """
    from mpchat.acceptor import acceptor
    from mpchat.broker import broker
    from mpchat.front import front
    from mpchat.recorder import recorder
    from mpchat.worker import worker

    return {
        "acceptor": acceptor.main,
        "broker": broker.main,
        "front": front.main,
        "recorder": recorder.main,
        "worker": worker.main,
    }
