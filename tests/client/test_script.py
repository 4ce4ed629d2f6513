"""What a script's lines stand on: a refused command takes it from the lines behind it, another one gives it back."""

from __future__ import annotations

import pytest

from mpchat.client.script import Script
from mpchat.client.session import Session
from mpchat.client.status import LOST, REFUSED, REMOVED, UNCONNECTED, USAGE, WELL, graver
from mpchat.client.step import Step

JOINED = ":ana!ana@host JOIN {}"


class Story:
    """A script, and a server that says what it is told to."""

    def __init__(self) -> None:
        self.session = Session("ana", "#lobby", "0123456789abcdef", greets=False)
        self.script = Script(self.session.model)
        self.outcome = WELL
        self.session.opened(0.0)
        self.hears(":s CAP * LS :echo-message", ":s CAP * ACK :echo-message", ":s 001 ana :Welcome")
        self.hears(JOINED.format("#lobby"), ":s PONG s mpchat-entrance")

    def hears(self, *lines: str) -> Step:
        step = Step()
        for line in lines:
            step.add(self.session.heard(line, 0.0))
        self.outcome = graver(self.outcome, step.outcome)
        return step

    def says(self, line: str, *answers: str) -> list[str]:
        """What is sent for a line of the script, which the server answers."""
        stopped = self.script.stops(line)
        if stopped:
            self.outcome = graver(self.outcome, stopped.outcome)
            return []
        step = self.session.typed(line, 0.0)
        self.outcome = graver(self.outcome, step.outcome)
        asked = self.script.waits(line, step)
        self.hears(*answers)
        self.script.answered(asked)
        return [text for text in step.send if not text.startswith("PING")]  # which asks for the end of the answer


def test_behind_a_room_that_was_refused_nothing_is_said_until_there_is_another() -> None:
    story = Story()
    story.says("/join #so", ":s 475 ana #so :Cannot join channel (+k)")
    for line in ("hola", "/me waves", "//slash", "/topic new", "/kick beto", "/part", "/invite beto"):
        assert story.says(line) == [], line
    assert story.says("/msg beto hola") == ["PRIVMSG beto :hola"]
    assert story.says("/topic #lobby new") == ["TOPIC #lobby :new"]
    story.says("/join #dev", JOINED.format("#dev"))
    assert story.says("hola") == ["PRIVMSG #dev :hola"]
    assert story.outcome == REFUSED


@pytest.mark.parametrize("back", ["/join #lobby", "/query"])
def test_words_go_to_an_earlier_room_only_when_told_to(back: str) -> None:
    story = Story()
    story.says("/join #so", ":s 473 ana #so :Cannot join channel (+i)")
    story.says(back)
    assert story.says("hola") == ["PRIVMSG #lobby :hola"]


@pytest.mark.parametrize("line", ["/q", "/q #so", "/q beto,carla", "/query #so", "  /join #so a key", "/part nada"])
def test_nor_do_they_go_there_behind_what_the_client_itself_refused(line: str) -> None:
    story = Story()
    assert story.says(line) == []
    assert story.says("hola") == []
    assert story.outcome == REFUSED


def test_to_leave_a_room_leads_back_to_the_one_before() -> None:
    story = Story()
    story.says("/join #so", JOINED.format("#so"))
    story.says("/part", ":ana!ana@host PART #so")
    assert story.says("hola") == ["PRIVMSG #lobby :hola"]
    assert story.outcome == WELL


@pytest.mark.parametrize("line", ["/raw JOIN #so", "/raw join #lobby,#so", "/j so"])
def test_it_is_the_request_that_counts_and_not_how_it_was_typed(line: str) -> None:
    story = Story()
    story.says(line, ":s 471 ana #so :Cannot join channel (+l)")
    assert story.says("hola") == []


@pytest.mark.parametrize("line", ["/join", "/join a,b", "/joim #so", "/query #so"])
def test_a_command_that_was_typed_wrongly_is_refused_too(line: str) -> None:
    story = Story()
    story.says(line)
    assert story.says("hola") == []
    assert story.outcome == REFUSED


def test_a_slash_that_was_to_be_none_takes_nothing() -> None:
    story = Story()
    story.says("/usr/bin/make: failed")
    assert story.says("hola") == ["PRIVMSG #lobby :hola"]
    assert story.outcome == REFUSED


@pytest.mark.parametrize("line", ["/nick beto", "/raw NICK beto", "/nik beto", "/nick", "/nick a b"])
def test_under_a_nickname_that_was_refused_nothing_is_said_or_done(line: str) -> None:
    story = Story()
    story.says(line, ":s 433 ana beto :Nickname is already in use")
    for text in ("hola", "/msg beto hola", "/me waves", "/join #so", "/raw PRIVMSG #lobby :hola"):
        assert story.says(text) == [], text
    assert story.says("/help") == []
    assert story.says("/nick ana2", ":ana!ana@host NICK ana2") == ["NICK :ana2"]
    assert story.says("hola") == ["PRIVMSG #lobby :hola"]
    assert story.outcome == REFUSED


def test_what_depends_on_nothing_is_said() -> None:
    story = Story()
    story.says("/topic new", ":s 482 ana #lobby :You're not channel operator")
    assert story.says("hola") == ["PRIVMSG #lobby :hola"]
    assert story.outcome == REFUSED


