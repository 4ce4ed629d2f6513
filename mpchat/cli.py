"""The command line: the only reader of arguments and environment. What it finds wrong it says in one line.

All text from outside is checked here, when it is read: it is UTF-8 whatever the locale, and holds nothing that could
end a line or that a terminal would obey. Behind this file no text of the settings needs a check.

It chooses the language of the process (--lang, or the locale) before anything is said, argparse's help included.

Exit status: 0 well, 1 could not (a port in use, an unwritable directory, no server), 2 used wrongly; client/status.py
has those of what talks.
"""

import argparse
import contextlib
import errno
import io
import os
import select
import stat
import sys
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from mpchat import __version__, config_file, texts
from mpchat.addresses import is_loopback, network_of
from mpchat.chat.names import fold, valid_nick
from mpchat.chat.text import clean, in_one_line
from mpchat.config_file import Key
from mpchat.runtime import standard_streams
from mpchat.settings import Certificate, ChatSettings, Oper, Secrets, Settings
from mpchat.texts import t, translate

if TYPE_CHECKING:
    from mpchat.client.options import Options
    from mpchat.supervisor.reloading import Read

_T = TypeVar("_T")

_HEADROOM_FDS = 64  # for what a process has open besides clients
# In the supervisor, which has the most: a process's two, its link, and two queues while they are handed over. What it
# has besides is as much as four workers' (of 40 with one worker it uses 36 at its start, of 48 with two 44).
_FDS_PER_WORKER = 8
_OTHER_ROLES = 4
_MOST_CLIENTS = 10_000
_MOST_WORKERS = 128  # each is a process of some 15 MiB, and one broker serves them all
_NAME_BYTES = 63  # RFC 2812 section 2.3.1; it is in front of each line to a client
# A description, a password, an operator's name: a line of 512 bytes has room for it and for what stands beside it.
# "OPER name password" is the tightest: 5 + 250 + 1 + 250 + 2. RPL_LINKS leaves 279 to a description.
_TEXT_BYTES = 250
_FILE_BYTES = 65_536  # of a file that is read whole: each newcomer is sent the message of the day, and may not read
_MOTD_LINES = 1_000  # each costs up to 100 bytes more as a line of IRC
_MOST_NETWORKS = 100  # that are exempt: they are in the first record of each run, and in each snapshot
_MOST_DAYS = 36_500  # of history: a century
_MOST_STS_SECONDS = 10 * 366 * 86_400  # an admin who finds no way back any more is not helped by one who meant well
_MOST_MEGABYTES = 1_000_000  # of history: SQLite would hold more, a disk here hardly does
_PRIVATE = stat.S_IRWXG | stat.S_IRWXO  # what the mode of a file with secrets may not have
_OWN = stat.S_IWGRP | stat.S_IWOTH  # and that of one with settings
_FILE_SECONDS = 5.0  # how long a pipe may take to say all it has
_MOST_TRACED = 1_000_000  # messages, as the server says
_LAST_EXPLAINED = 20  # records, where nothing says how many
_MOST_EXPLAINED = 1_000_000_000
_LAST_POSITION = 999_999_999_999  # of a journal: a terabyte
_PS_SECONDS = 5.0  # for an answer that the supervisor gives at once
_AGAIN_SECONDS = 0.5  # to get into its queue again, while somebody waits at a screen
_LEAST_SENDQ = 1_000  # two lines of IRC
_BOM = b"\xef\xbb\xbf"  # what some editors put in front of UTF-8
_RUN = "python -m "  # how it is called where it is not installed
_MEGABYTE = 1 << 20
_NAMES = ("--nick", "--room", "--to")  # options whose values may begin so by mistake
_EXPERIMENTS = tuple(f"e{number}" for number in range(1, 11))
_MOST_SEED = 2**32 - 1
_GRADE_FORMATS = ("table", "csv", "junit", "gradescope")
_SUBMISSION = Path("submission")  # the folder that a student hands in
_COPY_NICENESS = 10  # the chat comes first
_PORT = 6667  # for IRC, where none is given
_LISTEN = "127.0.0.1:9667"  # where the exporter is asked
_PLAIN_OFFSET = 13  # 6667 + 13 = 6680


class Unusable(Exception):
    """The user asked for something that cannot be: its text says what, and exit status 2 follows."""


class _OneLineParser(argparse.ArgumentParser):
    """argparse would put the whole usage in front of what is wrong."""

    def error(self, message: str) -> NoReturn:
        if message.startswith("argument "):  # the one sentence for which Python 3.10 does not ask gettext
            name, _, wrong = message.removeprefix("argument ").partition(": ")
            message = translate("argument %(argument_name)s: %(message)s") % {"argument_name": name, "message": wrong}
        hint = t("cli.hint", program=self.prog)
        raise SystemExit(_complain(f"{message} ({hint})", 2, by=self.prog.removeprefix(_RUN)))

    def _print_message(self, message: str, file: Any = None) -> None:
        file.write(message)  # argparse would swallow that it cannot be written


def main(argv: list[str] | None = None) -> int:
    """Returns the exit status."""
    _speak(texts.wished(sys.argv[1:] if argv is None else argv, os.environ))
    _prepare_output()
    try:
        status = _run(argv)
    except SystemExit as end:  # argparse has shown its help, or has complained
        status = int(end.code or 0)
    failure = standard_streams.settle()
    if failure is None or isinstance(failure, BrokenPipeError):
        return status
    return _complain(t("cli.output_failed", why=translate(str(failure.strerror))), status or 1)


def _speak(language: str) -> None:
    """From now on, this process says everything in it.

    argparse has no setting for that: it asks gettext for each sentence, by these two names in its own module, whenever
    it says one. gettext itself would want a compiled catalogue in a file, which nobody could read or check.
    """
    texts.use(language)
    vars(argparse).update(_=translate, ngettext=lambda one, several, n: translate(one if n == 1 else several))


def _run(argv: list[str] | None) -> int:
    try:
        words = _with_names(sys.argv[1:] if argv is None else argv)
        parser = _parser()
        options, unknown = parser.parse_known_args(words)
        if unknown:  # named here, so that the hint is about the right command
            options.parser.error(translate("unrecognized arguments: %s") % " ".join(unknown))
        if getattr(options, "config", None):
            options.given = _given(parser, options, words)
        if options.lang:
            _speak(options.lang)  # argparse also takes --la, which wished() does not see
        status: int = options.run(options)
    except Unusable as error:
        return _complain(str(error), 2)
    except BrokenPipeError:  # head(1) has seen enough
        return 0
    except OSError as error:
        return _complain(_reason(error), 1)
    except KeyboardInterrupt:
        return 130
    return status


def _with_names(argv: list[str]) -> list[str]:
    """The arguments, where a name that begins with a dash is said to be one: it is judged as a name."""
    joined: list[str] = []
    for number, argument in enumerate(argv):
        is_name = argument[:1] == "-" and argument[:2] != "--" and "--" not in argv[:number]
        if is_name and joined and joined[-1] in _NAMES:
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _prepare_output() -> None:
    """What the output's encoding does not have is written as "?" there."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _reason(error: OSError) -> str:
    return translate(error.strerror or str(error)) + (f": {os.fsdecode(error.filename)}" if error.filename else "")


def _complain(text: str, status: int, by: str = "mpchat") -> int:
    """In one line, whatever the text holds. Where standard error takes nothing, the status has to say it all."""
    line = in_one_line(f"{by}: {text}")
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        standard_streams.settle()
    return status


def _parser() -> argparse.ArgumentParser:
    installed = Path(sys.argv[0]).name == "mpchat"
    parser = _OneLineParser(prog="mpchat" if installed else f"{_RUN}mpchat", description=t("cli.about"))
    version = translate("show program's version number and exit")  # argparse itself does, from Python 3.13 on
    parser.add_argument("--version", action="version", version=f"mpchat {__version__}", help=version)
    _add_language(parser, t("cli.lang"))
    parser.set_defaults(lang=None)
    commands = parser.add_subparsers(required=True, metavar=t("cli.command"))
    _add_server(commands)
    _add_client(commands)
    _add_send(commands)
    _add_tail(commands)
    _add_doctor(commands)
    _add_ps(commands)
    _add_top(commands)
    _add_events(commands)
    _add_trace(commands)
    _add_explain(commands)
    _add_exporter(commands)
    _add_backup(commands)
    _add_restore(commands)
    _add_lab(commands)
    _add_grade(commands)
    _add_order(commands, "reload", t("cli.reload"), 10.0)
    _add_order(commands, "stop", t("cli.stop"), 60.0)
    return parser


# What arguments may be


def _number(text: str) -> int:
    """-1 where it is none. The first 12 digits tell that it is too large: int() refuses more than 4300."""
    return int(text.lstrip("0")[:12] or "0") if text.isascii() and text.isdigit() else -1


def _shown(text: str) -> str:
    """For a complaint: quoted, and not longer than a line of a terminal."""
    return repr(text) if len(text) <= 70 else repr(text[:70]) + "..."


def _port(text: str) -> int:
    if not 0 <= _number(text) <= 65535:
        raise argparse.ArgumentTypeError(t("cli.no_port", given=_shown(text)))
    return _number(text)


def _plain_port(text: str) -> int | None:
    return None if text == "none" else _port(text)


def _count(most: int, least: int = 1) -> Callable[[str], int]:
    """A type of argument: a whole number from `least` to `most`."""

    def count(text: str) -> int:
        number = _number(text)
        if number < least:
            if least == 0:
                raise argparse.ArgumentTypeError(t("cli.no_number", given=_shown(text)))
            raise argparse.ArgumentTypeError(t("cli.too_small", limit=least - 1, given=_shown(text)))
        if number > most:
            raise argparse.ArgumentTypeError(t("cli.too_large", limit=most, given=_shown(text)))
        return number

    return count


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:  # NaN is not in between either
        raise argparse.ArgumentTypeError(t("cli.no_seconds", given=_shown(text)))
    return seconds


def _hang_limit(text: str) -> float:
    seconds = _seconds(text)
    if 0 < seconds < 1:
        raise argparse.ArgumentTypeError(t("cli.too_short", given=_shown(text)))
    return seconds


def _text(argument: str) -> str:
    """A type of argument: text. Python decodes arguments as the locale says, and keeps as surrogates what it cannot.

    The bytes are UTF-8 more often than the locale says so: in the C locale, in cron, in a script. Where they are not,
    and the locale knows how to read them (ISO 8859-1), the locale is right.
    """
    try:
        return os.fsencode(argument).decode()
    except UnicodeDecodeError:
        if any(unicodedata.category(letter) == "Cs" for letter in argument):
            raise argparse.ArgumentTypeError(t("cli.no_utf8", given=_shown(argument))) from None
        return argument


def _line_of_text(argument: str) -> str:
    """A type of argument: text that clients are sent, or that is compared with what they send."""
    text = _text(argument)
    if wrong := _unfit(text):
        raise argparse.ArgumentTypeError(wrong)
    return text


def _room(argument: str) -> str:
    """A type of argument: a room, also where its # was left to the shell, to which that begins a comment."""
    text = _asked_for(argument)
    return text if text.startswith("#") else f"#{text}"


