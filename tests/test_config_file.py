"""The server's configuration file: what it may say, what is wrong in one, what comes first, how it is printed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpchat import cli, config_file
from mpchat.config_file import Key, Wrong

UNPRINTABLE = "\x00\x1f\x7f\t\n\"\\#'ñ😀"
VALUES: dict[type, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: st.integers(0, 10**15),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: st.text(st.characters(exclude_categories=["Cs"])) | st.text(UNPRINTABLE),
    list: st.lists(st.text(st.characters(exclude_categories=["Cs"]))),
}


def number(text: Any) -> Any:
    return float(text) if set(text) & {".", "e"} else int(text)


# Of each kind one, by the names that texts know: numbers come to check() as their text.
KINDS = (
    Key("server", "name", str),
    Key("data", "ephemeral", bool),
    Key("limits", "exempt", list),
    Key("limits", "targets", int, number),
    Key("limits", "lines_per_second", float, number),
)


@given(st.fixed_dictionaries({key.name: st.none() | VALUES[key.kind] for key in KINDS}))
def test_what_is_printed_is_read_as_it_was(values: dict[str, Any]) -> None:
    text = config_file.printed(KINDS, values)

    assert config_file.read(text, KINDS) == {name: value for name, value in values.items() if value is not None}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[limits]\ntargets = 0", "[limits] targets: a whole number above 0, not '0'"),
        ("[limits]\ntargets = -3", "[limits] targets: a whole number above 0, not '-3'"),
        ("[limits]\ntargets = 101", "[limits] targets: 100 at most, not '101'"),
        ("[limits]\ntargets = true", "[limits] targets: a whole number, not True"),
        ("[limits]\ntargets = 2.5", "[limits] targets: a whole number, not 2.5"),
        ('[limits]\ntargets = "4"', "[limits] targets: a whole number, not '4'"),
        ("[limits]\nlines_per_second = nan", "[limits] lines_per_second: a number from 0.1 to 1000000.0, not 'nan'"),
        ('[limits]\nlines_per_second = ""', "[limits] lines_per_second: a number, not ''"),
        ("[limits]\nunlimited = 1", "[limits] unlimited: true or false, not 1"),
        ('[limits]\nexempt = "::1"', "[limits] exempt: a list of texts in quotes, not '::1'"),
        ("[limits]\nexempt = [1]", "[limits] exempt: a list of texts in quotes, not [1]"),
        ('[limits]\nexempt = ["10.0.0.1/8"]', "[limits] exempt: a network in CIDR form, such as 192.168.0.0/16"),
        ("[limits]\nsendq = 999", "[limits] sendq: a whole number above 999, not '999'"),
        ("[limits]\ntagets = 3", "[limits] has no key 'tagets'"),
        ("[limit]\ntargets = 3", "there is no table 'limit', there are data, limits, log, server"),
        ("targets = 3", "there is no table 'targets'"),
        ("limits = 3", "there is no table 'limits'"),
        ("[server]\nport = 65536", "[server] port: a port is a number from 0 to 65535, not '65536'"),
        ("[server]\nplain_port = false", '[server] plain_port: a port, or "none", not False'),
        ("[server]\nname = 'my server'", "[server] name: a server's or network's name is one word"),
        ("[server]\nname = 3", "[server] name: a text in quotes, not 3"),
        ("[server]\nlang = 'fr'", "[server] lang: one of en, es, not 'fr'"),
        ("[server]\nhang_limit = 0.5", "[server] hang_limit: 0, or 1 second and more, not '0.5'"),
        ("[server]\nmotd = ''", "[server] motd: is empty"),
        ("[data]\ndurability = 'all'", "[data] durability: one of none, process, power, not 'all'"),
        ("[server", "not TOML: "),
        ("[server]\nname = 'a'\nname = 'b'", "not TOML: "),
    ],
)
def test_what_is_wrong_is_said_with_its_table_and_key(text: str, told: str) -> None:
    with pytest.raises(Wrong) as wrong:
        config_file.read(text, cli._KEYS)
    assert str(wrong.value).startswith(told)
    assert "\n" not in str(wrong.value)


def test_without_a_reader_of_toml_it_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(text: str) -> None:
        raise ImportError

    monkeypatch.setattr(config_file, "parsed", missing)
    with pytest.raises(Wrong, match=r"Python 3\.11 or newer"):
        config_file.read("", cli._KEYS)


def test_networks_are_written_in_one_way() -> None:
    text = 'exempt = ["::1", "10.0.0.0/8", "192.0.2.1", "::ffff:10.1.0.0/112"]'
    values = config_file.read(f"[limits]\n{text}", cli._KEYS)

    assert values["exempt"] == ("::1/128", "10.0.0.0/8", "192.0.2.1/32", "10.1.0.0/16")


# The command line


def in_force(*words: str, file: Path | None = None) -> argparse.Namespace:
    """The options, as the server would have them."""
    arguments = ["server", *words, *(["--config", str(file)] if file else [])]
    parser = cli._parser()
    options = parser.parse_args(arguments)
    if file:
        options.given = cli._given(parser, options, arguments)
    return cli._with_file(options)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mpchat.toml"
    path.write_text(
        '[server]\nport = 7000\nnetwork = "aulas"\nmotd = "hoy"\nlang = "es"\nplain_port = 7001\n'
        '[data]\ndata = "datos"\n[limits]\nsendq = 2000\ntargets = 9\nmax_clients = 50\n'
    )
    return path


def test_the_file_comes_before_the_defaults_and_the_command_line_before_the_file(file: Path) -> None:
    without, with_file = in_force(), in_force(file=file)
    both = in_force("127.0.0.1", "8000", "--network", "mpchat", "--sendq", "1048576", "--plain-port", "none", file=file)

    assert (without.port, without.network, without.sendq, without.targets) == (6667, "mpchat", 1 << 20, 4)
    assert (with_file.port, with_file.network, with_file.sendq, with_file.targets) == (7000, "aulas", 2000, 9)
    assert (both.port, both.network, both.sendq, both.targets) == (8000, "mpchat", 1 << 20, 9), "also what is usual"
    assert (with_file.plain_port, both.plain_port) == (7001, None)
    assert in_force("--port", "8000", file=file).port == 8000


def test_paths_in_it_begin_in_its_folder(file: Path) -> None:
    options = in_force(file=file)

    assert (options.motd, options.data) == (str(file.parent / "hoy"), str(file.parent / "datos"))


def test_what_excludes_what(file: Path) -> None:
    assert in_force("--ephemeral", file=file).data is None
    assert in_force("--durability", "none", file=file).data is None
    file.write_text("[data]\nephemeral = true\n")
    assert (in_force("--data", "x", file=file).ephemeral, in_force(file=file).ephemeral) == (False, True)
    file.write_text("[data]\nephemeral = true\ndata = 'x'\n")
    with pytest.raises(cli.Unusable, match="only one of them"):
        in_force(file=file)


def test_a_language_in_front_of_the_command_comes_before_the_file(file: Path) -> None:
    words = ["--lang", "en", "server", "--config", str(file)]
    parser = cli._parser()
    options = parser.parse_args(words)
    options.given = cli._given(parser, options, words)

    assert cli._with_file(options).lang == "en"


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(["server", *words, "--print-config"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--lang", "es"),
        ("::1", "0", "--plain-port", "none", "--ephemeral", "--unlimited", "--log-json", "--workers", "3"),
        ("--durability", "none", "--description", 'un "servidor" \\ de aula', "--hang-limit", "0", "--ipc", "pipe"),
        ("--sendq", "1000", "--sendq-total", "5000", "--max-clients", "7", "--history-size", "1"),
    ],
)
def test_what_is_printed_is_in_force_again(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = printed(capsys, *words)
    again = tmp_path / "again.toml"
    again.write_text(first)

    assert printed(capsys, "--config", str(again)) == first
    may_be_unset = {"tls_port", "tls_plain_port", *cli._PATHS}
    assert config_file.read(first, cli._KEYS).keys() >= {key.name for key in cli._KEYS} - may_be_unset


def test_secrets_are_not_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret = tmp_path / "password"
    secret.write_text("hunter1\n")
    secret.chmod(0o600)
    text = printed(capsys, "--password", "hunter2", "--oper", "root:hunter3")
    assert "hunter" not in text
    assert "# --password was given on the command line, and is not shown: --password-file names a file for it" in text
    text = printed(capsys, "--password-file", str(secret))
    assert f'password_file = "{secret}"' in text
    assert "hunter" not in text


def test_a_wrong_file_is_said_in_one_line(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("[limits]\ntargets = 0\n")
    assert cli.main(["server", "--config", str(file)]) == 2
    assert capsys.readouterr().err == f"mpchat: {file}: [limits] targets: a whole number above 0, not '0'\n"
    file.write_text("[server]\nhost = '0.0.0.0'\n[limits]\nunlimited = true\n")
    assert cli.main(["server", "--config", str(file)]) == 2
    assert capsys.readouterr().err.endswith(f"listens on loopback (with what {file} says)\n")
    file.write_bytes(b"[server]\nname = '\xff'\n")
    assert cli.main(["server", "--config", str(file)]) == 2
    assert "line 2: not UTF-8" in capsys.readouterr().err