def test_words_do_not_drift_into_another_room_when_theirs_is_lost() -> None:
    story = Story()
    story.says("/join #so", JOINED.format("#so"))
    story.hears(":beto!b@h KICK #so ana :out")
    assert story.says("hola") == []
    assert story.outcome == REMOVED
    step = story.session.typed("hola", 0.0)
    assert [line.plain("") for line in step.show] == ["! not said: hola (beto kicked you from #so (out))"]


def test_nor_when_it_cannot_be_entered_again() -> None:
    story = Story()
    story.says("/join #so", JOINED.format("#so"))
    story.session.closed()
    story.session.opened(1.0)
    story.hears(":s 001 ana :Welcome", ":s 474 ana #so :Cannot join (+b)", JOINED.format("#lobby"))
    story.hears(":s PONG s mpchat-entrance")
    assert story.says("hola") == []
    assert story.outcome == REFUSED


def test_a_line_that_was_under_way_when_we_were_kicked_was_not_refused_by_chance() -> None:
    story = Story()
    story.says("hola")
    story.hears(":beto!b@h KICK #lobby ana :out", ":s 404 ana #lobby :Cannot send to channel")
    assert story.outcome == REMOVED


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        (":s 404 ana #lobby :Cannot send to channel", REFUSED),
        (":s 401 ana nadie :No such nick", REFUSED),
        (":s FAIL JOIN SO :no", REFUSED),
        (":s 422 ana :MOTD File is missing", WELL),
        (":s FAIL CHATHISTORY MESSAGE_ERROR AFTER #lobby :not now", WELL),
        (":s 366 ana #lobby :End of /NAMES list", WELL),
        (":beto!b@h KICK #lobby carla :out", WELL),
        ("ERROR :Closing link: 127.0.0.1 (Server shutting down)", WELL),
    ],
)
def test_what_the_server_says_is_a_refusal_or_not(line: str, outcome: int) -> None:
    story = Story()
    story.hears(line)
    assert story.outcome == outcome


@pytest.mark.parametrize(
    ("goodbye", "told"),
    [
        ("Closing link: 127.0.0.1 (Killed (root (enough)))", "root removed you from the server: enough"),
        ("Killed (root (enough (really)))", "root removed you from the server: enough (really)"),
        ("Closing link: (ana@host) [Killed (root (enough))]", "root removed you from the server: enough"),
        ("Closing link: 127.0.0.1 (Server shutting down)", ""),
    ],
)
def test_who_removed_us_and_why(goodbye: str, told: str) -> None:
    story = Story()
    story.hears(f"ERROR :{goodbye}")
    assert story.session.removed == told


def test_a_key_or_password_is_not_in_what_is_told() -> None:
    story = Story()
    told = story.script.unsure("/oper root secret", story.script.waits("/raw", Step(send=["OPER root secret"]))).show
    story.says("/nick beto", ":s 433 ana beto :Nickname is already in use")
    for line in ("/oper root secret", "/join #so secret"):
        stopped = story.script.stops(line)
        assert stopped
        told += stopped.show
    story.says("/nick ana2", ":ana!ana@host NICK ana2")
    story.says("/join #so secret too")
    told += story.session.typed("/topic secret", 0.0).show
    assert len(told) == 4
    assert "secret" not in " ".join(line.plain("") for line in told)


@pytest.mark.parametrize("line", ["/oper root", "  /oper root ", "/oper\troot", "/OPER root", "/opre root", "/oper"])
def test_a_password_that_nobody_asks_for_is_neither_said_nor_shown(line: str) -> None:
    story = Story()
    assert story.says(line) == []
    stopped = story.script.stops("secreto")
    assert stopped
    assert [shown.plain("") for shown in stopped.show] == [
        "! not said: the line behind /oper, which may be the password"
    ]
    assert stopped.outcome == REFUSED
    assert story.says("hola") == ["PRIVMSG #lobby :hola"]
    told = [story.script.undone(each) for each in (line, "secreto", "hola")]
    assert told[1:] == ["not said: the line behind /oper, which may be the password", "not said: hola"]


def test_behind_a_whole_oper_and_a_command_words_are_words() -> None:
    story = Story()
    story.says("/oper root secret", ":s 381 ana :You are now an IRC operator")
    assert story.says("hola") == ["PRIVMSG #lobby :hola"]
    story.says("/oper root")
    assert story.says("/topic new") == ["TOPIC #lobby :new"]
    assert story.says("hola") == ["PRIVMSG #lobby :hola"]


def test_a_line_without_an_echo_behind_the_last_mark_is_lost() -> None:
    story = Story()
    story.says("hola")
    assert story.session.settle().outcome == LOST
    assert story.session.settle().outcome == WELL


def test_a_request_that_was_lost_can_be_made_again_and_another_is_told() -> None:
    story = Story()
    join = story.script.waits("/join #so", story.session.typed("/join #so", 0.0))
    topic = story.script.waits("/topic x", story.session.typed("/topic x", 0.0))
    assert story.script.lacks(join) == join
    assert story.script.lacks(topic) == []
    assert story.script.unsure("/join #so", join).outcome == WELL
    assert story.script.unsure("/topic x", topic).outcome == LOST
    story.hears(JOINED.format("#so"))
    assert story.script.lacks(join) == []


def test_the_gravest_outcome_is_told() -> None:
    grave = [WELL, REFUSED, LOST, REMOVED, UNCONNECTED, USAGE]
    for at, one in enumerate(grave):
        assert [graver(one, other) for other in grave[: at + 1]] == [one] * (at + 1)
        assert [graver(other, one) for other in grave[: at + 1]] == [one] * (at + 1)