def _asked_for(argument: str) -> str:
    """A type of argument: what is looked for. An empty one is some script's variable that is not set."""
    text = _line_of_text(argument)
    if not text:
        raise argparse.ArgumentTypeError(t("cli.it_is_empty"))
    return text


def _unfit(text: str) -> str:
    """Why it cannot be a part of one line, or "". The text itself is not shown: it may be a password."""
    for letter in text:
        if unicodedata.category(letter) == "Cc" or clean(letter) != letter:
            return t("cli.no_line", letter=ascii(letter))
    if len(text.encode()) > _TEXT_BYTES:
        return t("cli.too_long", limit=_TEXT_BYTES, size=len(text.encode()))
    return ""


def _secret(argument: str) -> str:
    """A type of argument. An empty one is some script's variable that is not set: it must not let everybody in."""
    text = _hidden(argument)
    if wrong := _unfit(text) or ("" if text else t("cli.empty")):
        raise argparse.ArgumentTypeError(wrong)
    return text


def _hidden(argument: str) -> str:
    """_text() of what must not be shown."""
    try:
        return _text(argument)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(t("cli.secret_no_utf8")) from None


def _name(argument: str) -> str:
    """A type of argument: a name that is one word in the lines to clients."""
    word = _text(argument)
    if not word or not word.isprintable() or " " in word or word.startswith(":"):
        raise argparse.ArgumentTypeError(t("cli.no_name", given=_shown(word)))
    if len(word.encode()) > _NAME_BYTES:
        raise argparse.ArgumentTypeError(t("cli.name_too_long", limit=_NAME_BYTES, given=_shown(word)))
    return word


def _host(argument: str) -> str:
    """A type of argument: a name or an address that the resolver can be asked for. It wants IDNA (RFC 3490)."""
    host = _place(argument)
    try:
        if not host or not host.isprintable() or " " in host or host.isdecimal():  # 7311 would be 0.0.28.143
            raise UnicodeError
        host.encode("idna")
    except UnicodeError:
        raise argparse.ArgumentTypeError(t("cli.no_host", given=_shown(host))) from None
    return host


def _place(argument: str) -> str:
    """A type of argument: a host; an IPv6 address also in brackets, as the ready line has it."""
    host = _text(argument)
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _host_and_port(argument: str) -> tuple[str, int]:
    """A type of argument: HOST:PORT, an IPv6 address in brackets."""
    host, colon, port = argument.rpartition(":")
    if not colon or (":" in host and not (host.startswith("[") and host.endswith("]"))):
        raise argparse.ArgumentTypeError(t("cli.no_host_and_port", given=_shown(argument)))
    return _host(host), _port(port)


def _path(argument: str) -> str:
    """A type of argument: a file's or folder's name. It may be any bytes but 0, and not none."""
    if not argument:
        raise argparse.ArgumentTypeError(t("cli.no_path"))
    if "\0" in argument:  # which only a file can say
        raise argparse.ArgumentTypeError(t("cli.path_with_0"))
    return argument


def _ipc(argument: str) -> str:
    """A type of argument: a transport (ipc/transport.py). A path is made absolute, as the server leaves its folder."""
    from mpchat.ipc.transport import BUILT_IN

    if argument in BUILT_IN:
        return argument
    if not argument.endswith(".py"):
        raise argparse.ArgumentTypeError(t("cli.no_ipc", known=", ".join(BUILT_IN), given=_shown(argument)))
    return os.path.abspath(_path(argument))


def _oper(argument: str) -> Oper:
    oper, wrong = _operator(_hidden(argument))
    if wrong:
        raise argparse.ArgumentTypeError(wrong)
    return oper


def _operator(text: str) -> tuple[Oper, str]:
    """An operator as text, and what is wrong with it, or "". The text itself is not shown."""
    name, colon, password = text.partition(":")
    if not (name and colon and password) or " " in name + password:
        return Oper("", ""), t("cli.no_oper")
    wrong = _unfit(name) or _unfit(password)
    return Oper(name, password), t("cli.bad_oper", wrong=wrong) if wrong else ""


# What files and the environment say


def _read(path: str, forbidden: int = 0, why: str = "cli.file_shared") -> bytes:
    """All that a file has, _FILE_BYTES at most; also of a pipe (`<(...)` in a shell), if its end comes in time.

    One is refused whose mode has one of the `forbidden` bits: a _PRIVATE one is its owner's alone, an _OWN one only its
    owner may write. (A terminal others may write to, write(1): it is no file.) `why` is the text that says so.
    O_NONBLOCK, because to open a FIFO otherwise waits until its other end is opened (fifo(7)).
    """
    data = b""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            mode = os.fstat(fd).st_mode
            if mode & forbidden and (forbidden != _OWN or stat.S_ISREG(mode)):
                raise Unusable(t(why, path=path))
            deadline = None if os.isatty(fd) else time.monotonic() + _FILE_SECONDS
            readable = select.poll()
            readable.register(fd, select.POLLIN)
            while len(data) <= _FILE_BYTES:
                if not readable.poll(None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000):
                    raise OSError(errno.ETIMEDOUT, t("cli.file_endless", seconds=f"{_FILE_SECONDS:g}"))
                piece = os.read(fd, _FILE_BYTES)
                if not piece:
                    return data.removeprefix(_BOM)
                data += piece
        finally:
            os.close(fd)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    raise Unusable(t("cli.file_too_large", path=path, limit=_FILE_BYTES))


def _decoded(line: bytes, path: str, number: int) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        wrong = f"0x{error.object[error.start]:02x}"
        raise Unusable(t("cli.line_no_utf8", path=path, number=number, byte=wrong)) from None


def _motd(path: str | None) -> tuple[str, ...]:
    """The message of the day, without what a terminal would obey."""
    if path is None:
        return ()
    lines = [_decoded(line, path, number) for number, line in enumerate(_read(path).split(b"\n"), 1)]
    motd = tuple(clean(line) for line in "\n".join(lines).splitlines())
    if len(motd) > _MOTD_LINES:
        raise Unusable(t("cli.file_too_many_lines", path=path, limit=_MOTD_LINES))
    return motd


def _password(path: str | None, is_private: bool = False) -> str:
    """The first line of a password file; "" where there is no file."""
    if path is None:
        return ""
    line, _, _ = _read(path, _PRIVATE if is_private else 0).partition(b"\n")
    password = _decoded(line.removesuffix(b"\r"), path, 1)
    if not password:
        raise Unusable(t("cli.file_without_password", path=path))
    if wrong := _unfit(password):
        raise Unusable(t("cli.bad_password", path=path, wrong=wrong))
    return password


def _opers(path: str | None) -> tuple[list[Oper], list[str]]:
    """The operators of a file: NAME:PASSWORD in each line; or `account NAME`, whose owner is one by logging in.

    An empty line says nothing. Both are empty where there is no file.
    """
    if path is None:
        return [], []
    found: dict[str, Oper] = {}
    accounts: dict[str, str] = {}
    for number, line in enumerate(_read(path, _PRIVATE).split(b"\n"), 1):
        text = _decoded(line.removesuffix(b"\r"), path, number)
        if not text:
            continue
        word, _, account = text.partition(" ")
        if word == "account" and not valid_nick(account, ChatSettings.nick_bytes):
            raise Unusable(t("cli.bad_line", path=path, number=number, wrong=t("cli.no_oper_line")))
        if word == "account":
            if fold(account) in accounts:
                raise Unusable(t("cli.bad_line", path=path, number=number, wrong=t("cli.oper_above")))
            accounts[fold(account)] = account
            continue
        if text.startswith(
            "account:"
        ):  # else that would be an operator of this name, whose password is an account's name
            raise Unusable(t("cli.bad_line", path=path, number=number, wrong=t("cli.oper_account_colon")))
        oper, wrong = _operator(text)
        if wrong == t("cli.no_oper"):
            wrong = t("cli.no_oper_line")
        if wrong or oper.name in found:
            raise Unusable(t("cli.bad_line", path=path, number=number, wrong=wrong or t("cli.oper_above")))
        found[oper.name] = oper
    if not found and not accounts:
        raise Unusable(t("cli.file_without_oper", path=path))
    return list(found.values()), list(accounts.values())


