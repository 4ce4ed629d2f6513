"""An operator removes somebody who uses our client: it says who and why, and does not come back by itself."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from subprocess import PIPE

import pytest

from mpchat.client.session import Session
from tests.client.conftest import Voice, Wire
from tests.client.person import CLIENT, Person
from tests.client.test_session import hear, registered, texts
from tests.running import Server

Join = Callable[..., Person]
Speak = Callable[[str], Voice]


def killed(wire: Wire) -> None:
    """What the server says to a client that root removes, and the end of the connection."""
    wire.put(b"ERROR :Closing link: 127.0.0.1 (Killed (root (not here)))\r\n")
    wire.cut()


def test_who_is_removed_reads_by_whom_and_why_and_comes_back_when_told(
    server: Server, join: Join, voice: Speak, wire: Wire, room: str
) -> None:
    beto = voice("beto")
    ana = join("ana", port=wire.port)
    killed(wire)
    ana.sees("! root removed you from the server: not here$")
    ana.sees("/reconnect comes back, /quit leaves")
    ana.until(lambda: ana.bottom().endswith("removed: /reconnect"))
    beto.may_speak("QUIT")
    ana.say("hola")
    ana.until(lambda: ana.bottom().endswith("removed: /reconnect, 1 waiting") or "1 waiting" in ana.bottom())
    ana.say("/names")
    ana.sees("! not connected")
    ana.say("/reconnect")
    ana.sees("-- back on")
    assert beto.may_speak("PRIVMSG").endswith(":hola")
    ana.until(lambda: ana.bottom() == f"ana {room}>")
    ana.say("/reconnect")
    ana.sees("! you are connected$")
    assert not any("connection lost" in line for line in ana.lines())


def test_a_real_operators_kill_is_one(server: Server, join: Join, voice: Speak) -> None:
    kim, root = join("kim"), voice("rita")  # who is not let in for a while; the other tests are ana
    root.send("OPER root secret")
    root.may_speak(" 381 ")
    root.send("KILL kim :enough of that")
    kim.sees("! rita removed you from the server: enough of that$")
    kim.type("\x04")
    assert kim.ends() == 0


def test_who_is_banned_comes_back_when_told(server: Server, join: Join, voice: Speak, room: str) -> None:
    luz, root = join("luz"), voice("rita")
    root.send("OPER root secret")
    root.may_speak(" 381 ")
    root.send("KLINE luz@127.0.0.* :enough of that")
    banned = "! You are banned from this server: enough of that"
    try:
        luz.sees(f"{banned}$")
        luz.until(lambda: luz.bottom().endswith("removed: /reconnect"))
        luz.say("/reconnect")
        luz.until(lambda: sum(banned in line for line in luz.lines()) == 2)
        luz.until(lambda: luz.bottom().endswith("removed: /reconnect"))
        assert not any("connection lost" in line for line in luz.lines())
    finally:
        root.send("UNKLINE luz@127.0.0.*")
        root.may_speak("is not banned any more")
    luz.say("/reconnect")
    luz.sees("-- back on")


def test_who_removes_somebody_reads_that_it_is_done(server: Server, join: Join, voice: Speak) -> None:
    ana = join("ana")
    zoe = server.irc("zoe")  # in no room
    ana.say("/oper root secret")
    ana.sees("operator")
    ana.say("/kill zoe ya basta")
    ana.sees("-- /kill: done$")
    zoe.expect("ERROR")
    ana.say("/kill zoe ya basta")
    ana.sees("! nobody here is called zoe")
    assert not any("nothing to say" in line for line in ana.lines())


def test_who_is_turned_away_at_the_door_after_that_waits_to_be_told_again(join: Join, wire: Wire, room: str) -> None:
    ana = join("ana", port=wire.port)
    wire.pause(True)
    killed(wire)
    ana.sees("root removed you")
    ana.say("/reconnect")
    wire.put(b"")
    wire.close()
    ana.sees("! the server closed it$|! cannot connect to .*Connection refused$")
    ana.until(lambda: sum("/reconnect comes back" in line for line in ana.lines()) == 2)
    ana.type("\x04")
    assert ana.ends() == 0


def test_a_loss_is_mended_at_once_by_reconnect(join: Join, wire: Wire) -> None:
    ana = join("ana", port=wire.port)
    wire.cut()
    ana.sees("connection lost")
    ana.say("/reconnect")
    ana.sees("-- back on")


def test_a_script_ends_with_status_3(server: Server, env: dict[str, str], voice: Speak, wire: Wire, room: str) -> None:
    beto = voice("beto")
    argv = [*CLIENT, server.host, str(wire.port), "--nick", "ana", "--room", room]
    with subprocess.Popen(argv, env=env, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True) as client:
        beto.may_speak("JOIN")
        killed(wire)
        assert client.wait(10) == 3
        assert client.stderr
        assert client.stderr.read().endswith("mpchat: root removed you from the server: not here\n")


def test_other_servers_say_it_with_kill() -> None:
    session = registered()
    hear(session, ":root!r@h KILL ana :irc.example!root (not here)")
    assert session.removed == "root removed you from the server: irc.example!root (not here)"
    session.closed()
    assert session.status(0.0) == "removed: /reconnect"
    session.opened(1.0)
    hear(session, ":s 001 ana :Welcome")
    assert session.removed == ""


WHY = "You are banned from this server: spam"


def test_a_ban_of_the_server_is_one() -> None:
    session = registered()
    step = hear(session, f":s 465 ana :{WHY}", f"ERROR :Closing link: 192.0.2.7 ({WHY})")
    assert (session.removed, texts(step)) == (WHY, [])
    session.closed()
    assert session.status(0.0) == "removed: /reconnect"


def test_a_ban_that_is_met_on_the_way_back_is_one() -> None:
    session = registered()
    session.closed()
    session.opened(1.0)
    step = hear(session, f":s 465 * :{WHY}")
    assert (session.removed, step.failed) == (WHY, WHY)


def test_a_ban_at_the_first_door_is_a_refusal() -> None:
    session = Session("ana", "#lobby", "0123456789abcdef")
    session.opened(0.0)
    assert hear(session, f":s 465 * :{WHY}").failed == WHY
    assert session.removed == ""


def test_who_is_displaced_by_their_own_session_elsewhere_does_not_displace_it_in_turn() -> None:
    session = registered()
    hear(session, "ERROR :Closing link: 127.0.0.1 (Resumed elsewhere)")
    assert session.removed == "this session goes on in another client"
    session.closed()
    assert session.status(0.0) == "removed: /reconnect"


@pytest.mark.parametrize(
    ("last", "why"),
    [("h (Killed (root (a (b))))", "a (b)"), ("Killed (root (a :)))", "a :)"), ("Link: h (Killed (root ()))", "")],
)
def test_the_reason_is_read_whole(last: str, why: str) -> None:
    session = registered()
    hear(session, f"ERROR :{last}")
    assert session.removed == "root removed you from the server" + (f": {why}" if why else "")


def test_an_error_at_the_door_or_another_ones_removal_is_none() -> None:
    session = registered()
    hear(
        session, ":root!r@h KILL beto :x", ":beto!b@h QUIT :Killed (root (x))", "ERROR :Closing link: h (Ping timeout)"
    )
    assert session.removed == ""
    outside = Session("ana", "#lobby", "0123456789abcdef")
    outside.opened(0.0)
    step = hear(outside, "ERROR :Closing link: (Killed (root (x)))")
    assert (outside.removed, bool(step.failed)) == ("", True)
    assert texts(step) == []
