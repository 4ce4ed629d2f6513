"""The metrics of a server, made of one snapshot and of what the system says of its processes. Pure.

Names and units are those that Prometheus asks for: seconds, bytes, _total for what only grows. A label says which role
of the server, never who uses it: no nickname, no room, no address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from mpchat import __version__

if TYPE_CHECKING:
    from mpchat.monitor.measuring import Measured, Memory

# Of a role: the server's words (supervisor/), and what only the system knows, as in `mpchat top`.
STATES = ("working", "starting", "silent", "stopped", "disk", "full", "vacant")
_NOT_THERE = ("starting", "vacant")
_UNWATCHED = ("supervisor", "resource_tracker")  # they have no heartbeat
_MIB = 1 << 20
_AGAIN = "It starts again at 0 with the role's next process, as rate() expects."

Sample = tuple[dict[str, str], float]  # labels, value


class Family(NamedTuple):
    name: str
    type: Literal["counter", "gauge"]
    help: str
    samples: list[Sample]


class Seen(NamedTuple):
    """What the system says of a process. None: it does not tell, or the process has ended."""

    measured: Measured | None
    memory: Memory | None
    started_at: float | None  # Unix time
    most_fds: int | None


class Storage(NamedTuple):
    """Bytes. None: there is nothing of the kind, or we may not look."""

    free: int | None
    journal: int | None
    kept: int | None
    history: int | None


def of_exporter(is_up: bool, seconds: float) -> list[Family]:
    """What can be said without a server, too. `seconds`: how long it took to ask."""
    return [
        Family("mpchat_up", "gauge", "Whether the server answers the exporter (1) or not (0).", [({}, float(is_up))]),
        Family("mpchat_build_info", "gauge", "The exporter's version; always 1.", [({"version": __version__}, 1.0)]),
        Family(
            "mpchat_scrape_duration_seconds",
            "gauge",
            "How long the exporter took to ask the server and the system.",
            [({}, seconds)],
        ),
    ]


def of_server(snapshot: dict[str, Any], seen: Mapping[int, Seen], storage: Storage) -> list[Family]:
    """`seen`: by process id. A family of which nothing is known is left out."""
    rows = [row for row in snapshot["processes"] if row["role"] != "spare"]
    families = [*_of_roles(rows, seen), *_of_chat(rows), *_of_processes(rows, seen), *_of_the_whole(snapshot, storage)]
    return [family for family in families if family.samples]


def _of_roles(rows: list[dict[str, Any]], seen: Mapping[int, Seen]) -> Iterable[Family]:
    """What the supervisor knows of each role, whether a process has it or not."""
    states = {row["role"]: _state(row, seen) for row in rows}
    yield Family(
        "mpchat_process_up",
        "gauge",
        "Whether there is a process with this role (1); none, or one that still starts (0). "
        "Not whether it works: mpchat_process_state says that.",
        [({"role": row["role"]}, float(row["state"] not in _NOT_THERE)) for row in rows],
    )
    yield Family(
        "mpchat_process_state",
        "gauge",
        "The state of the role: 1 for one of the states, 0 for the others. "
        "silent: its loop has not turned for a second; stopped: by SIGSTOP; disk: it waits for the disk; "
        "full: the disk takes no more.",
        [
            ({"role": role, "state": state}, float(state == found))
            for role, found in states.items()
            for state in dict.fromkeys((*STATES, found))
        ],
    )
    yield Family(
        "mpchat_process_deaths_total",
        "counter",
        "How many processes of the role have died. It is 0 from the start on, and starts again with the server only.",
        [({"role": row["role"]}, float(row["deaths"])) for row in rows],
    )
    yield Family(
        "mpchat_process_silent_seconds",
        "gauge",
        "How long ago the loop of the role's process has turned: it does four times a second. "
        "Absent where nobody looks: supervisor, resource_tracker, a vacant role.",
        [
            ({"role": row["role"]}, row["silent_ms"] / 1000)
            for row in rows
            if row["pid"] is not None and row["role"] not in _UNWATCHED
        ],
    )
    yield Family(
        "mpchat_process_last_stall_seconds",
        "gauge",
        "How long the role was without a process at work, or silent, the last time that is over. 0: it never was.",
        [({"role": row["role"]}, (row["stall_ms"] or 0) / 1000) for row in rows],
    )


def _state(row: dict[str, Any], seen: Mapping[int, Seen]) -> str:
    measured = seen[row["pid"]].measured if row["pid"] in seen else None
    return "stopped" if measured is not None and measured.is_stopped else str(row["state"])


def _of_chat(rows: list[dict[str, Any]]) -> Iterable[Family]:
    """What the processes have counted."""
    workers = [row for row in rows if row["role"].startswith("worker")]
    yield Family(
        "mpchat_clients",
        "gauge",
        "Connected clients.",
        [({"worker": row["role"]}, float(row["clients"])) for row in workers if row["clients"] is not None],
    )
    yield Family(
        "mpchat_tls_clients",
        "gauge",
        "Connections at the front: clients by TLS, and those that agree upon it. Absent where nobody speaks TLS.",
        [({}, float(row["clients"])) for row in rows if row["role"] == "front" and row["clients"] is not None],
    )
    yield Family(
        "mpchat_lines_total",
        "counter",
        "Lines of clients, arrivals and departures; of the recorder: messages stored; of the authenticator: answers "
        f"given. {_AGAIN}",
        [({"role": row["role"]}, float(row["lines"])) for row in rows if row["lines"] is not None],
    )
    yield Family(
        "mpchat_deliveries_total",
        "counter",
        f"Lines sent to clients. {_AGAIN}",
        [({"worker": row["role"]}, float(row["deliveries"])) for row in workers if row["deliveries"] is not None],
    )
    yield Family(
        "mpchat_unsent_bytes",
        "gauge",
        "Bytes that wait in a worker for clients that do not take them.",
        [({"worker": row["role"]}, float(row["unsent"])) for row in workers if row.get("unsent") is not None],
    )


def _of_processes(rows: list[dict[str, Any]], seen: Mapping[int, Seen]) -> Iterable[Family]:
    """What the system says of them."""
    known = [({"role": row["role"]}, seen[row["pid"]]) for row in rows if row["pid"] in seen]
    measured = [(role, each.measured) for role, each in known if each.measured is not None]
    memory = [(role, each.memory) for role, each in known if each.memory is not None]
    yield Family(
        "mpchat_process_start_time_seconds",
        "gauge",
        "When the role's process was started, in Unix time. It may have been a spare before it got the role.",
        [(role, each.started_at) for role, each in known if each.started_at is not None],
    )
    yield Family(
        "mpchat_process_cpu_seconds_total",
        "counter",
        f"CPU time of the role's process, user and system. {_AGAIN}",
        [(role, each.cpu_seconds) for role, each in measured],
    )
    yield Family(
        "mpchat_process_proportional_memory_bytes",
        "gauge",
        "Memory of the role's process, with its part of what it shares (PSS): a sum counts nothing twice.",
        [(role, each.pss_mib * _MIB) for role, each in memory],
    )
    yield Family(
        "mpchat_process_private_memory_bytes",
        "gauge",
        "Memory that would be free if the role's process ended (USS).",
        [(role, each.uss_mib * _MIB) for role, each in memory],
    )
    yield Family(
        "mpchat_process_open_fds",
        "gauge",
        "Open descriptors of the role's process.",
        [(role, float(each.fds)) for role, each in measured if each.fds is not None],
    )
    yield Family(
        "mpchat_process_max_fds",
        "gauge",
        "How many descriptors the role's process may have open.",
        [(role, float(each.most_fds)) for role, each in known if each.most_fds is not None],
    )


def _of_the_whole(snapshot: dict[str, Any], storage: Storage) -> Iterable[Family]:
    ends = [({"source": each["from"], "target": each["to"]}, each) for each in snapshot["connections"]]
    yield Family(
        "mpchat_queue_messages",
        "gauge",
        "Messages under way from one role to another: sent, and not yet taken.",
        [(labels, float(each["messages"])) for labels, each in ends],
    )
    yield Family(
        "mpchat_queue_bytes",
        "gauge",
        "Bytes under way from one role to another: sent, and not yet taken.",
        [(labels, float(each["bytes"])) for labels, each in ends],
    )
    yield Family(
        "mpchat_spares",
        "gauge",
        "Processes that have no role, and are ready to get that of one that dies.",
        [({}, float(sum(row["state"] == "spare" for row in snapshot["processes"])))],
    )
    yield Family(
        "mpchat_disk_full",
        "gauge",
        "Whether the broker cannot write the journal (1), so that no line is accepted, or can (0). "
        "It may be for lack of room, a quota, a limit on the size of files, or an error of the disk.",
        [({}, float(snapshot["disk_full"]))],
    )
    yield Family(
        "mpchat_certificate_end_time_seconds",
        "gauge",
        "When the TLS certificate in use ends, in Unix time. Absent where nobody speaks TLS.",
        _if_known(snapshot.get("certificate_ends")),
    )
    yield Family(
        "mpchat_data_free_bytes",
        "gauge",
        "Room for the exporter's user in the file system with the data directory.",
        _if_known(storage.free),
    )
    yield Family("mpchat_journal_bytes", "gauge", "Size of the journal's files.", _if_known(storage.journal))
    yield Family(
        "mpchat_kept_journal_bytes",
        "gauge",
        "Size of the files that --keep-journal keeps, besides the journal's.",
        _if_known(storage.kept),
    )
    yield Family("mpchat_history_bytes", "gauge", "Size of the history's files.", _if_known(storage.history))


def _if_known(value: float | None) -> list[Sample]:
    return [] if value is None else [({}, float(value))]
