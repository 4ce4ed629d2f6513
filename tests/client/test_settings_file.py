"""The settings file: what of it counts, and that writing one key leaves the rest as its owner has written it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from mpchat.client.preferences import KEYS, Preferences, Value, fits, shown, typed
from mpchat.client.settings_file import FILE_BYTES, SettingsFile


@pytest.fixture
def file(tmp_path: Path) -> SettingsFile:
    """In a folder that is not there yet."""
    return SettingsFile(str(tmp_path / "config" / "mpchat" / "client.toml"))


def written(file: SettingsFile, text: str | bytes) -> SettingsFile:
    Path(file.path).parent.mkdir(parents=True, exist_ok=True)
    Path(file.path).write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def text(file: SettingsFile) -> str:
    return Path(file.path).read_text()


def told(file: SettingsFile) -> list[str]:
    return [problem.told().replace(file.path, "FILE") for problem in file.read()[1]]


# Reading


def test_without_a_file_there_are_defaults(file: SettingsFile) -> None:
    assert not file.exists()
    assert file.read() == (Preferences(), [])
    assert SettingsFile("").read() == (Preferences(), [])


def test_every_key_is_read(file: SettingsFile) -> None:
    written(
        file,
        """nick = "ana"
        room = "#so"
        language = "es"
        bell = false
        joins = "none"
        history = 0
        ignore = ["troll", "José"]""",
    )
    assert file.read() == (Preferences("ana", "#so", "es", False, "none", 0, ["troll", "José"]), [])


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("nick = 3", "FILE: nick is not used: 3 is no nickname (a text)"),
        ('nick = "a b"', "FILE: nick is not used: 'a b' is no nickname (a text)"),
        ('room = "so"', "FILE: room is not used: 'so' is no room (a text, such as \"#lobby\")"),
        ('language = "de"', 'FILE: language is not used: \'de\' is not "en" or "es"'),
        ('bell = "on"', "FILE: bell is not used: 'on' is not true or false"),
        ("bell = 1", "FILE: bell is not used: 1 is not true or false"),
        ('joins = "some"', 'FILE: joins is not used: \'some\' is not "all", "fold" or "none"'),
        ("history = 101", "FILE: history is not used: 101 is no number from 0 to 100"),
        ("history = true", "FILE: history is not used: True is no number from 0 to 100"),
        ('ignore = "troll"', "FILE: ignore is not used: 'troll' is no list of nicknames (texts)"),
        ('ignore = ["a b"]', "FILE: ignore is not used: ['a b'] is no list of nicknames (texts)"),
        ("colour = 1", "FILE: there is no setting colour"),
        ("[window]\nnick = 1", "FILE: there is no setting window"),
        ('"esc\\u001b[2J" = 1', "FILE: there is no setting esc[2J"),
    ],
)
def test_what_is_bad_is_named_and_the_rest_counts(file: SettingsFile, line: str, complaint: str) -> None:
    other = "room" if line.startswith("joins") else "joins"
    good = {"room": "#so", "joins": "all"}[other]
    written(file, f'{other} = "{good}"\n{line}\n')
    assert told(file) == [complaint]
    preferences, _ = file.read()
    assert (preferences.room == "#so") if other == "room" else (preferences.joins == "all")
    assert preferences.nick == ""


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("nick = ana", "FILE is not TOML: Invalid value (at line 1, column 8)"),
        ("nick = 'a'\nnick = 'b'", "FILE is not TOML"),
        (b"nick = '\xff'", "FILE is not TOML"),
        ("x = " + "[" * 5000, "FILE is not TOML"),
        ("#" * (FILE_BYTES + 1), "FILE cannot be read: it is too long"),
    ],
)
def test_a_file_that_is_no_settings_is_one_line_and_never_written(
    file: SettingsFile, content: str | bytes, complaint: str
) -> None:
    written(file, content)
    before = Path(file.path).read_bytes()
    (line,) = told(file)
    assert line.startswith(f"the settings are not used: {complaint}")
    assert "\n" not in line
    assert file.read()[0] == Preferences()
    assert file.save("bell", False) != ""
    assert Path(file.path).read_bytes() == before


def test_what_is_no_ordinary_file_is_said_and_not_waited_for(file: SettingsFile) -> None:
    Path(file.path).parent.mkdir(parents=True)
    os.mkfifo(file.path)
    assert told(file) == ["the settings are not used: FILE cannot be read: it is no ordinary file"]
    assert file.save("bell", False) == "it is no ordinary file"
    os.unlink(file.path)
    os.mkdir(file.path)
    assert told(file) == ["the settings are not used: FILE cannot be read: Is a directory"]


def test_without_a_reader_of_toml_one_line_says_so(file: SettingsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    def importing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("mpchat.toml.importlib.import_module", importing)
    assert file.read() == (Preferences(), []), "there is nothing to read"
    assert file.save("bell", False) == ""
    assert told(file) == ["the settings are not used: FILE needs Python 3.11 or the package tomli"]
    assert file.save("bell", True) == ""
    assert text(file).endswith("bell = true\n")


# Writing


VALUES: list[tuple[str, Value]] = [
    *[("nick", "ana[\\]"), ("room", "#so"), ("language", "es"), ("bell", False), ("joins", "none"), ("history", 7)],
    *[("ignore", ["troll", "José", 'o"o']), ("ignore", []), ("nick", "")],
]


@pytest.mark.parametrize(("key", "value"), VALUES)
def test_what_is_kept_is_read_again(file: SettingsFile, key: str, value: Value) -> None:
    assert file.save(key, value) == ""
    preferences, problems = file.read()
    assert (preferences.value(key), problems) == (value, [])


def test_it_is_the_users_alone(file: SettingsFile) -> None:
    file.save("bell", False)
    assert stat.S_IMODE(os.stat(file.path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(file.path)).st_mode) == 0o700
    assert os.listdir(os.path.dirname(file.path)) == ["client.toml"], "nothing else is left there"


MINE = """# my settings
nick = "ana"   # as at school
unknown = "kept"

