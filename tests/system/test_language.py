"""The language of the command line: --lang, or else the locale. What programs read is the same in each."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from mpchat import cli
from mpchat.texts import LANGUAGES
from mpchat.texts.borrowed import BORROWED
from tests.ipc.pythons import each_python, run_on
from tests.running import PATIENCE, Server, at_home
from tests.system.servers import MPCHAT, unusual

SPANISH = {"LC_ALL": "es_AR.UTF-8"}
COMMANDS = ("server", "client", "send", "tail", "ps", "top", "reload", "stop")

# Words of which no English help could do without one, and that no Spanish one has.
ENGLISH = re.compile(r"\b(the|of|and|is|not|what|your|from|this|default|usage|options|exit|to|for|with|that|one)\b")


def mpchat(*args: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MPCHAT, *args],
        env={**os.environ, **at_home(folder), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


# Help


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_no_english_sentence_is_left_in_a_spanish_help(command: str, tmp_path: Path) -> None:
    done = mpchat(*filter(None, [command]), "--help", folder=tmp_path, **SPANISH)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("uso: ")
    names = re.compile(r"--[a-z-]+|: No such nick/channel|'#sala' ")  # and what the server answers in IRC
    assert ENGLISH.findall(names.sub("", done.stdout)) == []


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_an_english_help_is_recognized(command: str, tmp_path: Path) -> None:
    """Else the test above would have found nothing anywhere."""
    done = mpchat(*filter(None, [command]), "--help", folder=tmp_path)

    assert done.stdout.startswith("usage: ")
    assert len(set(ENGLISH.findall(done.stdout))) > 3


_SENTENCES_OF_ARGPARSE = """
import argparse, ast, inspect, json
calls = [node for node in ast.walk(ast.parse(inspect.getsource(argparse))) if isinstance(node, ast.Call)]
calls = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in ("_", "ngettext")]
words = [word.value for call in calls for word in call.args if isinstance(word, ast.Constant)]
print(json.dumps([word for word in words if isinstance(word, str)]))
"""
# What argparse says of a wrong program, or of what ours does not use.
_NEVER_SAID = {
    "%(heading)s:",
    " (default: %(default)s)",
    "%(prog)s: error: %(message)s\n",
    "%(prog)s: warning: %(message)s\n",
    "%r is not callable",
    "'required' is an invalid argument for positionals",
    ".__call__() not defined",
    'argument "-" with mode %r',
    "argument '%(argument_name)s' is deprecated",
    "can't open '%(filename)s': %(error)s",
    "cannot have multiple subparser arguments",
    "cannot merge actions - two groups are named %r",
    "command '%(parser_name)s' is deprecated",
    "conflicting option string: %s",
    "conflicting option strings: %s",
    "conflicting subparser alias: %s",
    "conflicting subparser: %s",
    "dest= is required for options like %r",
    "invalid conflict_resolution value: %r",
    "invalid option string %(option)r: must start with a character %(prefix_chars)r",
    "mutually exclusive arguments must be optional",
    "option '%(option)s' is deprecated",
    "subcommands",
}


@each_python
def test_all_that_argparse_may_say_is_translated(version: str) -> None:
    sentences = set(json.loads(run_on(version, "-c", _SENTENCES_OF_ARGPARSE).stdout))

    for language, known in BORROWED.items():
        assert sentences - _NEVER_SAID - known.keys() == set(), language


@pytest.mark.parametrize("language", BORROWED)
def test_a_borrowed_sentence_has_the_same_placeholders_in_each_language(language: str) -> None:
    placeholder = re.compile(r"%\(?\w*\)?[sr]")
    for english, other in BORROWED[language].items():
        assert sorted(placeholder.findall(english)) == sorted(placeholder.findall(other))


# What is wrong


@each_python
@pytest.mark.parametrize(
    ("args", "told"),
    [
        ([], r"mpchat: faltan estos argumentos: ORDEN \(.* --help muestra lo que hay\)"),
        (["sever"], r"mpchat: argumento ORDEN: 'sever' no vale \(se elige entre .*"),
        (
            ["server", "--workers", "0"],
            r"mpchat server: argumento --workers: un número entero mayor que 0, y no '0' .*",
        ),
        (["server", "--bold"], r"mpchat server: argumentos desconocidos: --bold .*"),
        (["client", "--nick"], r"mpchat client: argumento --nick: necesita un valor .*"),
        (
            ["client", "127.0.0.1", "x"],
            r"mpchat client: argumento port: un puerto es un número de 0 a 65535, y no 'x' .*",
        ),
        (["ps", "--json=yes"], r"mpchat ps: argumento --json: no lleva valor, y se le dio 'yes' .*"),
    ],
)
def test_what_is_wrong_is_said_in_spanish_by_each_python(
    version: str, args: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "es_AR.UTF-8")
    done = run_on(version, "-m", "mpchat", *args)

    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(told + r"\n", done.stderr), done.stderr


@pytest.mark.parametrize(
    ("args", "status", "told"),
    [
        (["--motd", "/no/such/file"], 1, r"no existe ese archivo o directorio: /no/such/file"),
        (["--data", "/dev/null/below"], 1, r"(no es un directorio|ese archivo ya existe): /dev/null.*"),
        (["--password-file", "/dev/null"], 2, r"/dev/null: lo puede usar alguien más que su dueño.*chmod 600\)"),
        (["--oper", "root:a", "--oper", "root:b"], 2, r"el nombre de un operador está dos veces .*"),
        (["--durability", "none", "--data", "/tmp"], 2, r"--durability none no guarda nada.*"),
    ],
)
def test_a_server_that_cannot_start_says_so_in_spanish(args: list[str], status: int, told: str, tmp_path: Path) -> None:
    done = mpchat("server", "127.0.0.1", "0", *args, folder=tmp_path, **SPANISH)

    assert (done.returncode, done.stdout) == (status, "")
    assert re.fullmatch(rf"mpchat: {told}\n", done.stderr), done.stderr


def test_a_port_in_use(server: Server, tmp_path: Path) -> None:
    port = str(server.irc_port)
    done = mpchat("server", "127.0.0.1", port, "--ephemeral", folder=tmp_path, **SPANISH)

    assert done.returncode == 1
    assert done.stderr == f"mpchat: no se puede escuchar en 127.0.0.1:{port}: la dirección ya está en uso\n"


def test_a_log_of_json_is_english_to_its_last_line(server: Server, tmp_path: Path) -> None:
    args = ["server", "127.0.0.1", str(server.irc_port), "--ephemeral", "--log-json"]
    done = mpchat(*args, folder=tmp_path, **SPANISH)

    assert done.returncode == 1
    why = json.loads(done.stderr)["why"]
    assert why == f"cannot listen on 127.0.0.1:{server.irc_port}: Address already in use"


def test_no_server_to_ask(tmp_path: Path) -> None:
    for command in ("ps", "reload", "stop"):
        done = mpchat(command, "--port", "1", folder=tmp_path, **SPANISH)
        assert (done.returncode, done.stdout) == (1, "")
        assert re.fullmatch(r"mpchat: no hay ningún servidor tuyo en el puerto 1 \(.*\)\n", done.stderr), done.stderr


# Which language


@pytest.mark.parametrize(
    ("args", "environment", "language"),
    [
        (["--lang", "es"], {}, "es"),
        (["--lang=es"], {}, "es"),
        (["--lang", "en"], SPANISH, "en"),
        ([], SPANISH, "es"),
        ([], {"LC_ALL": "", "LC_MESSAGES": "es_ES.UTF-8", "LANG": "en_GB.UTF-8"}, "es"),
        ([], {"LC_ALL": "", "LC_MESSAGES": "", "LANG": "es_UY"}, "es"),
        ([], {"LC_ALL": "C.UTF-8", "LC_MESSAGES": "es_ES.UTF-8", "LANG": "es_ES.UTF-8"}, "en"),
        ([], {"LC_ALL": "de_DE.UTF-8"}, "en"),
    ],
)
def test_lang_comes_before_the_locale(
    args: list[str], environment: dict[str, str], language: str, tmp_path: Path
) -> None:
    done = mpchat("ps", "--port", "1", *args, folder=tmp_path, **environment)

    assert ("no server of yours" in done.stderr) == (language == "en")
    assert ("ningún servidor tuyo" in done.stderr) == (language == "es")


@pytest.mark.parametrize("option", [["--lang", "es"], ["--lang=es"], ["--la", "es"]])
@pytest.mark.parametrize("command", ["ps", "events", "reload", "stop"])
def test_lang_stands_in_front_of_the_command_as_well_as_behind(option: list[str], command: str, tmp_path: Path) -> None:
    in_front = mpchat(*option, command, "--port", "1", folder=tmp_path)
    behind = mpchat(command, "--port", "1", *option, folder=tmp_path)

    assert "ningún servidor tuyo" in in_front.stderr
    assert in_front.stderr == behind.stderr


def test_of_two_the_one_behind_the_command_counts(tmp_path: Path) -> None:
    done = mpchat("--lang", "en", "ps", "--lang", "es", "--port", "1", folder=tmp_path)
    assert "ningún servidor tuyo" in done.stderr


def test_the_help_of_all_is_there_in_each_language(tmp_path: Path) -> None:
    assert mpchat("--lang", "es", "--help", folder=tmp_path).stdout.startswith("uso: ")
    assert "--lang {en,es}" in mpchat("--help", folder=tmp_path).stdout


@pytest.mark.parametrize(("args", "language"), [([], "es"), (["--lang", "en"], "en"), (["--lan", "en"], "en")])
def test_a_server_speaks_the_same_language_to_its_clients(
    args: list[str], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until they choose another: it is a setting of the chat."""
    monkeypatch.setenv("LC_ALL", "es_ES.UTF-8")
    options = cli._parser().parse_args(["server", "--ephemeral", "--history-days", "0", "--history-size", "2", *args])
    settings, _ = cli._settings_of(cli._with_file(options))

    assert settings.chat.language == language
    assert (settings.history_days, settings.history_bytes) == (0, 2 << 20)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_language_that_is_none(command: str, tmp_path: Path) -> None:
    done = mpchat(command, "--lang", "fr", folder=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(rf"mpchat {command}: argument --lang: invalid choice: 'fr' \(choose from .*\n", done.stderr)
    assert all(language in done.stderr for language in LANGUAGES)


def test_behind_two_dashes_there_is_only_text(tmp_path: Path) -> None:
    done = mpchat("send", "--port", "99999", "--", "--lang", "es", folder=tmp_path)

    assert done.stderr.startswith("mpchat send: argument --port: a port is ")


# What programs read


def test_a_server_in_spanish_says_to_programs_what_any_says(tmp_path: Path) -> None:
    motd = tmp_path / "motd"
    motd.write_text("hola\n")
    with unusual("--lang", "es", "--motd", str(motd)) as server:
        port = str(server.irc_port)
        assert server.ready.startswith("mpchat ready: irc 127.0.0.1:")
        assert " info supervisor " in server.log_text()
        table = mpchat("ps", "--port", port, "--lang", "es", folder=Path(server.folder.name))
        head = "PAPEL PID CLIENTES REGISTROS CPU s PSS MiB FDS"
        assert " ".join(table.stdout.splitlines()[0].split()) == head
        rows = json.loads(mpchat("ps", "--json", "--port", port, folder=Path(server.folder.name), **SPANISH).stdout)
        assert {"supervisor", "workers", "ports", "processes"} <= rows.keys()
        motd.unlink()
        failed = mpchat("reload", "--port", port, folder=Path(server.folder.name))
        assert failed.returncode == 1
        assert failed.stderr == f"mpchat: nothing was changed: No such file or directory: {motd}\n"
        assert f"not reloaded: all stays as it was why='No such file or directory: {motd}'" in server.log_text()