def _certificate(options: argparse.Namespace) -> Certificate | None:
    """The certificate and its key for the TLS ports; None where there is none of these. Raises Unusable."""
    has_port = options.tls_port is not None or options.tls_plain_port is not None
    if not has_port and (options.tls_cert or options.tls_key):
        raise Unusable(t("tls.no_port"))
    if not has_port:
        return None
    if not (options.tls_cert and options.tls_key):
        raise Unusable(t("tls.no_files"))
    from mpchat.runtime.certificates import Unfit

    try:
        from mpchat.front.context import server_context

        certificate = Certificate(_read(options.tls_cert), _read(options.tls_key, _OWN, "tls.key_shared"))
        server_context(certificate)
    except ImportError:
        raise Unusable(t("tls.no_openssl")) from None
    except OSError as error:
        raise Unusable(_reason(error)) from None
    except Unfit as error:
        raise Unusable(f"--tls-cert {options.tls_cert}, --tls-key {options.tls_key}: {error}") from None
    return certificate


def _shared_key(options: argparse.Namespace, secrets: Secrets) -> str:
    """The file of the key in use if others than its owner may read it, which some systems' groups do; or ""."""
    if secrets.certificate is None or not os.stat(options.tls_key).st_mode & (stat.S_IRGRP | stat.S_IROTH):
        return ""
    return str(options.tls_key)


def _xdg(name: str) -> str:
    """A folder that the environment names, or "". A relative one is invalid, and ignored (XDG base directories)."""
    folder = os.environ.get(name, "")
    return folder if os.path.isabs(folder) else ""


def _state_folder() -> Path | None:
    """Where what we keep belongs; None where the user has no home."""
    return _own_folder("XDG_STATE_HOME", ".local/state")


def _own_folder(variable: str, usual: str) -> Path | None:
    """Our folder in the one that the environment names, or in the usual one; None where the user has no home."""
    folder = _xdg(variable)
    if folder:
        return Path(folder, "mpchat")
    home = os.environ.get("HOME", "")
    if not os.path.isabs(home):
        import pwd

        try:
            home = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:  # a number without a name, in a container
            return None
    return Path(home, usual, "mpchat") if os.path.isabs(home) else None


# The configuration file


def _range(most: float, least: float) -> Callable[[str], float]:
    """A type of value: a number from `least` to `most`."""

    def number(text: str) -> float:
        found = float(text)
        if not least <= found <= most:  # NaN is not in between either
            raise argparse.ArgumentTypeError(t("config.no_range", least=least, most=most, given=_shown(text)))
        return found

    return number


def _one_of(*words: str) -> Callable[[str], str]:
    def word(text: str) -> str:
        if text not in words:
            raise argparse.ArgumentTypeError(t("config.no_word", words=", ".join(words), given=_shown(text)))
        return text

    return word


def _networks(written: list[str]) -> tuple[str, ...]:
    """A type of value: networks, or addresses, each a network of its own."""
    if len(written) > _MOST_NETWORKS:
        raise argparse.ArgumentTypeError(t("config.too_many_networks", limit=_MOST_NETWORKS, size=len(written)))
    networks = []
    for text in written:
        try:
            networks.append(str(network_of(text)))
        except ValueError:
            raise argparse.ArgumentTypeError(t("config.no_network", given=_shown(text))) from None
    return tuple(networks)


_SECONDS = _count(86_400)
# Those that have an option have its name, and what it takes.
_KEYS = (
    Key("server", "host", str, _host),
    Key("server", "port", int, _port),
    Key("server", "plain_port", object, _plain_port),
    Key("server", "tls_port", int, _port),
    Key("server", "tls_plain_port", int, _port),
    Key("server", "tls_cert", str, _path, needs_start=False),
    Key("server", "tls_key", str, _path, needs_start=False),
    Key("server", "sts_duration", int, _count(_MOST_STS_SECONDS, 0), needs_start=False),
    Key("server", "workers", int, _count(_MOST_WORKERS)),
    Key("server", "name", str, _name, needs_start=False),
    Key("server", "network", str, _name, needs_start=False),
    Key("server", "description", str, _line_of_text, needs_start=False),
    Key("server", "lang", str, _one_of(*texts.LANGUAGES)),
    Key("server", "motd", str, _path, needs_start=False),
    Key("server", "password_file", str, _path, needs_start=False),
    Key("server", "oper_file", str, _path, needs_start=False),
    Key("server", "hang_limit", float, _hang_limit),
    Key("server", "ipc", str),
    Key("data", "data", str, _path),
    Key("data", "ephemeral", bool),
    Key("data", "durability", str, _one_of("none", "process", "power")),
    Key("data", "keep_journal", bool),
    Key("data", "history_days", int, _count(_MOST_DAYS, 0)),
    Key("data", "history_size", int, _count(_MOST_MEGABYTES, 0)),
    Key("log", "log_level", str, _one_of("debug", "info", "warning", "error")),
    Key("log", "log_json", bool),
    Key("limits", "exempt", list, _networks, needs_start=False),
    Key("limits", "connections_per_address", int, _count(1_000_000), needs_start=False),
    Key("limits", "new_connections_per_minute", int, _count(1_000_000), needs_start=False),
    Key("limits", "unregistered_per_address", int, _count(1_000_000), needs_start=False),
    Key("limits", "registration_seconds", int, _SECONDS, needs_start=False),
    Key("limits", "max_clients", int, _count(1_000_000)),
    Key("limits", "handshake_seconds", int, _SECONDS, needs_start=False),
    Key("limits", "handshakes", int, _count(1_000_000), needs_start=False),
    Key("limits", "handshakes_per_address", int, _count(1_000_000), needs_start=False),
    Key("limits", "burst_lines", int, _count(1_000_000), needs_start=False),
    Key("limits", "lines_per_second", float, _range(1e6, 0.1), needs_start=False),
    Key("limits", "sendq", int, _count(1 << 30, _LEAST_SENDQ)),
    Key("limits", "sendq_total", int, _count(1 << 40, _LEAST_SENDQ)),
    Key("limits", "channels_per_client", int, _count(10_000), needs_start=False),
    Key("limits", "targets", int, _count(100), needs_start=False),
    Key("limits", "nick_changes_per_minute", int, _count(60_000), needs_start=False),
    Key("limits", "wrong_passwords", int, _count(1000), needs_start=False),
    Key("limits", "oper_wait_seconds", int, _SECONDS, needs_start=False),
    Key("limits", "oper_forgotten_seconds", int, _SECONDS, needs_start=False),
    Key("limits", "wrong_logins_per_minute", int, _count(60_000), needs_start=False),
    Key("limits", "wrong_logins_per_account", int, _count(60_000), needs_start=False),
    Key("limits", "accounts_per_hour", int, _count(1_000_000), needs_start=False),
    Key("limits", "unlimited", bool),
)
# A relative one is of the folder that the file is in.
_PATHS = ("motd", "password_file", "oper_file", "tls_cert", "tls_key", "data")
_NOT_GIVEN = object()
# What follows from the machine, the environment or other values, unless it is set; and what it is until then.
_DERIVED = {"plain_port": -1, "workers": None, "lang": None, "data": None, "max_clients": None, "sendq_total": None}


def _own_limits() -> dict[str, Any]:
    """The limits that have no option, as they are where no file says otherwise."""
    defaults = {**vars(Settings()), **vars(ChatSettings())}
    with_option = ("max_clients", "unlimited")  # that have their option's name in the settings, too
    names = [key.name for key in _KEYS if key.table == "limits" and key.name not in with_option]
    return {name: defaults[name] for name in names if name in defaults}


def _given(parser: argparse.ArgumentParser, options: argparse.Namespace, words: list[str]) -> frozenset[str]:
    """The keys whose options stand on the command line, of which `options` was parsed."""
    options.parser.set_defaults(**{key.name: _NOT_GIVEN for key in _KEYS})
    again = parser.parse_known_args(words)[0]
    given = {key.name for key in _KEYS if getattr(again, key.name) is not _NOT_GIVEN}
    given |= {"port"} if options.port_option is not None else set()
    given |= {"lang"} if options.lang else set()  # it may stand in front of the command
    if options.ephemeral or "data" in given:
        given |= {"ephemeral", "data"}
    if options.durability == "none" and "durability" in given:
        given |= {"data", "keep_journal"}  # there is nothing for them to say
    return frozenset(given | ({"password_file"} if options.password else set()))


def _with_file(options: argparse.Namespace) -> argparse.Namespace:
    """The options, with what the file says of those that the command line does not name. Raises Unusable, OSError."""
    options = argparse.Namespace(**vars(options))
    options.port = _port_of(options)
    options.overridden = ()  # keys of the file that say another thing than what is in force
    if options.config is not None:
        _take_file(options)
    options.derived = {name for name, unset in _DERIVED.items() if getattr(options, name) == unset}
    if options.workers is None:
        options.workers = _default_workers()
    return options


