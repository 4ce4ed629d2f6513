"""Kill the server's processes under load, and check that nobody notices: `make chaos`, or

    python scripts/chaos.py --seconds 60 --seed 1 --kill worker,broker,acceptor,recorder,authenticator,front

Clients that know nothing of it go on talking, and remember all they say and read; one checker judges their logs. Exit
status 0 if nothing was lost, doubled, reordered or torn, also in what was told of the past, and no connection ended,
but those of TLS with the front; 1 otherwise.
"""

import argparse
import sqlite3
import ssl
import statistics
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mpchat.store.journal import FACTS, Tail
from scripts.chaos_run.certificate import make_certificate
from scripts.chaos_run.checker import KINDS, Checker, Finding
from scripts.chaos_run.clients import PATIENCE
from scripts.chaos_run.explained import explain
from scripts.chaos_run.load import Load
from scripts.chaos_run.server import ROLES, Footprint, Kill, Killer, Server
from scripts.chaos_run.surroundings import SURROUNDINGS

_QUIET_SECONDS = 2.0  # before the first kill, for a measure of an undisturbed server
_PROGRESS_SECONDS = 5.0  # between two lines that say how far it is
_BEFORE, _AFTER = 0.2, 1.0  # seconds around a kill: whoever asks then may have to wait because of it
_SHOWN = 3  # findings of each kind
_TITLES = {
    "echo": "echoes wrong",
    "nickname": "nicknames twice",
    "connection": "connections lost",
    "tags": "tags wrong",
    "answers": "answers wrong",
}

Ping = tuple[float, float]  # when it was asked, in monotonic seconds, and how long the answer took


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill the server's processes under load, and check every byte.")
    parser.add_argument("--seconds", type=float, default=60.0, help="of load (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is decided by chance (default: %(default)s)")
    parser.add_argument("--kill", type=_roles, default=list(ROLES), help=f"of {','.join(ROLES)}, or none")
    parser.add_argument("--period", type=float, default=0.5, help="seconds between kills (default: %(default)s)")
    parser.add_argument("--clients", type=int, default=40, help="that stay and talk (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--ipc", type=_ipc, default="queue", help="queue, pipe or FILE.py (default: %(default)s)")
    parser.add_argument(
        "--surroundings",
        type=_surroundings,
        nargs="?",
        const=list(SURROUNDINGS),
        default=[],
        metavar=",".join(SURROUNDINGS),
        help="let these go wrong meanwhile, or all: the folder it was started in is removed, its log is a pipe that is "
        "full, no process can be started (by strace), /tmp is full",
    )
    parser.add_argument(
        "--explain",
        action="store_true",
        help="keep the journal, and have mpchat explain tell all that was said and read",
    )
    options = parser.parse_args()
    return run(options)


