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
from tests.system.tls import Pair

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
        (f"[limits]\nexempt = {['10.0.0.1'] * 101}", "[limits] exempt: 100 networks at most, not 101"),
        ("[limits]\nsendq = 999", "[limits] sendq: a whole number above 999, not '999'"),
        ("[limits]\ntagets = 3", "[limits] has no key 'tagets'"),
        ("[limit]\ntargets = 3", "there is no table 'limit', there are data, limits, log, server"),
        ("targets = 3", "there is no table 'targets'"),
        ("limits = 3", "limits is a table: its keys stand below [limits]"),
        ("[[server]]\nport = 3", "server is a table: its keys stand below [server]"),
        (f"[limits]\nburst_lines = 0x{'f' * 5000}", "[limits] burst_lines: a whole number of 64 bits at most"),
        (
            f"[limits]\nlines_per_second = 0x{'f' * 5000}",
            "[limits] lines_per_second: a whole number of 64 bits at most",
        ),
        (f"[server]\nplain_port = -0x{'f' * 5000}", "not TOML: "),
        (f"[server]\nplain_port = 0o{'7' * 9000}", "[server] plain_port: a whole number of 64 bits at most"),
        (f"[server]\nname = 0x{'f' * 5000}", "[server] name: a text in quotes, not ..."),
        (f"[limits]\nexempt = [0x{'f' * 5000}]", "[limits] exempt: a list of texts in quotes, not ..."),
        (f"[limits]\ntargets = {'9' * 5000}", "not TOML: "),
        (f"[limits]\ntargets{'.a' * 20_000} = 1", "[limits] targets: a whole number, not ..."),
        (f"[limits{'.a' * 20_000}]", "[limits] has no key 'a'"),
        (f"[limits]\ntargets = {'[' * 20_000}", "not TOML: "),
        ('[server]\nmotd = "a\\u0000b"', "[server] motd: a path holds no character of code 0"),
        ('[server]\npassword_file = "\\u0000"', "[server] password_file: a path holds no character of code 0"),
        ('[server]\noper_file = "a\\u0000"', "[server] oper_file: a path holds no character of code 0"),
        ('[data]\ndata = "a\\u0000b"', "[data] data: a path holds no character of code 0"),
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
    assert (in_force("--data", "y", file=file).data, in_force("--ephemeral", file=file).ephemeral) == ("y", True)


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
    said = {word.removeprefix("--").replace("-", "_") for word in words if word.startswith("--")}
    expected = (
        {key.name for key in cli._KEYS}
        - {"data", *cli._PATHS, *({"tls_port", "tls_plain_port"} - said)}
        - (cli._DERIVED.keys() - said)
    )
    assert config_file.read(first, cli._KEYS).keys() == expected


def test_what_is_not_set_is_shown_as_what_it_would_be(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever takes the "# " away and changes the value has no text where a whole number belongs."""
    text = printed(capsys, "--lang", "en")
    assert "\n# tls_port = 0\n" in text
    assert '\n# tls_cert = "..."\n' in text


def test_a_client_of_tls_takes_two_open_files(
    pair: Pair, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "_raise_open_files", lambda: 1072)
    assert "\n# max_clients = 1000\n" in printed(capsys, "--lang", "en", "--workers", "1")
    with_tls = ("--workers", "1", "--tls-port", "6697", *pair.options)
    assert "\n# max_clients = 500\n" in printed(capsys, "--lang", "en", *with_tls)
    assert cli.main(["server", *with_tls, "--max-clients", "501", "--print-config"]) == 2
    assert "500 with --workers 1" in capsys.readouterr().err


def test_what_follows_from_machine_and_port_is_shown_but_not_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So the file fits another machine, and another --port beside it."""
    text = printed(capsys, "--lang", "en")
    for line in ("# plain_port = 6680", "# workers = ", "# max_clients = ", "# sendq_total = 268435456", '# data = "/'):
        assert f"\n{line}" in text
    again = tmp_path / "again.toml"
    again.write_text(text)
    text = printed(capsys, "--config", str(again), "--port", "7000", "--workers", "7")
    assert "\n# plain_port = 7013\n" in text
    assert "\nworkers = 7\n" in text
    assert '/7000"\n' in text


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


@pytest.mark.parametrize("name", ["a\\u0000b.py", "no-such"])
def test_no_transport_is_said_in_one_line(file: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    file.write_text(f'[server]\nipc = "{name}"\n')
    for more in ([], ["--print-config"]):
        assert cli.main(["server", "--config", str(file), *more]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"mpchat: {file}: [server] ipc: ")
        assert said.count("\n") == 1


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_none(file: Path, capsys: pytest.CaptureFixture[str], mode: int) -> None:
    file.chmod(mode)
    assert cli.main(["server", "--config", str(file), "--print-config"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"mpchat: {file}: others than its owner may write to it, and it can name code to run (")
    file.chmod(0o644)
    assert cli.main(["server", "--config", str(file), "--print-config"]) == 1, "it is read: its motd is missing"
    assert "hoy" in capsys.readouterr().err


def test_a_true_of_the_file_can_be_taken_back(file: Path, tmp_path: Path) -> None:
    names = ("ephemeral", "keep_journal", "log_json", "unlimited")
    assert set(names) == {key.name for key in cli._KEYS if key.kind is bool}
    file.write_text(
        "[data]\nephemeral = true\nkeep_journal = true\n[log]\nlog_json = true\n[limits]\nunlimited = true\n"
    )
    for name in names:
        options = in_force("127.0.0.1", f"--no-{name.replace('_', '-')}", file=file)
        assert {each: getattr(options, each) for each in names} == {each: each != name for each in names}
    options = in_force("--unlimited", "--no-unlimited", "--no-log-json", "--log-json", file=file)
    assert (options.unlimited, options.log_json) == (False, True), "the last one holds"
    file.write_text("[data]\ndata = 'datos'\n")
    assert in_force("--no-ephemeral", file=file).data == str(file.parent / "datos")


def test_what_an_argument_overrides_is_known(file: Path) -> None:
    assert in_force(file=file).overridden == ()
    assert in_force("127.0.0.1", "8000", "--sendq", "2000", "--data", "x", file=file).overridden == ("port", "data")
    assert in_force("--data", str(file.parent / "datos"), file=file).overridden == ()


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