def _take_file(options: argparse.Namespace) -> None:
    """Put what the file says in force, where the command line says nothing."""
    text = "\n".join(
        _decoded(line, options.config, number)
        for number, line in enumerate(_read(options.config, _OWN, "config.shared").split(b"\n"), 1)
    )
    try:
        values = config_file.read(text, _KEYS)
    except config_file.Wrong as error:
        raise Unusable(f"{options.config}: {error}") from None
    if values.get("ephemeral") and "data" in values and not options.given & {"data", "ephemeral"}:
        raise Unusable(f"{options.config}: {t('config.data_twice')}")
    folder = os.path.dirname(os.path.abspath(options.config))
    for name, value in values.items():
        if name == "ipc":
            value = _ipc_of_file(options.config, folder, value)
        elif name in _PATHS:
            value = os.path.join(folder, value)
        former = getattr(options, name)
        if name not in options.given:
            setattr(options, name, value)
        elif value != (os.path.abspath(former) if former and name in _PATHS else former):
            options.overridden += (name,)


def _ipc_of_file(config: str, folder: str, value: str) -> str:
    try:
        return _ipc(os.path.join(folder, value) if value.endswith(".py") else value)
    except argparse.ArgumentTypeError as error:
        raise Unusable(f"{config}: {t('config.bad_value', table='server', key='ipc', why=error)}") from None


def _print_config(options: argparse.Namespace, settings: Settings) -> int:
    """What is in force, as a file. Of secrets it names the files that they are in."""
    values = {key.name: getattr(options, key.name) for key in _KEYS}
    values |= {name: os.path.abspath(values[name]) for name in _PATHS if values[name] is not None}
    values |= {
        "plain_port": "none" if settings.plain_port is None else settings.plain_port,
        "lang": settings.chat.language,
        "data": None if options.ephemeral or not settings.data else settings.data,
        "max_clients": settings.max_clients,
        "sendq_total": settings.sendq_total_bytes,
        "exempt": list(options.exempt),
    }
    print(config_file.printed(_KEYS, values, options.derived), end="")
    for option, given in (("--password", options.password), ("--oper", options.oper)):
        if given:
            print(f"# {t('config.masked', option=option, instead=option + '-file')}")
    return 0


# mpchat server


def _add_server(commands: Any) -> None:
    parser = commands.add_parser("server", help=t("cli.server"))
    parser.set_defaults(run=_run_server, parser=parser)
    parser.set_defaults(given=frozenset(), **_own_limits())
    add = parser.add_argument
    _add_place(parser)
    add("--sts-duration", type=_count(_MOST_STS_SECONDS, 0), default=0, metavar="S", help=t("cli.sts_duration"))
    add("--config", type=_path, metavar="FILE", help=t("cli.config"))
    add("--print-config", action="store_true", help=t("cli.print_config"))
    keep = parser.add_mutually_exclusive_group()
    _add_data(keep)
    keep.add_argument("--ephemeral", action="store_true", help=t("cli.ephemeral"))
    _add_opposite(parser, "ephemeral")
    add(
        "--durability",
        choices=("none", "process", "power"),
        default="process",
        help=t("cli.durability"),
    )
    add("--keep-journal", action="store_true", help=t("cli.keep_journal"))
    _add_opposite(parser, "keep-journal")
    add(
        "--history-days",
        type=_count(_MOST_DAYS, 0),
        default=Settings.history_days,
        metavar="N",
        help=t("cli.history_days"),
    )
    add(
        "--history-size",
        type=_count(_MOST_MEGABYTES, 0),
        default=Settings.history_bytes // _MEGABYTE,
        metavar="MB",
        help=t("cli.history_size"),
    )
    add(
        "--hang-limit",
        type=_hang_limit,
        default=3.0,
        metavar="S",
        help=t("cli.hang_limit"),
    )
    add(
        "--ipc",
        type=_ipc,
        default="queue",
        metavar="T",
        help=t("cli.ipc"),
    )
    add("--name", type=_name, default="mpchat.local", help=t("cli.name"))
    add("--network", type=_name, default="mpchat", help=t("cli.network"))
    about = "a chat server made of processes"
    add("--description", type=_line_of_text, default=about, help=t("cli.description"))
    add("--motd", type=_path, metavar=t("cli.file"), help=t("cli.motd"))
    password = parser.add_mutually_exclusive_group()
    password.add_argument("--password", type=_secret, metavar="PW", help=t("cli.password"))
    password.add_argument(
        "--password-file",
        type=_path,
        metavar="F",
        help=t("cli.password_file"),
    )
    add("--oper-file", type=_path, metavar="F", help=t("cli.oper_file"))
    add(
        "--oper",
        type=_oper,
        action="append",
        default=[],
        metavar=t("cli.name_and_password"),
        help=t("cli.oper"),
    )
    add(
        "--max-clients",
        type=_count(1_000_000),
        metavar="N",
        help=t("cli.max_clients"),
    )
    sendq = Settings.sendq_bytes
    add(
        "--sendq",
        type=_count(1 << 30, _LEAST_SENDQ),
        default=sendq,
        metavar="BYTES",
        help=t("cli.sendq"),
    )
    add(
        "--sendq-total",
        type=_count(1 << 40, _LEAST_SENDQ),
        metavar="BYTES",
        help=t("cli.sendq_total"),
    )
    add("--unlimited", action="store_true", help=t("cli.unlimited"))
    _add_opposite(parser, "unlimited")
    _add_language(parser, t("cli.server_lang"))
    add("--log-level", choices=("debug", "info", "warning", "error"), default="info")
    add("--log-json", action="store_true", help=t("cli.log_json"))
    _add_opposite(parser, "log-json")


def _add_opposite(parser: argparse.ArgumentParser, option: str) -> None:
    """What takes back a `true` of --config. (argparse.BooleanOptionalAction would add its default, in English.)"""
    dest = option.replace("-", "_")
    help = t("cli.no", option=option)
    parser.add_argument(f"--no-{option}", action="store_false", dest=dest, default=False, help=help)


def _add_place(parser: argparse.ArgumentParser) -> None:
    """Where a server listens, and how large it is."""
    parser.add_argument("host", nargs="?", type=_host, default="127.0.0.1", help=t("cli.server_host"))
    _add_port(parser, t("cli.server_port"))
    parser.add_argument("--plain-port", type=_plain_port, default=-1, metavar="P", help=t("cli.plain_port"))
    parser.add_argument("--tls-port", type=_port, metavar="P", help=t("cli.tls_port"))
    parser.add_argument("--tls-plain-port", type=_port, metavar="P", help=t("cli.tls_plain_port"))
    parser.add_argument("--tls-cert", type=_path, metavar="F", help=t("cli.tls_cert"))
    parser.add_argument("--tls-key", type=_path, metavar="F", help=t("cli.tls_key"))
    workers = t("cli.workers") % {"default": _default_workers()}
    parser.add_argument("--workers", type=_count(_MOST_WORKERS), metavar="N", help=workers)