def run(options: argparse.Namespace) -> int:
    arguments = ["--unlimited", "--ipc", options.ipc, *(["--keep-journal"] if options.explain else [])]
    # Not in /tmp: with `tmp` among the surroundings the server has one of its own.
    with tempfile.TemporaryDirectory(prefix="mpchat-chaos-", dir="/var/tmp") as folder:
        certificate = make_certificate(Path(folder))
        context = None if certificate is None else ssl.create_default_context(cafile=certificate.cert)
        if certificate is not None:
            arguments += ["--tls-port", "0", "--tls-plain-port", "0", *certificate.options]
        server = Server(options.workers, arguments, options.surroundings, options.seed)
    load = Load(server.addresses, context, options.clients, options.seed)
    killer = Killer(server, options.kill, options.period, options.seed)
    complaints: list[str] = []
    threading.excepthook = lambda failed: complaints.append(f"a part of this run has failed: {failed.exc_value!r}")
    try:
        if not load.enter():
            complaints.append("not everybody could come in")
        before = server.footprint()
        _tell(f"{len(load.logs)} clients are in, and begin to talk; the first kill is in {_QUIET_SECONDS:g} s")
        load.begin()
        load.go_on(_QUIET_SECONDS, server.running)
        killer.start()
        server.around.begin(server.pid, killer.kill_spare)
        left = options.seconds - _QUIET_SECONDS
        while left > 0 and server.running():
            load.go_on(min(left, _PROGRESS_SECONDS), server.running)
            left -= _PROGRESS_SECONDS
            _tell(
                f"{options.seconds - max(0, left):g} s of {options.seconds:g}: {len(killer.kills)} kills, {_said(load)}"
            )
        killer.finish()
        server.around.finish()
        _tell("no more kills: everything must arrive now")
        if not load.drain(_tell):
            complaints.append(f"{PATIENCE:g} s after the last kill not everything had arrived")
        after = server.footprint(like=before)
        complaints += before.grown_to(after)
        server.ask_to_stop()
        load.await_farewell()
    finally:
        server.around.finish()
        complaints += server.stop()
        load.close()
    complaints += server.around.complaints()
    acceptor_kills = [kill.at for kill in killer.kills if "acceptor" in kill.roles]
    checker = Checker(load.logs, acceptor_kills, [kill.at for kill in killer.kills if "front" in kill.roles])
    checker.check()
    for source in (recorded, journaled):
        try:
            checker.check_history(source(server.data))
        except sqlite3.Error as error:
            complaints.append(f"the history cannot be read: {error}")
            break
    complaints += [str(finding) for finding in first_of_each_kind(checker.findings)]
    if checker.holes > len(acceptor_kills):
        complaints.append("more newcomers were lost than acceptors were killed")
    complaints += load.logins.complaints[:_SHOWN]
    told = ""
    if options.explain:
        told, missing = explain(server.data, load.logs)
        complaints += missing
    print(f"chaos: seed {options.seed}, {options.seconds:g} s, {options.workers} workers, every {options.period:g} s")
    for name, value in (
        *_table(options.kill, load, killer.kills, checker),
        ("by TLS", _by_tls(load)),
        ("logins", str(load.logins)),
        *_sizes(before, after),
        *([("waited", f"{load.waited} s more, for bytes that the kernel had on their way")] if load.waited else []),
        *([("explained", told)] if told else []),
        *server.around.rows(),
    ):
        print(f"  {name:<18} {value}")
    if not complaints:
        server.discard()
        but = ", but with the front" if any(log.ended_with_front for log in load.logs) else ""
        print(f"good: nothing was lost, doubled, reordered or torn, and nobody's connection ended{but}")
        return 0
    print("bad: what a client must not notice, or the server must not leave, was seen:")
    print("\n".join(complaints))
    print(f"the end of the server's log; all of it, and the journal, are in {server.folder}\n{server.log_tail()}")
    return 1


def _tell(text: str) -> None:
    print(f"chaos: {text}", file=sys.stderr, flush=True)


def _said(load: Load) -> str:
    return f"{sum(len(log.said) for log in load.logs):,} lines said, {sum(len(log.lines) for log in load.logs):,} read"


def recorded(data: Path, below: int = 1 << 62) -> Iterator[tuple[str, str, str]]:
    """What the history has of messages with a number below this: room, nickname, text, oldest first."""
    with closing(sqlite3.connect(f"file:{data / 'history.db'}?mode=ro", uri=True)) as database:
        select = "SELECT room, sender, text FROM messages WHERE number < ? ORDER BY number"
        for room, sender, text in database.execute(select, (below,)):
            yield room, sender.partition("!")[0], text


def journaled(data: Path) -> Iterator[tuple[str, str, str]]:
    """The same from the journal. The server keeps only its end, so what has gone from it is taken from the history."""
    said: dict[int, tuple[str, str, str]] = {}
    with closing(Tail(data / "journal", 0, FACTS)) as tail:
        while blocks := tail.take():
            facts = [fact for _, block in blocks for fact in block]
            said |= {number: (room, sender.partition("!")[0], text) for number, _, room, sender, _, text, *_ in facts}
    yield from recorded(data, min(said, default=1 << 62))
    yield from said.values()


