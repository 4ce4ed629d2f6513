"""What carries a secret is never kept: not in the file of typed lines, not behind Up, not on the screen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mpchat.client.commands import execute
from mpchat.client.confidential import carries_secret, is_mistyped
from mpchat.client.model import Model
from mpchat.client.step import Ask
from tests.client.conftest import Voice, Wire
from tests.client.person import PASTE, Person
from tests.client.test_session import registered

Join = Callable[..., Person]
Speak = Callable[[str], Voice]

SECRET = [
    "/oper root hunter2",
    "/OPER root hunter2",
    "/oper   root   hunter2",
    "  /oper root hunter2",
    "/oper\troot\thunter2",
    "/register hunter2",
    "/password hunter2",
    "/drop ana hunter2",
    "/raw NICKSERV :SET PASSWORD hunter2",
    "/login ana hunter2",
    "/login hunter2",
    "//login ana hunter2",
    "/raw REGISTER * * hunter2",
    "//oper root hunter2",
    "/raw OPER root hunter2",
    "/RAW oper root :hunter2",
    "/raw   oper   root hunter2",
    "/raw @a=b :x OPER root hunter2",
    "/raw /OPER root hunter2",
    "/quote OPER root hunter2",
    "/raw PASS hunter2",
    "/raw pass :hunter2",
    "/raw AUTHENTICATE aHVudGVyMg==",
    "/raw REGISTER ana * hunter2",
    "/raw NS IDENTIFY hunter2",
    "/raw NickServ identify hunter2",
    "/raw PRIVMSG NickServ :identify hunter2",
    "/raw privmsg nickserv :identify hunter2",
    "/raw NOTICE #a,NickServ :identify hunter2",
    "/raw JOIN #room hunter2",
    "/raw MODE #room +k hunter2",
    "/msg NickServ identify hunter2",
    "/MSG nickserv IDENTIFY hunter2",
    "/m ChanServ identify #room hunter2",
    "/msg NickServ@services identify hunter2",
    "/q NickServ identify hunter2",
    "/query NickServ identify hunter2",
    "/ns identify hunter2",
    "/nickserv identify hunter2",
    "/identify hunter2",
    "/pass hunter2",
    "/join #room hunter2",
    "/j room hunter2",
    "/mode +k hunter2",
    "/mode #room +ntk hunter2",
    "/mode -k hunter2",
    "hola\n/oper root hunter2",
]
OPEN = [
    "hola",
    "/join #room",
    "/msg beto hola",
    "/oper root",
    "/login",
    "/register",
    "/mode +o beto",
    "/mode #room +m",
    "/raw WHO ana",
    "/q beto",
]
OPEN += ["/me opers root", "the pass is open", "/nick oper", "/raw PRIVMSG beto :hola", "/away pass", "/", ""]


@pytest.mark.parametrize("typed", SECRET)
def test_a_secret_is_seen(typed: str) -> None:
    assert carries_secret(typed)


@pytest.mark.parametrize("typed", OPEN)
def test_what_is_none_is_kept(typed: str) -> None:
    assert not carries_secret(typed)


def test_words_to_a_service_are_secret_whoever_named_it() -> None:
    assert carries_secret("identify hunter2", "NickServ")
    assert not carries_secret("identify hunter2", "#lobby")
    assert not carries_secret("/names", "NickServ")


def test_a_command_that_does_not_exist_may_be_one_misspelt() -> None:
    assert is_mistyped("/opre root hunter2")
    assert not is_mistyped("/oper root")
    assert not is_mistyped("/j #room")
    assert not is_mistyped("hola")


def test_with_a_space_in_front_it_is_obeyed_and_not_said_aloud() -> None:
    assert registered().typed(" /oper root hunter2", 1.0).send[0] == "OPER root :hunter2"


def test_oper_sends_what_it_is_given_and_asks_for_what_it_is_not() -> None:
    assert execute("/oper root my pass word", Model("ana")).send == ["OPER root :my pass word"]
    step = execute("/oper root", Model("ana"))
    assert (step.send, step.ask) == ([], Ask("oper", "root"))


def files(env: dict[str, str]) -> str:
    """All that the client has kept."""
    return "".join(path.read_text() for path in Path(env["XDG_STATE_HOME"]).rglob("*") if path.is_file())


def test_nothing_of_a_secret_is_in_the_file_or_behind_up(join: Join, env: dict[str, str], room: str) -> None:
    ana = join("ana")
    ana.say("before")
    ana.sees("<ana> before")
    secret = ["/oper root hunter2", "/Raw  OPER root hunter2", "/msg NickServ identify hunter2", "/join #x hunter2"]
    for typed in [*secret, "/opre root hunter2"]:
        ana.type(typed)
        ana.until(lambda: ana.bottom().endswith(f"> {typed}"))  # noqa: B023
        ana.type("\r")
        ana.until(lambda: ana.bottom() in (f"ana {room}>", "ana #x>"))
    ana.until(lambda: ana.bottom() == "ana #x>")
    ana.sees("did you mean /oper")
    ana.type("\x1b[A")
    ana.until(lambda: ana.bottom().endswith("/opre root hunter2"))  # to be mended
    ana.type("\x1b[A")
    ana.until(lambda: ana.bottom().endswith("> before"))
    ana.type("\x15")
    ana.type(PASTE.format("uno\r/oper root hunter2"))
    ana.until(lambda: "hunter2" in ana.bottom())
    ana.type("\r")
    ana.sees("send 2 lines")
    ana.type("y")
    ana.sees("<ana> /oper root hunter2")
    ana.type("\x04")
    assert ana.ends() == 0
    assert "+before\n" in files(env)
    assert "hunter2" not in files(env)


def test_what_an_earlier_client_kept_is_taken_out(join: Join, env: dict[str, str]) -> None:
    first = join("ana")
    first.say("algo")
    first.type("\x04")
    assert first.ends() == 0
    (file,) = (path for path in Path(env["XDG_STATE_HOME"]).rglob("*") if path.is_file())
    with file.open("a") as kept:
        kept.write("\n# 2024-01-01 10:00:00\n+/oper root hunter2\n\n# 2024-01-01 10:00:01\n+hola\n")
    again = join("ana")
    again.type("\x1b[A")
    again.until(lambda: again.bottom().endswith("> hola"))
    again.type("\x1b[A")
    again.until(lambda: again.bottom().endswith("> algo"))
    assert "hunter2" not in files(env)


def test_oper_asks_for_the_password_and_shows_nothing_of_it(join: Join, env: dict[str, str], room: str) -> None:
    ana = join("ana")
    ana.say("/oper root")
    ana.until(lambda: ana.bottom() == "password of root:")
    ana.type("wrong\x15sec")
    ana.type("rex\x7f\x1b[A\x12\tt")  # a correction, and keys that mean nothing here
    ana.type("\r")
    ana.sees("You are now an IRC operator")
    ana.until(lambda: ana.bottom() == f"ana {room}>")
    for part in (b"wrong", b"sec", b"rex"):
        assert part not in ana.raw
    ana.type("\x19")  # Ctrl-Y: it is not in the clipboard
    ana.type("hola\r")
    ana.sees("<ana> hola$")
    ana.say("/oper root")
    ana.until(lambda: ana.bottom() == "password of root:")
    ana.type("\x03")
    ana.sees("no password: nothing was sent")
    ana.type("\x04")
    assert ana.ends() == 0
    assert "secret" not in files(env)


def test_in_plain_lines_too(join: Join, voice: Speak) -> None:
    ana = join("ana", "--plain", "--color", "never")
    ana.type("/oper root\r")
    ana.sees("password of root:$")
    ana.until(lambda: not ana.child.getecho())
    ana.type("secret\r")
    ana.sees("You are now an IRC operator")
    ana.until(lambda: ana.child.getecho())
    assert b"secret" not in ana.raw


def test_the_password_is_asked_for_behind_a_command_that_has_no_answer_yet(
    join: Join, voice: Speak, wire: Wire, env: dict[str, str], room: str
) -> None:
    beto = voice("beto")
    ana = join("ana", port=wire.port)
    wire.hold(True)
    ana.say(f"/join {room}2")
    ana.say("/oper root")
    ana.until(lambda: ana.bottom().startswith("password of root:"))
    ana.type("secret\r")
    ana.say("hola")
    wire.hold(False)
    ana.sees("You are now an IRC operator")
    ana.sees("<ana> hola")
    assert b"secret" not in ana.raw
    assert "secret" not in files(env)
    beto.send(f"PRIVMSG {room} :the end")
    ana.sees("the end")
