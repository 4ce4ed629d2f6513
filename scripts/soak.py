"""A hostile hour in miniature: strangers attack a server, and who behaves must not notice. `make soak`, or

    python scripts/soak.py --seconds 60 --seed 1

Two servers run: one is attacked, the other is idle. At both, pairs talk at the same pace, driven by one loop. Exit
status 0 if no line was lost, doubled or reordered, no process died, memory and log stayed bounded, and the lines at the
attacked server were read less than twice as late (p99) as those at the idle one; 1 otherwise.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.bench.command_line import OneLineParser, end_like_an_interrupt, positive_seconds
from scripts.chaos_run.certificate import make_certificate
from scripts.chaos_run.clients import PATIENCE
from scripts.chaos_run.server import Server
from scripts.soak_run.attackers import Attackers
from scripts.soak_run.attacks import attacks
from scripts.soak_run.strangers import Ports
from scripts.soak_run.talk import Party, Talk
from scripts.soak_run.verdict import Latency, Outcome
from scripts.soak_run.watch import Watch

_QUIET_SECONDS = 2.0  # of talk, before the strangers come
_LOOK_SECONDS = 1.0
_PROGRESS_SECONDS = 5.0
# Who goes while an answer to OPER is due goes when that has come, up to 60 s later ([limits] oper_wait_seconds).
_LEAVING_SECONDS = 75.0
_SHOWN = 10  # complaints
_TOLD = ("lines", "refused")  # of a Tally
_CONFIG = """
[limits]
exempt = ["127.0.0.1"]  # who comes from 127.0.0.2 is a stranger; the other limits are those of any server
sendq = 262144          # but this: so that a run of a minute sees slow readers closed
[server]
oper_file = "operators"
"""
_TLS = """
tls_port = 0
tls_cert = "cert.pem"
tls_key = "key.pem"
"""


def main() -> int:
    end_like_an_interrupt()
    parser = OneLineParser(description="Strangers attack a server, and who behaves must not notice.")
    add = parser.add_argument
    add("--seconds", type=positive_seconds, default=60.0, help="of attack (default: %(default)s)")
    add("--seed", type=int, default=1, help="of all that is decided by chance (default: %(default)s)")
    add("--workers", type=int, default=1, help="of each server (default: %(default)s)")
    add("--json", type=Path, metavar="FILE", help="write there what was measured")
    try:
        return run(parser.parse_args())
    except KeyboardInterrupt:  # there is nothing to show yet
        return 130


def run(options: argparse.Namespace) -> int:
    left: list[str] = []
    servers: list[Server] = []
    with tempfile.TemporaryDirectory(prefix="mpchat-soak-") as folder, ExitStack() as stack:
        config = _config_in(Path(folder))
        for _ in range(2):
            servers.append(Server(options.workers, ["--config", str(config)]))
            stack.callback(_stop, servers[-1], left)
        attacked, idle = servers
        parties = [Party("attacked", attacked.irc, attacked.tls), Party("idle", idle.irc, idle.tls)]
        talk = Talk(parties)
        stack.callback(talk.close)
        before = attacked.footprint()
        watch = Watch(attacked)
        _tell(f"the pairs begin to talk; the strangers come in {_QUIET_SECONDS:g} s")
        talk.begin()
        talk.go_on(_QUIET_SECONDS)
        for party in parties:
            party.latencies.clear()
        with Attackers(Ports(attacked.irc, attacked.plain, attacked.tls), options.seed) as attackers:
            seconds = _attack(options.seconds, talk, watch, attackers)
            talk.settle(PATIENCE)
            spent, log_bytes = watch.cpu_seconds(), watch.log_bytes()
        left += before.grown_to(attacked.footprint(like=before, within=_LEAVING_SECONDS))
        died = watch.deaths()
    outcome = Outcome(
        seconds=seconds,
        attacked=Latency.of(parties[0].latencies),
        idle=Latency.of(parties[1].latencies),
        wrong=[what for party in parties for what in party.wrong()],
        died=died,
        memory=watch.memory,
        log_bytes=log_bytes,
        left=left,
        cpu=spent,
        strangers_cpu=attackers.cpu_seconds,
        pace=attackers.pace,
        tallies=attackers.tallies,
        people={kind.name: kind.people for kind in attacks(with_tls=attacked.tls is not None)},
    )
    if options.json is not None:
        options.json.write_text(json.dumps(outcome.as_json(), indent=1) + "\n")
    return _verdict(options, outcome, servers, is_whole=seconds >= options.seconds)


def _config_in(folder: Path) -> Path:
    operators = folder / "operators"
    operators.touch(mode=0o600)
    operators.write_text(f"root:{os.urandom(16).hex()}\n")
    config = folder / "mpchat.toml"
    config.write_text(_CONFIG + _TLS if make_certificate(folder) else _CONFIG)
    return config


def _stop(server: Server, left: list[str]) -> None:
    left += server.stop()


def _attack(seconds: float, talk: Talk, watch: Watch, attackers: Attackers) -> float:
    """For so long, or until Ctrl-C: returns how long it was."""
    begun = told_at = time.monotonic()
    try:
        while (past := time.monotonic() - begun) < seconds:
            talk.go_on(min(_LOOK_SECONDS, seconds - past))
            watch.look()
            if not attackers.look():
                raise SystemExit("soak: the strangers' process has ended")
            if (now := time.monotonic()) >= told_at + _PROGRESS_SECONDS:
                told_at = now
                lines, refused = (sum(getattr(each, what) for each in attackers.tallies.values()) for what in _TOLD)
                _tell(f"{now - begun:.0f} s of {seconds:g}: strangers sent {lines:,} lines, {refused:,} refusals")
    except KeyboardInterrupt:
        _tell("interrupted: this is what there is")
    return time.monotonic() - begun


def _verdict(options: argparse.Namespace, outcome: Outcome, servers: Sequence[Server], is_whole: bool) -> int:
    print(f"soak: seed {options.seed}, {outcome.seconds:.0f} s, --workers {options.workers}")
    for name, value in outcome.rows():
        print(f"  {name:<18} {value}")
    complaints = outcome.complaints()
    if complaints:
        print("bad: who behaves noticed the strangers, or they have left something behind:")
        print("\n".join(complaints[:_SHOWN]))
        if len(complaints) > _SHOWN:
            print(f"and {len(complaints) - _SHOWN} more")
        print(f"the end of the attacked server's log; all of it is in {servers[0].folder}\n{servers[0].log_tail()}")
        return 1
    for server in servers:
        server.discard()
    print("good: nothing was lost, nobody was kept waiting, no process died, and nothing grew")
    return 0 if is_whole else 130


def _tell(text: str) -> None:
    print(f"soak: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