def _default_workers() -> int:
    return min(max(1, (os.cpu_count() or 1) // 2), _MOST_WORKERS)


def _add_data(parser: Any) -> None:
    parser.add_argument("--data", type=_path, metavar="DIR", help=t("cli.data"))


def _add_port(parser: argparse.ArgumentParser, help: str) -> None:
    """PORT as a word behind HOST, and as --port, as the other commands have it. _port_of() knows which was given."""
    parser.add_argument("port", nargs="?", type=_port, help=help % {"default": _PORT})
    parser.add_argument("--port", type=_port, dest="port_option", metavar="PORT", help=t("cli.port_option"))


def _port_of(options: argparse.Namespace) -> int:
    ports = {port for port in (options.port, options.port_option) if port is not None}
    if len(ports) > 1:
        options.parser.error(t("cli.two_ports", one=options.port, other=options.port_option))
    return ports.pop() if ports else _PORT


def _add_language(parser: argparse.ArgumentParser, help: str) -> None:
    """Not given here, it is what was given in front of the command."""
    parser.add_argument("--lang", choices=tuple(texts.LANGUAGES), default=argparse.SUPPRESS, help=help)


def _run_server(options: argparse.Namespace) -> int:
    if not hasattr(os, "fork"):
        raise Unusable(t("cli.windows"))
    from mpchat import roles
    from mpchat.ipc.control_socket import runtime_folder
    from mpchat.ipc.transport import NoTransport, find
    from mpchat.runtime.listening import CannotListen
    from mpchat.runtime.log import Log
    from mpchat.runtime.signals import set_dispositions
    from mpchat.supervisor.supervisor import KEY_IS_SHARED, Supervisor

    arguments, options = options, _with_file(options)
    if options.lang:
        _speak(options.lang)
    if options.log_json and not options.print_config:
        _speak(texts.DEFAULT)  # from here on all that it says is for programs
    settings, secrets = _settings_of(options)
    if options.print_config:
        return _print_config(options, settings)
    read_again = _reader(arguments, options, secrets.certificate)
    load_mains = roles.load_with_front if secrets.certificate is not None else roles.load
    try:
        find(settings.ipc)
    except NoTransport as error:
        raise Unusable(f"--ipc: {error}") from None
    configured = _xdg("XDG_RUNTIME_DIR")
    runtime = runtime_folder(configured)
    set_dispositions()
    standard_streams.take_over()
    log = Log("supervisor", settings.log_level, settings.log_json)
    if configured and runtime.parent != Path(configured):
        log.warning("XDG_RUNTIME_DIR is no folder of this user's", folder=configured, instead=runtime)
    if options.overridden:
        keys = ", ".join(str(key) for key in _KEYS if key.name in options.overridden)
        log.warning("arguments come before --config", file=options.config, without_effect=keys)
    for option, given in (("--oper", options.oper), ("--password", options.password)):
        if given:
            log.warning("arguments are visible to everybody on this machine", option=option, instead=f"{option}-file")
    if shared := _shared_key(options, secrets):
        log.warning(KEY_IS_SHARED, file=shared)
    try:
        if settings.data and (options.ephemeral or (options.port == 0 and not options.data)):
            with tempfile.TemporaryDirectory(prefix="mpchat-") as folder:  # nobody comes back to a port of chance
                return Supervisor(replace(settings, data=folder), secrets, runtime, load_mains, read_again).run()
        return Supervisor(settings, secrets, runtime, load_mains, read_again).run()
    except CannotListen as error:
        why = str(error)
    except OSError as error:
        why = _reason(error)
    if not options.log_json:
        return _complain(why, 1)
    log.error("the server ends", why=why)
    return 1


def _settings_of(options: argparse.Namespace, own: argparse.Namespace | None = None) -> tuple[Settings, Secrets]:
    """The settings and secrets; what is wrong may have come from the file, which is named then. Raises Unusable.

    `own`: the options in which certificate, key and TLS ports belong together, if these are others.
    """
    with _file_named(options):
        _plain_port_of(options)  # first of all: it needs no file
        chat, secrets = _chat_settings(options, _certificate(own or options))
        return _server_settings(options, chat), secrets


def _check_start(options: argparse.Namespace) -> None:
    """What a start with these options would refuse, but for what files say that they name. Raises Unusable.

    A transport of the user's own is not tried: its code is not for a process that runs.
    """
    from mpchat.ipc.transport import NoTransport, source_of

    with _file_named(options):
        _server_settings(options, ChatSettings())
        try:
            source_of(options.ipc)
        except NoTransport as error:
            raise Unusable(f"--ipc: {error}") from None


@contextlib.contextmanager
def _file_named(options: argparse.Namespace) -> Iterator[None]:
    try:
        yield
    except Unusable as error:
        if options.config is None:
            raise
        raise Unusable(f"{error} ({t('config.in_force', path=options.config)})") from None


def _server_settings(options: argparse.Namespace, chat: ChatSettings) -> Settings:
    if options.unlimited and not is_loopback(options.host):
        raise Unusable(t("cli.unlimited_refused"))
    if options.durability == "none" and (options.data or options.keep_journal):
        option = "--data" if options.data else "--keep-journal"
        raise Unusable(t("cli.nothing_kept", option=option))
    plain_port = _plain_port_of(options)
    fitting = _clients_that_fit(options)
    if (options.max_clients or 0) > fitting:
        raise Unusable(t("cli.too_many_clients", given=options.max_clients, fitting=fitting, workers=options.workers))
    return Settings(
        host=options.host,
        port=options.port,
        plain_port=plain_port,
        tls_port=options.tls_port,
        tls_plain_port=options.tls_plain_port,
        workers=options.workers,
        chat=chat,
        max_clients=options.max_clients or min(fitting, _MOST_CLIENTS),
        data=_data_folder(options),
        power=options.durability == "power",
        ipc=options.ipc,
        keep_journal=options.keep_journal,
        history_days=options.history_days,
        history_bytes=options.history_size * _MEGABYTE,
        hang_limit=options.hang_limit,
        sendq_bytes=options.sendq,
        sendq_total_bytes=_sendq_total(options),
        connections_per_address=options.connections_per_address,
        new_connections_per_minute=options.new_connections_per_minute,
        handshake_seconds=options.handshake_seconds,
        handshakes=options.handshakes,
        handshakes_per_address=options.handshakes_per_address,
        burst_lines=options.burst_lines,
        lines_per_second=options.lines_per_second,
        unlimited=options.unlimited,
        log_level=options.log_level,
        log_json=options.log_json,
    )


def _chat_settings(options: argparse.Namespace, certificate: Certificate | None) -> tuple[ChatSettings, Secrets]:
    """What the chat is to be like, and the secrets: all that is read from files. Raises Unusable."""
    of_file, oper_accounts = _opers(options.oper_file)
    opers = [*options.oper, *of_file]
    names = [oper.name for oper in opers]
    if len(set(names)) < len(names):
        raise Unusable(t("cli.oper_twice"))
    if options.sts_duration and options.tls_port is None:
        raise Unusable(t("tls.no_sts"))
    password = options.password or _password(options.password_file, is_private=True)
    secrets = Secrets(password, tuple(opers), certificate)
    chat = ChatSettings(
        answer_bytes=min(ChatSettings.answer_bytes, options.sendq // 2),  # a long answer is no lag
        name=options.name,
        network=options.network,
        description=options.description,
        version=f"mpchat {__version__}",
        motd=_motd(options.motd),
        password_needed=bool(secrets.password),
        opers_exist=bool(secrets.opers),
        oper_accounts=tuple(oper_accounts),
        language=options.lang or texts.wished((), os.environ),
        exempt=options.exempt,
        unregistered_per_address=0 if options.unlimited else options.unregistered_per_address,
        registration_seconds=options.registration_seconds,
        channels_per_client=options.channels_per_client,
        targets=options.targets,
        nick_changes_per_minute=0 if options.unlimited else options.nick_changes_per_minute,
        wrong_passwords=options.wrong_passwords,
        oper_wait_seconds=options.oper_wait_seconds,
        oper_forgotten_seconds=options.oper_forgotten_seconds,
        wrong_logins_per_minute=0 if options.unlimited else options.wrong_logins_per_minute,
        wrong_logins_per_account=0 if options.unlimited else options.wrong_logins_per_account,
        accounts_per_hour=0 if options.unlimited else options.accounts_per_hour,
        sts_seconds=options.sts_duration,
        room_flags="n",  # who is not in a room does not speak into it, unless its operators want that
    )
    return chat, secrets


def _reader(
    arguments: argparse.Namespace, options: argparse.Namespace, certificate: Certificate | None
) -> "Callable[[], Read]":
    """What reads the files again, wherever the server's working directory is by then.

    `arguments` are the command line's, `options` what is in force with the file: what only a start can take stays so.
    So a server without TLS gets no `certificate`; one with TLS keeps its own if the files speak of none any more.
    It raises Rejected, whose text says in one line what is wrong. It may wait as _read() does.
    """
    from mpchat.supervisor.reloading import Read, Rejected

    again, in_force = argparse.Namespace(**vars(arguments)), argparse.Namespace(**vars(options))
    for each in (again, in_force):
        for name in ("config", *_PATHS):
            if path := getattr(each, name):
                with contextlib.suppress(FileNotFoundError):  # this folder was removed
                    setattr(each, name, os.path.join(os.getcwd(), path))

    def read() -> Read:
        nonlocal certificate
        try:
            new = _with_file(again)
            _check_start(new)
            fixed = [key for key in _KEYS if key.needs_start and getattr(new, key.name) != getattr(in_force, key.name)]
            own = argparse.Namespace(**vars(new))
            for key in fixed:
                setattr(new, key.name, getattr(in_force, key.name))
            settings, secrets = _settings_of(new, own)
            shared = _shared_key(own, secrets)
            if settings.has_front:
                certificate = secrets.certificate or certificate
            return Read(settings, replace(secrets, certificate=certificate), tuple(map(str, fixed)), shared)
        except Unusable as error:
            raise Rejected(str(error)) from None
        except OSError as error:
            raise Rejected(_reason(error)) from None

    return read


def _sendq_total(options: argparse.Namespace) -> int:
    sendq: int = options.sendq
    total: int | None = options.sendq_total
    if total is None:  # each worker has its share of it
        return max(Settings.sendq_total_bytes, sendq * int(options.workers))
    if total < sendq:
        raise Unusable(t("cli.small_sendq_total", total=total, sendq=sendq))
    return total


def _data_folder(options: argparse.Namespace) -> str:
    if options.durability == "none":
        return ""
    if options.data:
        return str(os.path.abspath(options.data))
    state = _state_folder()
    if state is None:
        raise Unusable(t("cli.no_home"))
    return str(state / str(options.port))


def _plain_port_of(options: argparse.Namespace) -> int | None:
    """None: plain text is not spoken. `options.port` is the one that _port_of() has found.

    Raises Unusable if two of the ports are the same.
    """
    port: int = options.port
    plain_port: int | None = options.plain_port
    if plain_port == port != 0:
        raise Unusable(t("cli.same_port", port=port))
    if plain_port == -1 and port == 0:
        plain_port = 0
    elif plain_port == -1:
        plain_port = port + _PLAIN_OFFSET if port + _PLAIN_OFFSET <= 65535 else None
    found = {"--port": port, "--plain-port": plain_port}
    for option, tls_port in (("--tls-port", options.tls_port), ("--tls-plain-port", options.tls_plain_port)):
        for other in [name for name, number in found.items() if number == tls_port and tls_port]:
            raise Unusable(t("cli.ports_are_one", option=option, other=other, port=tls_port))
        found[option] = tls_port
    return plain_port


def _clients_that_fit(options: argparse.Namespace) -> int:
    """Raise the soft limit of open files to the hard one; returns how many clients that allows."""
    hard = _raise_open_files()
    workers: int = options.workers
    has_front = options.tls_port is not None or options.tls_plain_port is not None
    each = 2 if has_front else 1  # the front has two sockets for a client: its own, and one that leads to its worker
    needed = _FDS_PER_WORKER * (workers + _OTHER_ROLES)
    if hard < needed:
        raise Unusable(t("cli.too_many_workers", workers=workers, needed=needed, limit=hard))
    # The headroom is a generous one: under a low limit it would leave hardly a client.
    return max(hard - _HEADROOM_FDS - _FDS_PER_WORKER * workers, hard // 3) // each


def _raise_open_files() -> int:
    """Raise the soft limit of open files to the hard one; returns that, sys.maxsize where there is none."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):  # macOS has a hard limit that it does not grant
        hard, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


# mpchat client, send and tail


def _add_client(commands: Any) -> None:
    parser = _add_talker(commands, "client")
    parser.set_defaults(run=_run_client, parser=parser)
    add = parser.add_argument
    add("host", nargs="?", type=_place, default="127.0.0.1", help=t("cli.talker_host"))
    _add_port(parser, t("cli.talker_port"))
    _add_identity(parser, t("cli.client_nick"))
    add("--room", type=_text, help=t("cli.client_room"))
    add("--plain", action="store_true", help=t("cli.plain"))
    add("--color", choices=("auto", "always", "never"), default="auto")
    _add_language(parser, t("cli.client_lang"))


def _add_send(commands: Any) -> None:
    parser = _add_talker(commands, "send")
    parser.set_defaults(run=_run_send, parser=parser)
    add = parser.add_argument
    add("text", nargs="*", type=_text, metavar=t("cli.text"), help=t("cli.send_text"))
    add("--to", type=_text, default="#lobby", metavar=t("cli.target"), help=t("cli.send_to"))
    _add_address(parser)


def _add_tail(commands: Any) -> None:
    parser = _add_talker(commands, "tail")
    parser.set_defaults(run=_run_tail, parser=parser)
    add = parser.add_argument
    add("--room", type=_text, default="#lobby", help=t("cli.tail_room"))
    add("--json", action="store_true", help=t("cli.tail_json"))
    _add_address(parser)


def _add_talker(commands: Any, name: str) -> argparse.ArgumentParser:
    """A command that talks to a server, with its examples and exit statuses."""
    example = t(f"cli.talker_example.{name}", run=_RUN)
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=t(f"cli.talker.{name}"),
        description=t(f"cli.talker_about.{name}"),
        epilog=example + "\n\n" + t("cli.statuses"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def _add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", type=_place, default="127.0.0.1", metavar="H", help=t("cli.talker_host"))
    parser.add_argument("--port", type=_port, default=_PORT, metavar="P", help=t("cli.talker_port"))
    _add_identity(parser, t("cli.script_nick"))
    _add_language(parser, t("cli.lang"))


def _add_identity(parser: argparse.ArgumentParser, nick: str) -> None:
    parser.add_argument("--nick", type=_some_text, help=nick)
    parser.add_argument("--password-file", type=_path, metavar="F", help=t("cli.talker_password_file"))
    parser.add_argument("--tls", action="store_true", help=t("cli.talker_tls"))
    parser.add_argument("--tls-ca", type=_path, metavar="F", help=t("cli.talker_tls_ca"))
    parser.add_argument("--account", type=_some_text, metavar=t("cli.account_name"), help=t("cli.talker_account"))
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--account-password-file", type=_path, metavar="F", help=t("cli.account_password_file"))
    source.add_argument(
        "--account-password-command", type=_some_text, metavar=t("cli.command"), help=t("cli.account_password_command")
    )


def _account_password(options: argparse.Namespace) -> str:
    """That of --account-password-file, "" where there is none. Raises Unusable."""
    if not options.account and (options.account_password_file or options.account_password_command):
        raise Unusable(t("cli.account_missing"))
    return _password(options.account_password_file, is_private=True)


def _some_text(argument: str) -> str:
    text = _text(argument)
    if not text:
        raise argparse.ArgumentTypeError(t("cli.it_is_empty"))
    return text


def _run_client(options: argparse.Namespace) -> int:
    from mpchat.client.app import run

    options.port = _port_of(options)
    _need_stream(0)
    _need_stream(1)
    environment = os.environ
    state, config = _state_folder(), _own_folder("XDG_CONFIG_HOME", ".config")
    return run(
        replace(
            _client_options(options, options.room),
            plain=options.plain,
            color=options.color,
            no_color=bool(environment.get("NO_COLOR")),
            dumb=environment.get("TERM", "") in ("", "dumb"),
            history_file="" if state is None else str(state / "client-history"),
            settings_file="" if config is None else str(config / "client.toml"),
            language=options.lang or "",
        )
    )


def _run_send(options: argparse.Namespace) -> int:
    from mpchat.client.app import send

    text = None if options.text in ([], ["-"]) else " ".join(options.text)
    if text is None:
        _need_stream(0)
    return send(_client_options(options, options.to), text)


def _run_tail(options: argparse.Namespace) -> int:
    from mpchat.client.app import follow

    _need_stream(1)
    return follow(_client_options(options, options.room), options.json)


def _client_options(options: argparse.Namespace, room: str) -> "Options":
    """What client, send and tail have in common."""
    from mpchat.client.options import Options

    return Options(
        host=options.host,
        port=options.port,
        nick=options.nick or "",
        room=room,
        password=_password(options.password_file),
        tls=options.tls,
        tls_ca=_authorities(options),
        account=options.account or "",
        account_password=_account_password(options),
        account_password_command=options.account_password_command or "",
    )


def _authorities(options: argparse.Namespace) -> str:
    """The file of --tls-ca, which is one, or "". Raises Unusable."""
    if options.tls_ca and not options.tls:
        raise Unusable(t("cli.tls_ca_alone"))
    if not options.tls_ca:
        return ""
    import ssl

    from mpchat.client.trust import context

    path: str = os.path.abspath(options.tls_ca)
    try:
        context(path)
    except OSError as error:  # OpenSSL does not say which file
        why = t("cli.no_authorities") if type(error) is ssl.SSLError else translate(error.strerror or str(error))
        raise Unusable(f"--tls-ca {path}: {why}") from None
    return path


def _need_stream(number: int) -> None:
    """Raises Unusable where standard input (0) or output (1) is closed."""
    if number in standard_streams.closed:
        raise Unusable(t(f"cli.closed.{number}"))


# mpchat doctor


def _add_doctor(commands: Any) -> None:
    parser = commands.add_parser("doctor", help=t("cli.doctor"), description=t("cli.doctor_about"))
    parser.set_defaults(run=_run_doctor, parser=parser, durability="process", ephemeral=False, password=None)
    _add_place(parser)
    _add_data(parser)
    parser.add_argument("--config", type=_path, metavar="FILE", help=t("cli.config"))
    parser.add_argument("--json", action="store_true", help=t("cli.doctor_json"))
    _add_language(parser, t("cli.lang"))


def _run_doctor(options: argparse.Namespace) -> int:
    """What the server would refuse is a finding here: asked for is whether it will run."""
    if not hasattr(os, "fork"):
        return _complain(t("cli.windows"), 1)
    import resource

    from mpchat.monitor.doctor import doctor
    from mpchat.monitor.doctor.asked import Asked

    _need_stream(1)
    language = texts.spoken()
    if options.json:
        _speak(texts.DEFAULT)
    options, bad_config = _with_file_examined(options)
    plain_port = _plain_port_of(options)
    data, no_data, clients, too_few = "", "", 0, ""
    try:
        # The server keeps the data of a port of chance in a folder of chance.
        if not options.ephemeral and (options.port != 0 or options.data):
            data = _data_folder(options)
    except Unusable as error:
        no_data = str(error)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        clients = min(_clients_that_fit(options), options.max_clients or _MOST_CLIENTS)
    except Unusable as error:
        too_few = str(error)
    certificate, no_certificate = None, ""
    try:
        certificate = _certificate(options)
    except Unusable as error:
        no_certificate = str(error)
    asked = Asked(
        settings=Settings(
            host=options.host,
            port=options.port,
            plain_port=plain_port,
            tls_port=options.tls_port,
            tls_plain_port=options.tls_plain_port,
            workers=options.workers,
            data=data,
        ),
        no_data=no_data,
        descriptors=(soft, hard),
        clients=clients,
        too_few_descriptors=too_few,
        certificate=certificate,
        no_certificate=no_certificate,
        key_path=options.tls_key or "",
        default_workers=_default_workers(),
        runtime=_xdg("XDG_RUNTIME_DIR"),
        environment=os.environ,
        language=language,
        explain=_reason,
        config=options.config or "",
        bad_config=bad_config,
    )
    return doctor.run(asked, options.json, _show)


def _with_file_examined(doctors: argparse.Namespace) -> tuple[argparse.Namespace, str]:
    """The server's options, with what the file of --config says, and why a server would not start with it, or "".

    Then they are those without the file.
    """
    usual = vars(_parser().parse_args(["server"]))
    without = argparse.Namespace(**{**usual, **vars(doctors)})
    without.config = None
    options = _with_file(without)
    if doctors.config is None:
        return options, ""
    try:
        without.config = doctors.config
        with_file = _with_file(without)
        _check_start(with_file)
        _settings_of(with_file)
    except Unusable as error:
        options.config = doctors.config
        return options, str(error)
    except OSError as error:
        options.config = doctors.config
        return options, _reason(error)
    return with_file, ""


# mpchat ps


def _add_ps(commands: Any) -> None:
    parser = commands.add_parser("ps", help=t("cli.ps"))
    parser.set_defaults(run=_run_ps, parser=parser)
    parser.add_argument("--port", type=_port, default=_PORT, help=t("cli.server_of_port"))
    parser.add_argument("--json", action="store_true", help=t("cli.ps_json"))
    _add_language(parser, t("cli.lang"))


def _run_ps(options: argparse.Namespace) -> int:
    from mpchat.monitor.ps import as_json, as_table

    status = _ask(options.port, "ps", _PS_SECONDS)
    if status is None:
        return 1
    print(as_json(status) if options.json else as_table(status))
    return 0


# mpchat lab


def _add_lab(commands: Any) -> None:
    parser = commands.add_parser("lab", help=t("cli.lab"))
    parser.set_defaults(run=_run_lab, parser=parser)
    parser.add_argument("experiment", nargs="?", choices=(*_EXPERIMENTS, "all"), help=t("cli.lab_experiment"))
    steps = parser.add_mutually_exclusive_group()
    for step in ("predict", "run", "explain", "check"):
        steps.add_argument(f"--{step}", dest="step", action="store_const", const=step, help=t(f"cli.lab_step.{step}"))
    parser.add_argument("--json", metavar="FILE", type=_path, help=t("cli.lab_json"))
    parser.add_argument("--seed", metavar="N", type=_count(_MOST_SEED, least=0), default=1, help=t("cli.lab_seed"))
    _add_language(parser, t("cli.lang"))


def _run_lab(options: argparse.Namespace) -> int:
    from mpchat.lab import command

    if options.experiment is None:
        return command.list_experiments(texts.spoken())
    path = None if options.json is None else Path(options.json)
    if path is not None and path.suffix != ".json":  # beside it will be files with other endings
        raise Unusable(t("cli.lab_no_json", path=path))
    if options.experiment == "all":
        if options.step is not None:
            raise Unusable(t("cli.lab_all_steps", step=options.step))
        return command.every(path, options.seed, texts.spoken())
    path = path or _SUBMISSION / f"{options.experiment}.json"
    return command.one(options.experiment, options.step, path, options.seed, texts.spoken())


# mpchat grade


def _add_grade(commands: Any) -> None:
    parser = commands.add_parser("grade", help=t("cli.grade"), epilog=t("cli.grade_statuses"))
    parser.set_defaults(run=_run_grade, parser=parser)
    add = parser.add_argument
    add("folder", metavar="DIR", type=_path, help=t("cli.grade_folder"))
    add("--experiment", nargs="+", action="extend", choices=_EXPERIMENTS, default=[], help=t("cli.grade_experiment"))
    add("--format", choices=_GRADE_FORMATS, default="table", help=t("cli.grade_format"))
    add("--seed", metavar="N", type=_count(_MOST_SEED, least=0), default=1, help=t("cli.lab_seed"))
    _add_language(parser, t("cli.lang"))


def _run_grade(options: argparse.Namespace) -> int:
    try:
        from mpchat.lab.grading import grade
    except ModuleNotFoundError:  # students' copies do without (scripts/handout.py)
        return _complain(t("cli.grade_not_here"), 1)
    folder = Path(options.folder)
    if not folder.is_dir():
        raise Unusable(t("cli.grade_no_folder", path=options.folder))
    experiments = list(dict.fromkeys(options.experiment))
    return grade.grade(folder, experiments, options.format, options.seed, texts.spoken())


# mpchat top


def _add_top(commands: Any) -> None:
    parser = commands.add_parser("top", help=t("cli.top"))
    parser.set_defaults(run=_run_top, parser=parser)
    parser.add_argument("--port", type=_port, default=_PORT, help=t("cli.server_of_port"))
    parser.add_argument("--once", action="store_true", help=t("cli.top_once"))
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help=t("cli.top_json"))
    form.add_argument("--plain", action="store_true", help=t("cli.top_plain"))
    _add_language(parser, t("cli.lang"))


def _run_top(options: argparse.Namespace) -> int:
    from mpchat.ipc.control_socket import Follower, find
    from mpchat.monitor.picture import BLOCKS, DIGITS
    from mpchat.monitor.top import Failed, Options, run

    _need_stream(1)
    terminal = os.environ.get("TERM", "")
    wanted = Options(
        port=options.port,
        once=options.once,
        json=options.json,
        plain=options.plain,
        has_colours=not os.environ.get("NO_COLOR"),
        bars=BLOCKS if terminal not in ("dumb", "linux") and _can_write(BLOCKS) else DIGITS,
    )
    if wanted.has_screen and (not sys.stdin.isatty() or not sys.stdout.isatty() or terminal in ("", "dumb")):
        raise Unusable(t("top.no_terminal"))

    def follow(path: Path, seconds: float) -> Follower:
        return Follower(path, {"command": "watch"}, seconds)

    follower = _reach(options.port, lambda path: follow(path, _PS_SECONDS), _PS_SECONDS)
    if follower is None:
        return 1
    try:
        return run(follower, lambda: follow(find(_xdg("XDG_RUNTIME_DIR"), options.port), _AGAIN_SECONDS), wanted)
    except Failed as failure:
        return _complain(str(failure), 1)


def _can_write(text: str) -> bool:
    """Whether standard output's encoding has all its letters."""
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return False
    return True


# mpchat events, mpchat trace


def _add_events(commands: Any) -> None:
    parser = commands.add_parser("events", help=t("cli.events"))
    parser.set_defaults(run=_run_events, parser=parser)
    parser.add_argument("--port", type=_port, default=_PORT, help=t("cli.server_of_port"))
    parser.add_argument("--follow", action="store_true", help=t("cli.events_follow"))
    parser.add_argument("--json", action="store_true", help=t("cli.events_json"))
    _add_language(parser, t("cli.lang"))


def _run_events(options: argparse.Namespace) -> int:
    """Status 1 if the server has ended: whether in order, its followers are not told."""
    from mpchat.monitor.following import Refused, follow

    _need_stream(1)
    path = _reach(options.port, lambda path: path, _PS_SECONDS)
    if path is None:
        return 1
    try:
        if follow(path, options.follow, options.json, _show, _tell, _pipe_of_output()):
            return 0
    except Refused as refusal:
        return _complain(str(refusal) or t("cli.older_server"), 1)
    return _complain(t("trace.server_ended"), 1)


def _add_trace(commands: Any) -> None:
    parser = commands.add_parser("trace", help=t("cli.trace"), description=t("cli.trace_about"))
    parser.set_defaults(run=_run_trace, parser=parser)
    add = parser.add_argument
    add("--port", type=_port, default=_PORT, help=t("cli.server_of_port"))
    add("--from", dest="sender", metavar="NICK", type=_line_of_text, default="", help=t("cli.trace_from"))
    add("--text", type=_line_of_text, default="", help=t("cli.trace_text"))
    add("--count", type=_count(_MOST_TRACED), default=1, metavar="N", help=t("cli.trace_count"))
    add("--private", action="store_true", help=t("cli.trace_private"))
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help=t("cli.trace_json"))
    form.add_argument("--mermaid", action="store_true", help=t("cli.trace_mermaid"))
    form.add_argument("--perfetto", type=_path, metavar="FILE", help=t("cli.trace_perfetto"))
    _add_language(parser, t("cli.lang"))


def _run_trace(options: argparse.Namespace) -> int:
    """Status 0 if all that were wanted were seen."""
    from mpchat.monitor.following import Refused
    from mpchat.monitor.tracing import Channels, Form, Wanted, check_file, trace, write_file

    _need_stream(1)
    file = Path(options.perfetto) if options.perfetto else None
    if file is not None:
        check_file(file)
    path = _reach(options.port, lambda path: path, _PS_SECONDS)
    if path is None:
        return 1
    name = "json" if options.json else "mermaid" if options.mermaid else "perfetto" if file is not None else "chart"
    form = Form(name, _columns(), sys.stdout.encoding if sys.stdout else "ascii")
    wanted = Wanted(options.sender, options.text, options.count, options.private)
    try:
        has_seen_all, trips = trace(path, wanted, form, Channels(_show, _tell, _pipe_of_output()))
    except Refused as refusal:
        return _complain(str(refusal) or t("cli.older_server"), 1)
    if file is not None and trips:
        write_file(file, trips)
        _tell(t("trace.written", file=file))
    return 0 if has_seen_all else 1


# mpchat explain


def _add_explain(commands: Any) -> None:
    parser = commands.add_parser("explain", help=t("cli.explain"), description=t("cli.explain_about"))
    parser.set_defaults(run=_run_explain, parser=parser)
    add = parser.add_argument
    add("--port", type=_port, default=_PORT, help=t("cli.server_of_port"))
    add("--data", type=_path, metavar="DIR", help=t("cli.explain_data"))
    add("--last", type=_count(_MOST_EXPLAINED), metavar="N", help=t("cli.explain_last") % {"default": _LAST_EXPLAINED})
    add("--from", dest="since", type=_count(_LAST_POSITION, 0), metavar="POSITION", help=t("cli.explain_from"))
    add("--nick", type=_asked_for, help=t("cli.explain_nick"))
    add("--room", type=_room, help=t("cli.explain_room"))
    add("--private", action="store_true", help=t("cli.explain_private"))
    add("--json", action="store_true", help=t("cli.explain_json"))
    _add_language(parser, t("cli.lang"))


def _run_explain(options: argparse.Namespace) -> int:
    """Status 0 if there was anything to tell."""
    from mpchat.monitor.explain import Options, explain
    from mpchat.store.journal import Damaged

    _need_stream(1)
    data, control = _journal_of(options)
    last = options.last or (None if options.since is not None else _LAST_EXPLAINED)
    wanted = options.since, options.nick or "", options.room or "", options.private, options.json
    try:
        return 0 if explain(Options(data, last, *wanted, control), print, _tell) else 1
    except FileNotFoundError:
        key = "no_journal" if options.data is not None or control is not None else "no_server"
        return _complain(t(f"explain.{key}", port=options.port, folder=data), 1)
    except (Damaged, ValueError) as error:
        return _complain(str(error), 1)


def _journal_of(options: argparse.Namespace) -> tuple[Path, Path | None]:
    """The data directory, and the control socket of the server that uses it, if one runs. Raises Unusable, OSError."""
    from mpchat.ipc.control_socket import every

    if options.data is not None:
        data = Path(options.data)
        real = os.path.realpath(data)
        for path in every(_xdg("XDG_RUNTIME_DIR")):
            with contextlib.suppress(OSError):  # it does not answer: perhaps it is another one's
                if (used := _data_of(path)) and os.path.realpath(used) == real:
                    return data, path
        return data, None
    return _data_of_port(options.port)


def _data_of_port(port: int) -> tuple[Path, Path | None]:
    """The same of the server on this port; where none runs, the data directory that one would have."""
    from mpchat.ipc.control_socket import find

    try:
        control = find(_xdg("XDG_RUNTIME_DIR"), port)
    except FileNotFoundError:
        state = _state_folder()
        if state is None:
            raise Unusable(t("cli.no_home")) from None
        return state / str(port), None
    try:
        used = _data_of(control)
    except TimeoutError:
        raise OSError(errno.ETIMEDOUT, t("explain.silent_server", port=port)) from None
    if not used:
        raise Unusable(t("explain.not_kept", port=port))
    return Path(used), control


def _data_of(control: Path) -> str:
    """The data directory of the server behind this control socket; "" if it keeps none. Raises OSError."""
    from mpchat.ipc.control_socket import ask

    return str(ask(control, "ps", _PS_SECONDS).get("data", ""))


def _show(text: str) -> None:
    print(text, flush=True)


def _tell(text: str) -> None:
    """Beside what was asked for."""
    _complain(text, 0)


def _columns() -> int:
    from mpchat.monitor.chart import COLUMNS

    try:
        return os.get_terminal_size(1).columns or COLUMNS
    except OSError:
        return COLUMNS


def _pipe_of_output() -> int | None:
    """The descriptor of standard output if it is a pipe, whose reader may leave while there is nothing to write."""
    try:
        return 1 if stat.S_ISFIFO(os.fstat(1).st_mode) else None
    except OSError:
        return None


# mpchat exporter


def _add_exporter(commands: Any) -> None:
    parser = commands.add_parser("exporter", help=t("cli.exporter"))
    parser.set_defaults(run=_run_exporter, parser=parser)
    add = parser.add_argument
    add("--listen", type=_host_and_port, default=_LISTEN, metavar="HOST:PORT", help=t("cli.exporter_listen"))
    add("--port", type=_port, default=_PORT, help=t("cli.server_of_port"))
    _add_language(parser, t("cli.lang"))


def _run_exporter(options: argparse.Namespace) -> int:
    from mpchat.ipc.control_socket import Follower, find
    from mpchat.runtime.listening import CannotListen, bracketed, listen

    try:
        from mpchat.monitor.exporter import PATH, serve
    except ImportError as missing:
        if not (missing.name or "").startswith("prometheus_client"):
            raise
        return _complain(t("exporter.no_library"), 1)
    _need_stream(1)
    host, port = options.listen
    try:
        listener = listen(Settings(host=host), port)
    except CannotListen as error:
        return _complain(str(error), 1)
    host, port = listener.getsockname()[:2]

    def follow(seconds: float) -> Follower:
        return Follower(find(_xdg("XDG_RUNTIME_DIR"), options.port), {"command": "snapshot"}, seconds)

    url = f"http://{bracketed(host)}:{port}{PATH}"
    serve(listener, options.port, follow, lambda: _show(f"mpchat exporter ready: {url}"), _tell)
    return 0


# mpchat backup, mpchat restore


def _add_backup(commands: Any) -> None:
    parser = commands.add_parser("backup", help=t("cli.backup"), description=t("cli.backup_about"))
    parser.set_defaults(run=_run_backup, parser=parser)
    parser.add_argument("target", metavar="DIR", type=_path, help=t("cli.backup_target"))
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--port", type=_port, default=_PORT, metavar="P", help=t("cli.server_of_port"))
    source.add_argument("--data", type=_path, metavar="DIR", help=t("cli.backup_data"))
    _add_language(parser, t("cli.lang"))


def _run_backup(options: argparse.Namespace) -> int:
    if not hasattr(os, "fork"):
        raise Unusable(t("cli.windows"))
    from mpchat.backup.copying import back_up
    from mpchat.backup.manifest import Unfit
    from mpchat.store.journal import Damaged

    if options.data is not None:
        data = Path(options.data)
    else:
        data, control = _data_of_port(options.port)
        if control is None:
            _tell(t("backup.no_server", port=options.port, data=data))
    _unwind_at_the_end()
    _raise_open_files()  # each segment of the journal is open at once: many, if the recorder has been dead for long
    with contextlib.suppress(OSError):  # a sandbox may forbid it
        os.nice(_COPY_NICENESS)
    try:
        copied = back_up(data, Path(options.target))
    except (Unfit, Damaged) as error:
        return _complain(str(error), 1)
    size = f"{copied.size / _MEGABYTE:.1f}"
    if copied.cut:
        _tell(t("backup.cut", data=data, cut=copied.cut))
    _show(t("backup.done", data=data, target=options.target, files=copied.files, size=size))
    return 0


def _unwind_at_the_end() -> None:
    """Leave nothing half done behind, as at Ctrl-C: the first SIGTERM or SIGHUP (a window is closed) raises SystemExit,
    others are ignored. A SIGHUP that nohup(1) has ignored stays so.
    """
    import signal

    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)

    def end(number: int, _: object) -> NoReturn:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)

    for each in numbers:
        signal.signal(each, end)


def _add_restore(commands: Any) -> None:
    parser = commands.add_parser("restore", help=t("cli.restore"), description=t("cli.restore_about"))
    parser.set_defaults(run=_run_restore, parser=parser, durability="process")
    parser.add_argument("backup", metavar="BACKUP", type=_path, help=t("cli.restore_backup"))
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--port", type=_port, default=_PORT, metavar="P", help=t("cli.restore_port"))
    target.add_argument("--data", type=_path, metavar="DIR", help=t("cli.restore_data"))
    _add_language(parser, t("cli.lang"))


def _run_restore(options: argparse.Namespace) -> int:
    if not hasattr(os, "fork"):
        raise Unusable(t("cli.windows"))
    from mpchat.backup.manifest import Unfit
    from mpchat.backup.restoring import restore
    from mpchat.store.journal import Damaged

    data = Path(_data_folder(options))
    _unwind_at_the_end()
    try:
        copied = restore(Path(options.backup), data)
    except (Unfit, Damaged) as error:
        return _complain(str(error), 1)
    size = f"{copied.size / _MEGABYTE:.1f}"
    _show(t("backup.restored", backup=options.backup, data=data, files=copied.files, size=size))
    return 0


# mpchat reload, mpchat stop


def _add_order(commands: Any, name: str, help: str, seconds: float) -> None:
    """`seconds`: how long its answer may take."""
    parser = commands.add_parser(name, help=help)
    parser.set_defaults(run=_run_order, parser=parser, order=name, seconds=seconds)
    parser.add_argument("--port", type=_port, default=_PORT, help=t("cli.server_of_port"))
    _add_language(parser, t("cli.lang"))


def _run_order(options: argparse.Namespace) -> int:
    """Say what the server says, in English: status 0 if it has done it, 1 if it has not."""
    answer = _ask(options.port, options.order, options.seconds)
    if answer is None:
        return 1
    said = str(answer.get("said", t("cli.older_server")))
    if not answer.get("ok"):
        return _complain(said, 1)
    print("".join(letter if letter.isprintable() else "?" for letter in said))
    return 0


def _ask(port: int, command: str, seconds: float) -> dict[str, Any] | None:
    """What the server on this port answers; None: nothing, and a complaint has said why."""
    from mpchat.ipc.control_socket import ask

    return _reach(port, lambda path: ask(path, command, seconds), seconds)


def _reach(port: int, talk: Callable[[Path], _T], seconds: float) -> _T | None:
    """What talk() returns, with the control socket of the server on this port, if it takes no longer than `seconds`.

    None: there is no server, or it gave no answer, and a complaint has said so.
    """
    from mpchat.ipc.control_socket import find, own_folder

    runtime = _xdg("XDG_RUNTIME_DIR")
    path = None
    try:
        path = find(runtime, port)
        return talk(path)
    except TimeoutError:
        _complain(t("cli.no_answer", seconds=f"{seconds:g}"), 1)
    except OSError as error:
        if path is None and not isinstance(error, FileNotFoundError):
            raise
        folder = own_folder(runtime)
        _complain(t("cli.no_server", port=port, folder=folder), 1)
    return None