def first_of_each_kind(findings: Sequence[Finding]) -> list[Finding]:
    """In the order of KINDS: a lost connection is why lines are lost."""
    return [finding for kind in KINDS for finding in [each for each in findings if each.kind == kind][:_SHOWN]]


def _table(roles: list[str], load: Load, kills: list[Kill], checker: Checker) -> list[tuple[str, str]]:
    by_role = Counter(role for kill in kills for role in kill.roles)
    by_kind = Counter(finding.kind for finding in checker.findings)
    logs = load.logs
    staying = sum(log.lasting for log in logs)
    return [
        ("kills", ", ".join(f"{role} {by_role[role]}" for role in roles) or "none"),
        ("connections", f"{staying} that stay, {len(logs) - staying} others"),
        ("lines sent", f"{sum(len(log.said) for log in logs):,}"),
        ("deliveries", f"{checker.deliveries:,}"),
        ("questions", _questions(load, checker)),
        *((_TITLES.get(kind, kind), f"{by_kind[kind]}") for kind in KINDS),
        ("known hole", f"{checker.holes}"),
        ("stall", _shown(longest_waits(load.pings, kills), "of {} kills")),
        ("quiet ping", _shown(quiet_waits(load.pings, kills), "of {} pings")),
    ]


def _questions(load: Load, checker: Checker) -> str:
    asked = sum(len(log.questions) for log in load.logs)
    answered, failed = checker.asked["answered"], checker.asked["failed"]
    ended = f", {asked - answered - failed} ended with the front" if load.context is not None else ""
    return f"{asked:,} about the past: {answered:,} answered, {failed} told that it is out of reach{ended}"


def _by_tls(load: Load) -> str:
    if load.context is None:
        return "skipped: no openssl here, to make a certificate"
    secure = [log for log in load.logs if log.secure]
    return f"{len(secure)} connections, {sum(log.ended_with_front for log in secure)} ended with the front"


def _sizes(before: Footprint, after: Footprint) -> list[tuple[str, str]]:
    counts = (sum(each.descriptors.values()) for each in (before, after))
    return [
        ("descriptors", "{} before, {} after".format(*counts)),
        ("memory", f"{before.recovery:.0f} MiB before, {after.recovery:.0f} after"),
        ("journal", f"{after.journal:.1f} MiB"),
    ]


def longest_waits(pings: Sequence[Ping], kills: Sequence[Kill]) -> list[float]:
    """For each kill that somebody asked around: the longest that one of them waited for the answer, in s."""
    waits = []
    for kill in kills:
        around = [wait for asked, wait in pings if -_BEFORE <= asked - kill.at <= _AFTER]
        waits += [max(around)] if around else []
    return waits


def quiet_waits(pings: Sequence[Ping], kills: Sequence[Kill]) -> list[float]:
    """Of those who asked before the first kill."""
    first = min((kill.at for kill in kills), default=float("inf"))
    return [wait for asked, wait in pings if asked + wait < first]


def _shown(waits: list[float], of: str) -> str:
    """In ms."""
    if not waits:
        return "none seen"
    ordered = sorted(waits)
    p99 = ordered[int(len(ordered) * 0.99)]
    parts = (("median", statistics.median(ordered)), ("p99", p99), ("max", ordered[-1]))
    return ", ".join(f"{name} {seconds * 1000:.1f} ms" for name, seconds in parts) + " " + of.format(len(waits))


def _roles(text: str) -> list[str]:
    return _of(ROLES, [] if text == "none" else text.split(","), ", none")


def _ipc(text: str) -> str:
    """For the server, which is started in another folder."""
    return str(Path(text).resolve()) if text.endswith(".py") else text


def _surroundings(text: str) -> list[str]:
    return _of(SURROUNDINGS, text.split(","))


def _of(known: Sequence[str], words: list[str], more: str = "") -> list[str]:
    for word in words:
        if word not in known:
            raise argparse.ArgumentTypeError(f"{word!r} is none of {', '.join(known)}{more}")
    return words


if __name__ == "__main__":
    raise SystemExit(main())
