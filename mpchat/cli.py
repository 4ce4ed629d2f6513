"""The command line: the only reader of arguments and environment. What it finds wrong it says in one line.

Exit status: 0 well, 1 could not (a port in use, an unwritable directory, no server), 2 used wrongly.
"""

import argparse
import ipaddress
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from mpchat import __version__
from mpchat.settings import Oper, Settings, Wording

_HEADROOM_FDS = 64  # for what a process has open besides clients
_MOST_CLIENTS = 10_000
_NAME_BYTES = 63  # RFC 2812 section 2.3.1; it is in front of each line to a client
_RUN = "python -m "  # how it is called: nothing is installed on the PATH
_PLAIN_OFFSET = 13  # 6667 + 13 = 6680


class Unusable(Exception):
    """The user asked for something that cannot be: its text says what, and exit status 2 follows."""


class _OneLineParser(argparse.ArgumentParser):
    """argparse would put the whole usage in front of what is wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog.removeprefix(_RUN)}: {message} ({self.prog} --help shows what there is)\n")


def main(argv: list[str] | None = None) -> int:
    options, unknown = _parser().parse_known_args(argv)
    if unknown:  # named here, so that the hint is about the right command
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        status: int = options.run(options)
    except Unusable as error:
        return _complain(str(error), 2)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        return _complain(f"{error.strerror or error}{where}", 1)
    except KeyboardInterrupt:
        return 130
    return status


def _complain(text: str, status: int) -> int:
    print(f"mpchat: {text}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = _OneLineParser(prog=f"{_RUN}mpchat", description="A chat server made of processes.")
    parser.add_argument("--version", action="version", version=f"mpchat {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_server(commands)
    _add_client(commands)
    _add_ps(commands)
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text!r}")
    return int(text)


def _plain_port(text: str) -> int | None:
    return None if text == "none" else _port(text)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 1_000_000_000):
        raise argparse.ArgumentTypeError(f"a whole number above 0, not {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"a number of seconds, not {text!r}")
    return seconds


def _hang_limit(text: str) -> float:
    seconds = _seconds(text)
    if 0 < seconds < 1:
        raise argparse.ArgumentTypeError(f"0, or 1 second and more, not {text!r}")
    return seconds


def _oper(text: str) -> Oper:
    name, colon, password = text.partition(":")
    if not (name and colon and password) or " " in text:
        raise argparse.ArgumentTypeError("an operator is NAME:PASSWORD, without spaces")
    return Oper(name, password)


# mpchat server


def _add_server(commands: Any) -> None:
    parser = commands.add_parser("server", help="start a server")
    parser.set_defaults(run=_run_server, parser=parser)
    add = parser.add_argument
    add("host", nargs="?", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("port", nargs="?", type=_port, default=6667, help="IRC port (default: %(default)s; 0: any free one)")
    add("--plain-port", type=_plain_port, default=-1, metavar="P", help="plain text port, or none (default: PORT + 13)")
    workers = max(1, (os.cpu_count() or 1) // 2)
    add("--workers", type=_count, default=workers, metavar="N", help="worker processes (default here: %(default)s)")
    keep = parser.add_mutually_exclusive_group()
    keep.add_argument("--data", metavar="DIR", help="journal and history (default: a folder for each port)")
    keep.add_argument("--ephemeral", action="store_true", help="keep them in a folder that is removed at the end")
    add(
        "--durability",
        choices=("none", "process", "power"),
        default="process",
        help="what an accepted line survives: nothing, the death of a process, a power cut (default: %(default)s)",
    )
    add(
        "--hang-limit",
        type=_hang_limit,
        default=3.0,
        metavar="S",
        help="a process that hangs is killed after S seconds (default: %(default)s; 0: never)",
    )
    add("--name", default="mpchat.local", help="the server's name (default: %(default)s)")
    add("--network", default="mpchat", help="the network's name (default: %(default)s)")
    add("--description", default="a chat server made of processes", help="a few words about the server")
    add("--motd", metavar="FILE", help="the message of the day")
    password = parser.add_mutually_exclusive_group()
    password.add_argument("--password", default="", metavar="PW", help="clients need it to enter")
    password.add_argument("--password-file", metavar="F", help="the same, from a file: arguments are visible to all")
    add("--oper", type=_oper, action="append", default=[], metavar="NAME:PASSWORD", help="an operator; may be repeated")
    add("--max-clients", type=_count, metavar="N", help="connections at most (default: 10000, or what the fds allow)")
    sendq = Settings.sendq_bytes
    add("--sendq", type=_count, default=sendq, metavar="BYTES", help="a client's backlog (default: %(default)s)")
    add("--unlimited", action="store_true", help="no flood control, no limits for one address; loopback only")
    add("--log-level", choices=("debug", "info", "warning", "error"), default="info")
    add("--log-json", action="store_true", help="log lines as JSON")


def _run_server(options: argparse.Namespace) -> int:
    if not hasattr(os, "fork"):
        raise Unusable("Windows is not supported: the server passes sockets between processes as only Unix can")
    from mpchat.ipc.control_socket import runtime_folder
    from mpchat.net.listening import CannotListen
    from mpchat.processes.supervisor import Supervisor

    settings = _server_settings(options)
    runtime = runtime_folder(os.environ.get("XDG_RUNTIME_DIR", ""))
    try:
        if settings.data and (options.ephemeral or (options.port == 0 and not options.data)):
            with tempfile.TemporaryDirectory(prefix="mpchat-") as folder:  # nobody comes back to a port of chance
                return Supervisor(replace(settings, data=folder), runtime).run()
        return Supervisor(settings, runtime).run()
    except CannotListen as error:
        return _complain(str(error), 1)


def _server_settings(options: argparse.Namespace) -> Settings:
    if options.unlimited and not _is_loopback(options.host):
        raise Unusable("--unlimited takes all limits away: it is refused unless the server listens on loopback")
    for word in (options.name, options.network):
        if not word or not word.isprintable() or " " in word or word.startswith(":"):
            raise Unusable(f"a server's or network's name is one word, not {word!r}")
        if len(word.encode()) > _NAME_BYTES:
            raise Unusable(f"a server's or network's name has at most {_NAME_BYTES} bytes: {word!r}")
    if options.data and options.durability == "none":
        raise Unusable("--durability none keeps nothing, so there is nothing for --data to say")
    if options.plain_port == options.port != 0:
        raise Unusable(f"--plain-port {options.port} is the port for IRC")
    password = options.password or _first_line(options.password_file)
    fitting = _clients_that_fit()
    return Settings(
        host=options.host,
        port=options.port,
        plain_port=_default_plain_port(options.port) if options.plain_port == -1 else options.plain_port,
        workers=options.workers,
        wording=Wording(
            answer_bytes=min(Wording.answer_bytes, options.sendq // 2),  # a long answer is no lag
            name=options.name,
            network=options.network,
            description=options.description,
            version=f"mpchat {__version__}",
            motd=_motd(options.motd),
            password_needed=bool(password),
            opers_exist=bool(options.oper),
        ),
        password=password,
        opers=tuple(options.oper),
        max_clients=options.max_clients or fitting,
        data=_data_folder(options),
        power=options.durability == "power",
        hang_limit=options.hang_limit,
        sendq_bytes=options.sendq,
        unlimited=options.unlimited,
        log_level=options.log_level,
        log_json=options.log_json,
    )


def _data_folder(options: argparse.Namespace) -> str:
    if options.durability == "none":
        return ""
    state = os.environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()
    return str(options.data or Path(state, "mpchat", str(options.port)))


def _default_plain_port(port: int) -> int | None:
    if port == 0:
        return 0
    return port + _PLAIN_OFFSET if port + _PLAIN_OFFSET <= 65535 else None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _clients_that_fit() -> int:
    """Raise the soft limit of open files to the hard one; returns how many clients that allows."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard == resource.RLIM_INFINITY:
        return _MOST_CLIENTS
    return min(_MOST_CLIENTS, max(hard - _HEADROOM_FDS, hard // 3))


def _motd(path: str | None) -> tuple[str, ...]:
    if path is None:
        return ()
    from mpchat.chat.text import clean

    text = Path(path).read_bytes().decode(errors="replace")
    return tuple(clean(line) for line in text.splitlines())


def _first_line(path: str | None) -> str:
    if path is None:
        return ""
    lines = Path(path).read_text().splitlines()
    if not lines or not lines[0]:
        raise Unusable(f"{path} has no password in its first line")
    return lines[0]


# mpchat client


def _add_client(commands: Any) -> None:
    parser = commands.add_parser("client", help="join a server from this terminal")
    parser.set_defaults(run=_run_client, parser=parser)
    add = parser.add_argument
    add("host", nargs="?", default="127.0.0.1", help="the server (default: %(default)s)")
    add("port", nargs="?", type=_port, default=6667, help="its IRC port (default: %(default)s)")
    add("--nick", default="", help="your nickname (default: asks, or your login name)")
    add("--room", default="#lobby", help="the first room (default: %(default)s)")
    add("--plain", action="store_true", help="append lines only: for screen readers and pipes")
    add("--color", choices=("auto", "always", "never"), default="auto")
    add("--password-file", metavar="F", help="a file with the server's password")


def _run_client(options: argparse.Namespace) -> int:
    from mpchat.client.app import run
    from mpchat.client.options import Options

    environment = os.environ
    return run(
        Options(
            host=options.host,
            port=options.port,
            nick=options.nick,
            room=options.room,
            plain=options.plain,
            color=options.color,
            password=_first_line(options.password_file),
            no_color=bool(environment.get("NO_COLOR")),
            dumb=environment.get("TERM", "") in ("", "dumb"),
            history_file=str(_state_folder() / "client-history"),
        )
    )


def _state_folder() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return Path(state) / "mpchat"


# mpchat ps


def _add_ps(commands: Any) -> None:
    parser = commands.add_parser("ps", help="show a running server's processes")
    parser.set_defaults(run=_run_ps, parser=parser)
    parser.add_argument("--port", type=_port, default=6667, help="the server's IRC port (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="for programs")


def _run_ps(options: argparse.Namespace) -> int:
    from mpchat.ipc.control_socket import ask, runtime_folder
    from mpchat.monitor.ps import as_json, as_table

    folder = runtime_folder(os.environ.get("XDG_RUNTIME_DIR", ""))
    try:
        status = ask(folder / f"{options.port}.sock")
    except OSError:
        return _complain(f"no server of yours on port {options.port} (its control socket would be in {folder})", 1)
    try:
        print(as_json(status) if options.json else as_table(status), flush=True)
    except BrokenPipeError:  # head(1) has seen enough; Python would complain once more when it flushes at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