bell=true# loud
'history' = 5
ignore = [
  "troll",  # he knows why
  "other",
]
# the end

[later]
bell = 3
"""


@pytest.mark.parametrize(
    ("key", "value", "before", "after"),
    [
        ("nick", "eva", 'nick = "ana"   # as', 'nick = "eva"   # as'),
        ("bell", False, "bell=true# loud", "bell=false# loud"),
        ("history", 9, "'history' = 5", "'history' = 9"),
        ("ignore", ["x"], MINE[MINE.index("ignore") : MINE.index("# the end")], 'ignore = ["x"]\n'),
        ("joins", "all", "# the end\n\n", '# the end\njoins = "all"\n\n'),
    ],
)
def test_only_the_line_of_the_key_changes(file: SettingsFile, key: str, value: Value, before: str, after: str) -> None:
    written(file, MINE)
    assert file.save(key, value) == ""
    assert text(file) == MINE.replace(before, after)


@pytest.mark.parametrize("mine", ['x = """\nbell = true\n"""\n', "bell = '''true'''\nx = '''\n[t]\n'''\nbell.x = 1"])
def test_where_more_would_change_nothing_does(file: SettingsFile, mine: str) -> None:
    written(file, mine)
    assert file.save("bell", False) != ""
    assert text(file) == mine


def test_a_link_stays_one(file: SettingsFile, tmp_path: Path) -> None:
    dotfiles = tmp_path / "dotfiles" / "chat.toml"
    dotfiles.parent.mkdir()
    Path(file.path).parent.mkdir(parents=True)
    os.symlink(dotfiles, file.path)
    for value in (5, 6):
        assert file.save("history", value) == ""
        assert os.path.islink(file.path)
        assert f"history = {value}\n" in dotfiles.read_text()


def test_why_it_could_not_be_written_is_told(file: SettingsFile, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("a file where a folder should be")
    assert file.save("bell", False) == "Not a directory"


# What a person types


@pytest.mark.parametrize(
    ("key", "typed_text", "value"),
    [
        ("bell", "on", True),
        ("bell", "OFF", False),
        ("bell", "sí", True),
        ("bell", "perhaps", None),
        ("joins", "None", "none"),
        ("joins", "some", None),
        ("history", "0", 0),
        ("history", "100", 100),
        ("history", "101", None),
        ("history", "-1", None),
        ("history", "٣", 3),
        ("room", "so", "#so"),
        ("room", "#so", "#so"),
        ("room", "a b", None),
        ("language", "ES", "es"),
        ("language", "de", None),
        ("language", "-", ""),
        ("nick", "ana", "ana"),
        ("nick", "9lives", None),
        ("history", "-", 20),
    ],
)
def test_a_value_is_what_is_meant_or_none(key: str, typed_text: str, value: Value | None) -> None:
    assert typed(key, typed_text) == value


def test_what_is_shown_can_be_typed() -> None:
    for preferences in (Preferences(), Preferences("ana", "#so", "es", False, "none", 0)):
        for key in KEYS:
            value = preferences.value(key)
            assert fits(key, value)
            assert typed(key, shown(value)) == value
