"""The conversation with a server, line by line."""

import re

import pytest

from mpchat.client.connection import delay
from mpchat.client.outbox import DOUBTFUL_SECONDS, WAITING, WINDOW
from mpchat.client.session import GRACE_SECONDS, IDLE_SECONDS, Session
from mpchat.client.step import Ask, Step

CAPABILITIES = "server-time echo-message"
RUN = "0123456789abcdef"


def hear(session: Session, *lines: str, now: float = 0.0) -> Step:
    """All of a server's lines; what they led to, but for the question for a room's modes, behind each JOIN of ours."""
    step = Step()
    for line in lines:
        step.add(session.heard(line, now))
    step.send = [line for line in step.send if not line.startswith("MODE :")]
    return step


def texts(step: Step) -> list[str]:
    return [line.plain("") for line in step.show]


def registered(echo: bool = True, capabilities: str = CAPABILITIES) -> Session:
    """Ana, in #lobby."""
    session = Session("ana", "#lobby", RUN)
    session.opened(0.0)
    if echo:
        hear(session, f":s CAP * LS :{capabilities}", f":s CAP * ACK :{capabilities}")
    hear(
        session,
        ":s 001 ana :Welcome",
        ":s 004 ana s mpchat iow nt ov",
        ":ana!ana@host JOIN #lobby",
        ":s PONG s mpchat-entrance",
    )
    return session


def test_the_introduction_asks_for_what_is_offered_and_ends() -> None:
    session = Session("ana", "#lobby", RUN, password="secret")
    assert session.opened(0.0).send == ["CAP LS 302", "PASS :secret", "NICK :ana", "USER ana 0 * :ana"]
    assert hear(session, ":s CAP * LS * :sasl=PLAIN echo-message").send == []
    assert hear(session, ":s CAP * LS :server-time away-notify").send == ["CAP REQ :server-time echo-message sasl"]
    assert hear(session, ":s CAP ana ACK :server-time echo-message ").send == ["CAP END"]
    assert hear(session, ":s 001 ana :Welcome").send == ["JOIN :#lobby", "PING :mpchat-entrance"]


@pytest.mark.parametrize("answer", [":s CAP * LS :", ":s CAP * LS :away-notify", ":s CAP * NAK :server-time"])
def test_capabilities_are_not_needed(answer: str) -> None:
    session = Session("ana", "#lobby", RUN)
    session.opened(0.0)
    assert hear(session, answer).send == ["CAP END"]


def test_ping_is_answered_at_once() -> None:
    assert hear(Session("ana", "", RUN), "PING :abc def").send == ["PONG :abc def"]


def test_a_taken_nick_gets_an_ending_and_the_user_is_told() -> None:
    session = Session("ana", "#lobby", RUN)
    session.opened(0.0)
    assert hear(session, ":s 433 * ana :taken").send == ["NICK :ana_"]
    assert hear(session, ":s 433 * ana_ :taken").send == ["NICK :ana__"]
    step = hear(session, ":s 001 ana__ :Welcome")
    assert texts(step)[1] == "-- ana is taken here: you are ana__ (/nick changes it)"


def test_a_script_that_named_its_nick_is_not_called_otherwise() -> None:
    session = Session("ana", "#lobby", RUN, flexible=False)
    session.opened(0.0)
    step = hear(session, ":s 433 * ana :Nickname is already in use")
    assert (step.failed, step.status) == ("ana: Nickname is already in use", 4)


def test_endings_shorten_a_nick_for_servers_with_short_ones() -> None:
    session = Session("alexandra", "#lobby", RUN)
    session.opened(0.0)
    assert hear(session, ":s 433 * alexandra :taken").send == ["NICK :alexandra_"]
    assert hear(session, ":s 432 * alexandra_ :too long").send == ["NICK :alexand__"]


@pytest.mark.parametrize(
    "line", [":s 464 * :Password incorrect", "ERROR :full", ":s 465 * :banned", ":s 432 * ana :bad"]
)
def test_a_refusal_at_the_door_is_final(line: str) -> None:
    session = Session("ana", "#lobby", RUN)
    session.opened(0.0)
    assert hear(session, line).failed


def test_own_words_are_shown_when_they_come_back() -> None:
    session = registered()
    step = session.typed("hola", 1.0)
    assert (step.send, texts(step)) == (["PRIVMSG #lobby :hola"], [])
    assert session.status(1.2) == ""
    assert session.status(1.4) == "1 not back yet"
    assert texts(hear(session, ":ana!ana@host PRIVMSG #lobby :hola")) == ["<ana> hola"]
    assert session.status(9.0) == ""


def test_without_echoes_own_words_are_shown_at_once() -> None:
    session = registered(echo=False)
    assert texts(session.typed("hola", 1.0)) == ["<ana> hola"]
    assert session.status(9.0) == ""


def test_a_refused_line_does_not_wait_for_its_echo() -> None:
    session = registered()
    session.typed("/msg nobody hola", 1.0)
    assert texts(hear(session, ":s 401 ana nobody :No such nick")) == [
        "! not said: hola (nobody here is called nobody)"
    ]
    assert session.status(9.0) == ""


@pytest.mark.parametrize("typed", ["/msg History #lobby 2", "/query history #lobby 2"])
def test_a_line_to_the_history_waits_for_no_echo_which_it_does_not_have(typed: str) -> None:
    session = registered()
    step = session.typed(typed, 1.0)
    assert step.send[-1].endswith(" :#lobby 2")
    assert texts(step)[-1].lower() == "<you -> history> #lobby 2"
    hear(session, ":history!history@s NOTICE ana :[01:49] <beto> hola", ":s PONG s mpchat-answer-1", now=9.0)
    assert (session.status(60.0), session.outbox.waiting()) == ("", 0)
    assert texts(session.closed()) == []


def test_a_line_to_nickserv_waits_for_none_either_and_its_password_is_not_shown() -> None:
    session = registered()
    step = session.typed("/msg NickServ identify hunter2", 1.0)
    assert step.send[-1].endswith(" :identify hunter2")
    assert texts(step) == ["<you -> NickServ> identify …"]
    assert (session.status(9.0), session.outbox.waiting()) == ("", 0)


def test_nor_where_it_is_late_to_come_back() -> None:
    session = registered()
    hear(session, ":s 004 ana s unreal iow nt ov")
    session.typed("/msg NickServ identify hunter2", 1.0)
    assert (session.outbox.late(9.0), session.outbox.waiting()) == ("identify …", 1)


def test_on_another_server_somebody_may_be_called_so() -> None:
    session = registered()
    hear(session, ":s 004 ana s unreal iow nt ov")
    assert texts(session.typed("/msg history hola", 1.0)) == []
    assert session.status(9.0) == "lag 8 s, 1 not back yet"
    assert texts(hear(session, ":ana!a@h PRIVMSG history :hola")) == ["<you -> history> hola"]


def test_an_echo_that_never_comes_is_reported() -> None:
    session = registered()
    session.typed("hola", 1.0)
    assert session.deadline() == 1.0 + DOUBTFUL_SECONDS
    assert session.ticked(31.0).send == ["PING :mpchat-doubt"]
    assert texts(hear(session, ":s PONG s mpchat-doubt")) == ["! not confirmed, so perhaps not delivered: hola"]
    assert session.status(31.0) == ""


def test_an_echo_behind_a_long_paste_is_waited_for() -> None:
    session = registered()
    session.pasted(["one", "two"], "#lobby", 1.0)
    session.ticked(31.0)
    hear(session, ":ana!ana@host PRIVMSG #lobby :one", ":ana!ana@host PRIVMSG #lobby :two", now=32.0)
    assert texts(hear(session, ":s PONG s mpchat-doubt", now=33.0)) == []


def test_silence_about_an_echo_is_a_loss() -> None:
    session = registered()
    session.typed("hola", 1.0)
    session.ticked(31.0)
    assert session.deadline() == 31.0 + GRACE_SECONDS
    assert session.ticked(31.0 + GRACE_SECONDS).lost


def test_a_long_line_goes_out_in_several_and_loses_nothing() -> None:
    session = registered()
    text = "palabra " * 200
    step = session.typed(text, 1.0)
    assert len(step.send) > 3
    assert "".join(line.removeprefix("PRIVMSG #lobby :") for line in step.send) == text
    assert all(len(f":ana!ana@host {line}\r\n".encode()) <= 512 for line in step.send)


def test_a_paste_is_said_as_it_is() -> None:
    step = registered().pasted(["/etc/passwd", "//x", "tres"], "#lobby", 1.0)
    assert step.send == ["PRIVMSG #lobby :/etc/passwd", "PRIVMSG #lobby ://x", "PRIVMSG #lobby :tres"]


def test_words_typed_without_a_connection_are_said_later_and_commands_are_not() -> None:
    session = registered()
    session.closed()
    assert session.typed("hola", 1.0).send == []
    assert session.status(1.0) == "not connected, 1 waiting"
    assert "not connected" in texts(session.typed("/names", 1.0))[0]
    assert session.typed("/help", 1.0).show
    session.opened(2.0)
    assert hear(session, ":s 001 ana :Welcome").send == ["JOIN :#lobby", "PING :mpchat-entrance"]
    step = hear(session, ":ana!ana@host JOIN #lobby", ":s PONG s mpchat-entrance")
    assert step.send == ["PRIVMSG #lobby :hola"]


def test_a_loss_tells_what_may_be_lost() -> None:
    session = registered()
    session.typed("hola", 1.0)
    assert texts(session.closed()) == ["! not confirmed, so perhaps not delivered: hola"]


def test_a_server_that_knows_lines_by_their_ids_is_sent_them_again() -> None:
    capabilities = "echo-message message-tags"
    session = registered(capabilities=capabilities)
    lines = session.pasted(["one", "two"], "#lobby", 1.0).send
    assert lines == [f"@+mpchat.org/id={RUN}.{n} PRIVMSG #lobby :{word}" for n, word in ((1, "one"), (2, "two"))]
    hear(session, f"@+mpchat.org/id={RUN}.2 :ana!a@h PRIVMSG #lobby :two")
    assert texts(session.closed()) == []
    session.opened(2.0)
    hear(session, f":s CAP * LS :{capabilities}", f":s CAP * ACK :{capabilities}", ":s 001 ana :Welcome")
    step = hear(session, ":s 004 ana s mpchat i n o", ":ana!ana@host JOIN #lobby", ":s PONG s mpchat-entrance")
    assert step.send == lines[:1]
    assert session.deadline() == DOUBTFUL_SECONDS  # from now on, not from when it was first sent


def test_another_server_behind_the_same_address_is_not_trusted_with_them() -> None:
    session = registered(capabilities="echo-message message-tags")
    session.typed("hola", 1.0)
    session.closed()
    session.opened(2.0)
    step = hear(session, ":s 001 ana :Welcome", ":ana!ana@host JOIN #lobby", ":s PONG s mpchat-entrance")
    assert "! not confirmed, so perhaps not delivered: hola" in texts(step)
    assert not any("hola" in line for line in step.send)


def test_a_mark_is_set_again_behind_the_repeated_lines() -> None:
    session = registered()
    mark = session.mark().send[0]
    session.closed()
    session.opened(2.0)
    step = hear(session, ":s 001 ana :Welcome", ":ana!ana@host JOIN #lobby", ":s PONG s mpchat-entrance")
    assert step.send[-1] == mark
    assert not session.settled()


def test_leaving_with_unsaid_words_tells_them() -> None:
    session = registered()
    session.closed()
    session.typed("hola", 1.0)
    assert session.left("bye").send == []
    assert texts(session.closed()) == ["! not sent: hola"]


def test_all_rooms_are_entered_again_with_their_keys_and_the_current_one_stays() -> None:
    session = registered()
    session.typed("/join #dev key", 1.0)
    hear(session, ":ana!ana@host JOIN #dev")
    session.typed("/join #lobby", 1.0)
    session.closed()
    session.opened(2.0)
    assert hear(session, ":s 001 ana :").send == ["JOIN :#lobby", "JOIN #dev :key", "PING :mpchat-entrance"]
    hear(session, ":ana!a@h JOIN #dev", ":ana!a@h JOIN #lobby", ":s PONG s mpchat-entrance")
    assert session.model.current == "#lobby"


def test_a_room_that_does_not_let_us_in_is_given_up() -> None:
    session = Session("ana", "#secret", RUN)
    session.opened(0.0)
    step = hear(session, ":s 001 ana :", ":s 475 ana #secret :Cannot join (+k)", ":s PONG s mpchat-entrance")
    assert texts(step)[-3:] == [
        "! #secret needs its key: /join #secret KEY",
        "! you are not in #secret",
        "-- your words go nowhere now: /join #room",
    ]
    assert session.model.current == ""


def test_a_new_nick_is_kept_across_a_loss() -> None:
    session = registered()
    hear(session, ":ana!ana@host NICK anita")
    assert session.model.mask == "anita!ana@host"
    session.closed()
    assert "NICK :anita" in session.opened(2.0).send


def test_a_silent_server_is_asked_and_then_given_up() -> None:
    session = registered()
    assert session.deadline() == IDLE_SECONDS
    assert session.ticked(IDLE_SECONDS).send == ["PING :mpchat-alive"]
    assert session.deadline() == IDLE_SECONDS + GRACE_SECONDS
    assert session.ticked(IDLE_SECONDS + 1).lost == ""
    assert session.ticked(IDLE_SECONDS + GRACE_SECONDS).lost


def test_any_word_from_the_server_is_a_sign_of_life() -> None:
    session = registered()
    session.ticked(IDLE_SECONDS)
    hear(session, ":beto!b@h PRIVMSG #lobby :hola", now=IDLE_SECONDS + 1)
    assert session.deadline() == IDLE_SECONDS * 2 + 1


def test_marks_tell_when_all_was_dealt_with() -> None:
    session = registered()
    token = session.mark().send[0].partition(":")[2]
    assert not session.settled()
    hear(session, f":s PONG s :{token}")
    assert session.settled()


def test_the_goodbye_is_not_shown_as_an_error() -> None:
    session = registered()
    assert session.left("bye").send == ["QUIT :bye"]
    assert texts(hear(session, "ERROR :Closing link")) == []


def test_attempts_to_come_back_grow_apart_and_never_beyond_eight_seconds() -> None:
    assert [delay(attempt, 1.0) for attempt in range(7)] == [0.25, 0.5, 1, 2, 4, 8, 8]
    assert delay(10_000, 1.0) == 8
    assert delay(0, 0.0) == 0.125


def test_so_many_words_and_no_more_wait_for_a_connection() -> None:
    session = registered()
    session.closed()
    for number in range(WAITING):
        assert not session.typed(f"line {number}", 1.0).show
    assert texts(session.typed("one more", 1.0)) == ["! too many lines wait for a connection; not kept: one more"]


def test_a_capability_can_be_taken_away() -> None:
    session = registered()
    hear(session, ":s CAP ana DEL :echo-message")
    assert texts(session.typed("hola", 1.0)) == ["<ana> hola"]


def test_echoes_are_counted_by_target() -> None:
    session = registered()
    session.typed("/msg beto hola", 1.0)
    hear(session, ":ana!a@h PRIVMSG #lobby :from elsewhere")
    assert session.status(2.0) == "1 not back yet"


RESUME = "mpchat.org/resume"


def tokens(session: Session, *welcome: str) -> list[str]:
    """What it sends of tokens at its next connection to a server that knows them; and then hears this."""
    session.opened(0.0)
    assert hear(session, f":s CAP * LS :{RESUME}").send == [f"CAP REQ :{RESUME}"]
    resume, end = hear(session, f":s CAP * ACK :{RESUME}").send
    assert end == "CAP END"
    command, *sent = resume.split(" ")
    assert command == "RESUME"
    hear(session, *welcome)
    session.closed()
    return sent


def test_each_registration_brings_a_new_token_and_the_last_one() -> None:
    session, in_ = Session("ana", "#lobby", RUN), ":s 001 ana :Welcome"
    none, first = tokens(session, in_)
    assert none == "*"
    last, second = tokens(session, in_)
    assert last == first
    assert len({first, second, *tokens(session, in_)}) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", token) for token in (first, second))


def test_while_no_welcome_comes_both_tokens_stay_what_they_are() -> None:
    """The server may have taken them, and the welcome be lost: then it knows us by the second."""
    session, in_ = Session("ana", "#lobby", RUN), ":s 001 ana :Welcome"
    _, first = tokens(session, in_)
    sent = tokens(session)
    assert sent[0] == first
    assert tokens(session) == sent
    assert tokens(session, in_) == sent
    assert tokens(session)[0] == sent[1]


def test_a_server_that_knows_no_tokens_is_sent_none() -> None:
    session = Session("ana", "#lobby", RUN)
    session.opened(0.0)
    step = hear(session, ":s CAP * LS :echo-message", ":s CAP * ACK :echo-message", ":s 001 ana :Welcome")
    assert not any("RESUME" in line for line in step.send)


@pytest.mark.parametrize(
    ("typed", "heard", "key"),
    [
        (["/join #dev llave"], [], "llave"),
        (["/raw JOIN #x,#dev a,llave"], [], "llave"),
        (["/join #dev llave"], [":b!b@h MODE #dev +k nueva"], "nueva"),
        (["/join #dev"], [":b!b@h MODE #dev +ovk-l+b ana b llave *!*@x"], "llave"),
        (["/join #dev"], [":b!b@h MODE #dev -b+lk-i x!*@* 7 llave"], "llave"),
        (["/join #dev llave"], [":b!b@h MODE #dev -k *"], ""),
        (["/join #dev"], [":s 324 ana #dev +kn llave"], "llave"),
        (["/join #dev llave"], [":s 324 ana #dev +kn *"], "llave"),
        (["/join #dev llave"], [":b!b@h MODE #otra +k x"], "llave"),
        (["/join #dev"], [":b!b@h MODE ana +i"], ""),
    ],
)
def test_the_key_of_a_room_is_given_again_after_a_loss(typed: list[str], heard: list[str], key: str) -> None:
    session = registered()
    for line in typed:
        session.typed(line, 0.0)
    hear(session, ":ana!ana@host JOIN #dev", *heard)
    session.closed()
    session.opened(1.0)
    join = f"JOIN #dev :{key}" if key else "JOIN :#dev"
    assert join in hear(session, ":s 001 ana :Welcome").send


def test_a_right_key_behind_a_wrong_one_is_the_one_that_is_kept() -> None:
    session = registered()
    session.typed("/join #dev mala", 0.0)
    session.typed("/join #dev llave", 0.0)
    step = hear(session, ":s 475 ana #dev :Cannot join channel (+k)", ":s PONG s mpchat-answer-1")
    assert "JOIN #dev :llave" in step.send
    hear(session, ":ana!ana@host JOIN #dev")
    assert session.model.key("#dev") == "llave"


def test_a_key_that_was_refused_or_of_a_room_that_was_left_is_forgotten() -> None:
    session = registered()
    session.typed("/join #dev mala", 0.0)
    hear(session, ":s 475 ana #dev :Cannot join channel (+k)", ":s PONG s mpchat-answer-1")
    session.typed("/join #dev", 0.0)
    hear(session, ":ana!ana@host JOIN #dev")
    session.closed()
    session.opened(1.0)
    assert "JOIN :#dev" in hear(session, ":s 001 ana :Welcome").send
    session.typed("/join #so llave", 1.0)
    hear(session, ":ana!ana@host JOIN #so", ":ana!ana@host PART #so", ":b!b@h MODE #so +k otra")
    assert session.model.key("#so") == ""


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("401 ana zzz :No such nick/channel", "nobody here is called zzz"),
        ("401 ana #zzz :No such nick/channel", "there is no room #zzz"),
        (
            "432 ana 9x :Erroneous nickname",
            "9x cannot be a nickname: letters, digits and []\\`_^{}|- (no digit or - first), at most 30 bytes",
        ),
        (
            "432 ana \u0430na :Erroneous nickname",
            "\u0430na cannot be a nickname: its letters are of several scripts, so that one may pass for another",
        ),
        ("433 ana beto :Nickname is already in use", "beto is taken, try another nickname"),
        ("443 ana carla #priv :is already on channel", "carla is in #priv already"),
        ("471 ana #priv :Cannot join channel (+l)", "#priv is full"),
        ("473 ana #priv :Cannot join channel (+i)", "#priv is for invited people only"),
        ("474 ana #priv :Cannot join channel (+b)", "you are banned from #priv"),
        ("475 ana #priv :Cannot join channel (+k)", "#priv needs its key: /join #priv KEY"),
        ("481 ana :Permission Denied- You're not an IRC operator", "only an operator of the server may do that"),
        ("482 ana #priv :You're not channel operator", "only an operator of #priv may do that"),
    ],
)
def test_a_refusal_is_a_sentence(line: str, told: str) -> None:
    step = hear(registered(), f":s {line}")
    assert [(each.head, each.text) for each in step.show] == [("!", told)]


def test_after_a_kick_the_key_that_was_set_while_one_was_in_opens_the_room() -> None:
    session = registered()
    session.typed("/join #priv", 0.0)
    hear(session, ":ana!a@h JOIN #priv", ":b!b@h MODE #priv +k llave", ":b!b@h KICK #priv ana :out")
    assert "JOIN #priv :llave" in session.typed("/join #priv", 0.0).send
    step = hear(session, ":s 475 ana #priv :Cannot join channel (+k)", ":s PONG s mpchat-answer-2")
    assert step.show[0].text == "that is not the key of #priv: /join #priv KEY"
    assert "JOIN :#priv" in session.typed("/join #priv", 0.0).send, "another one was set meanwhile"
    hear(session, ":s 475 ana #priv :Cannot join channel (+k)", ":s PONG s mpchat-answer-3")
    assert session.typed("/mode +t", 0.0).show[0].text == "not done: /mode (refused: JOIN #priv)"


# The nick after a loss.


def back_again(session: Session, *lines: str, capabilities: str = CAPABILITIES) -> Step:
    """It loses its connection and has another, where the server says this."""
    session.closed()
    session.opened(2.0)
    return hear(session, f":s CAP * LS :{capabilities}", f":s CAP * ACK :{capabilities}", *lines)


def test_a_name_that_the_server_gave_us_is_ours_and_somebody_elses_is_not_taken() -> None:
    session = registered(capabilities=RESUME)
    step = back_again(session, ":s 001 ana_ :Welcome", capabilities=RESUME)
    assert not any("taken" in line for line in texts(step))
    assert hear(session, ":ana!other@host QUIT :bye", ":ana!other@host NICK dora").send == []
    session.closed()
    assert "NICK :ana_" in session.opened(3.0).send


def test_a_name_that_the_first_visit_ended_with_is_ours() -> None:
    session = Session("ana", "#lobby", RUN)
    session.opened(0.0)
    hear(session, ":s 433 * ana :taken", ":s 001 ana_ :Welcome")
    assert hear(session, ":ana!other@host QUIT :bye").send == []
    session.closed()
    assert "NICK :ana_" in session.opened(1.0).send


def test_the_nick_is_taken_back_from_our_own_lost_connection() -> None:
    session = registered()
    step = back_again(session, ":s 433 * ana :taken", ":s 001 ana_ :Welcome")
    assert "-- ana is still taken, perhaps by your lost connection: you are ana_" in texts(step)
    assert hear(session, ":ana!ana@host QUIT :timed out").send == ["NICK :ana"]


def test_where_the_server_knows_us_by_a_token_the_holder_is_somebody_else() -> None:
    session = registered(capabilities=RESUME)
    step = back_again(session, ":s 433 * ana :taken", ":s 001 ana_ :Welcome", capabilities=RESUME)
    assert "-- ana is taken here: you are ana_ (/nick changes it)" in texts(step)
    assert hear(session, ":ana!ana@host QUIT :bye").send == []


def test_a_script_takes_no_nick_back() -> None:
    session = Session("ana", "#lobby", RUN, greets=False)
    session.opened(0.0)
    hear(session, ":s 001 ana :Welcome")
    session.closed()
    session.opened(1.0)
    hear(session, ":s 433 * ana :taken", ":s 001 ana_ :Welcome")
    assert hear(session, ":ana!ana@host QUIT :timed out").send == []


def test_a_new_nick_is_answered_by_itself() -> None:
    session = registered()
    session.typed("/nick anita", 1.0)
    assert texts(hear(session, ":ana!ana@host NICK anita", ":s PONG s mpchat-answer-1")) == ["* ana is now anita"]


# Where words go.


def in_two_rooms() -> Session:
    """Ana, in #lobby, and in #so, where she talks."""
    session = registered()
    session.typed("/join #so", 1.0)
    hear(session, ":ana!ana@host JOIN #so", ":s PONG s mpchat-answer-1")
    return session


def test_a_draft_for_a_room_from_which_one_was_kicked_goes_nowhere() -> None:
    session = in_two_rooms()
    step = hear(session, ":beto!b@h KICK #so ana :out")
    assert texts(step)[-1] == "-- your words go nowhere now: /query turns to #lobby, /join #room to a room"
    step = session.typed("secret plan", 1.0)
    assert (step.send, texts(step)) == ([], ["! not said: secret plan (beto kicked you from #so (out))"])
    session.typed("/query", 1.0)
    assert session.typed("hola", 1.0).send == ["PRIVMSG #lobby :hola"]


def test_nor_does_one_for_a_room_that_does_not_let_us_back_in() -> None:
    session = in_two_rooms()
    back_again(session, ":s 001 ana :Welcome", ":ana!ana@host JOIN #lobby", ":s 474 ana #so :Cannot join (+b)")
    hear(session, ":s PONG s mpchat-entrance")
    assert session.typed("secret plan", 3.0).send == []


def test_who_leaves_a_room_talks_in_the_one_used_before() -> None:
    session = in_two_rooms()
    session.typed("/join #dev", 1.0)
    hear(session, ":ana!ana@host JOIN #dev", ":s PONG s mpchat-answer-2")
    session.typed("/join #lobby", 1.0)
    session.typed("/join #dev", 1.0)
    session.typed("/part", 1.0)
    assert texts(hear(session, ":ana!ana@host PART #dev"))[-1] == "-- now talking in #lobby"
    assert session.typed("hola", 1.0).send == ["PRIVMSG #lobby :hola"]


def test_who_is_made_to_leave_talks_nowhere() -> None:
    session = in_two_rooms()
    hear(session, ":ana!ana@host PART #so")
    assert texts(session.typed("hola", 1.0)) == ["! not said: hola (you were taken out of #so)"]


def test_who_leaves_all_rooms_at_once_has_asked_for_it() -> None:
    session = in_two_rooms()
    session.typed("/raw JOIN 0", 1.0)
    session.typed("hola", 1.0)
    step = hear(session, ":ana!ana@host PART #so", ":ana!ana@host PART #lobby")
    assert texts(step) == [
        "* ana left #so",
        "-- now talking in #lobby",
        "* ana left #lobby",
        "! not said: hola (you are in no room: /join #room)",
        "-- your words go nowhere now: /join #room",
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (":ana!ana@host JOIN #dev", "-- now talking in #dev"),
        (":beto!b@h KICK #so ana", "-- your words go nowhere now: /query turns to #lobby, /join #room to a room"),
    ],
)
def test_without_a_prompt_each_change_of_where_words_go_is_told(line: str, told: str) -> None:
    session = in_two_rooms()
    session.has_prompt = False
    assert texts(hear(session, line))[-1] == told


def test_without_a_prompt_a_new_name_of_who_one_talks_to_is_told() -> None:
    session = registered()
    session.has_prompt = False
    session.typed("/query beto", 1.0)
    assert texts(hear(session, ":beto!b@h NICK bea"))[-1] == "-- now talking to bea (/query ends it)"


def test_a_paste_goes_where_it_was_to_go_when_it_was_asked() -> None:
    session = in_two_rooms()
    session.typed("/join #lobby", 1.0)
    assert session.pasted(["uno"], "#so", 1.0).send == ["PRIVMSG #so :uno"]


@pytest.mark.parametrize(
    ("where", "why"), [("#so", "beto kicked you from #so"), ("#lobby", "you are no longer in #so")]
)
def test_or_nowhere_where_that_was_lost_meanwhile(where: str, why: str) -> None:
    session = in_two_rooms()
    session.typed(f"/join {where}", 1.0)
    hear(session, ":beto!b@h KICK #so ana")
    step = session.pasted(["uno", "dos"], "#so", 1.0)
    assert (step.send, texts(step)) == ([], [f"! not said: uno ({why})", f"! not said: dos ({why})"])


def test_what_is_typed_behind_a_join_waits_for_its_answer() -> None:
    session = registered()
    session.typed("/join #so", 1.0)
    for line in ("uno", "/topic news", "dos"):
        assert session.typed(line, 1.0) == Step()
    assert session.status(1.0) == "3 waiting"
    step = hear(session, ":ana!ana@host JOIN #so")
    assert step.send == ["PRIVMSG #so :uno", "TOPIC #so :news", "PING :mpchat-answer-2", "PRIVMSG #so :dos"]


@pytest.mark.parametrize("join", ["/join #so", "/raw JOIN #so", " /j so"])
def test_where_the_join_was_refused_it_is_shown_and_not_said(join: str) -> None:
    session = registered()
    session.typed(join, 1.0)
    for line in ("uno", "/topic news", "/msg beto hola"):
        session.typed(line, 1.0)
    step = hear(session, ":s 473 ana #so :Cannot join channel (+i)", ":s PONG s mpchat-answer-1")
    assert step.send == ["PRIVMSG beto :hola"]
    assert texts(step) == [
        "! #so is for invited people only",
        "! not said: uno (refused: JOIN #so)",
        "! not done: /topic (refused: JOIN #so)",
    ]
    assert session.typed("hola", 1.0).send == ["PRIVMSG #lobby :hola"]


def test_behind_a_refused_join_another_one_counts() -> None:
    session = registered()
    for line in ("/join #so", "uno", "/join #dev", "dos"):
        session.typed(line, 1.0)
    step = hear(session, ":s 473 ana #so :Cannot join channel (+i)", ":s PONG s mpchat-answer-1")
    assert "JOIN :#dev" in step.send
    assert session.model.current == ""
    assert hear(session, ":ana!ana@host JOIN #dev").send == ["PRIVMSG #dev :dos"]


def test_what_is_typed_behind_a_part_goes_to_the_room_before() -> None:
    session = in_two_rooms()
    session.typed("/part", 1.0)
    assert session.typed("hola", 1.0).send == []
    assert hear(session, ":ana!ana@host PART #so").send == ["PRIVMSG #lobby :hola"]


def test_what_waited_for_an_answer_that_was_lost_is_shown_and_not_said() -> None:
    session = registered()
    for line in ("/join #so secret", "uno", "/oper root hunter2"):
        session.typed(line, 1.0)
    assert texts(session.closed()) == [
        "! not confirmed: JOIN #so",
        "! not said: uno (not confirmed: JOIN #so)",
        "! not done: /oper (not confirmed: JOIN #so)",
        "-- your words go nowhere now: /query turns to #lobby, /join #room to a room",
    ]
    assert texts(session.typed("dos", 1.5)) == ["! not said: dos (not confirmed: JOIN #so)"]
    session.opened(2.0)
    hear(session, ":s 001 ana :Welcome", ":ana!ana@host JOIN #lobby", ":s PONG s mpchat-entrance")
    session.typed("/query", 3.0)
    assert session.typed("hola", 3.0).send == ["PRIVMSG #lobby :hola"]


@pytest.mark.parametrize("move", ["/join #so key", "/part", "  /j so", "/raw JOIN #so"])
def test_behind_a_change_of_place_that_needs_a_connection_nothing_is_said(move: str) -> None:
    session = in_two_rooms()
    session.closed()
    assert texts(session.typed(move, 1.0)) == [
        "! not connected; words for a room are kept and said later, commands are not",
        "-- your words go nowhere now: /query turns to #so, /join #room to a room",
    ]
    assert texts(session.typed("uno", 1.0)) == [f"! not said: uno ({move.split()[0]} was refused: not connected)"]
    assert session.outbox.waiting() == 0
    session.typed("/names", 1.0)
    session.typed("/query", 1.0)
    assert session.typed("dos", 1.0) == Step()
    assert [speech.target for speech in session.outbox.unsent] == ["#so"]


def test_one_turns_to_a_person_or_another_of_ones_rooms_without_a_connection() -> None:
    session = in_two_rooms()
    session.closed()
    assert texts(session.typed("/query #lobby", 1.0)) == ["-- now talking in #lobby"]
    assert session.typed("/query #none", 1.0).show[0].text.startswith("how to use it: /query")
    assert texts(session.typed("/query beto", 1.0)) == ["-- now talking to beto (/query ends it)"]
    assert texts(session.typed("/query", 1.0)) == ["-- now talking in #lobby"]


def test_behind_a_join_such_a_turn_waits_too() -> None:
    session = registered()
    for line in ("/join #so", "uno", "/query beto", "dos"):
        session.typed(line, 1.0)
    assert hear(session, ":ana!ana@host JOIN #so").send == ["PRIVMSG #so :uno", "PRIVMSG beto :dos"]


@pytest.mark.parametrize("typed", ["/join #so", ""])
def test_the_password_is_asked_for_at_once_and_the_command_waits(typed: str) -> None:
    session = registered()
    session.typed(typed, 1.0)
    assert session.typed("/oper root", 1.0).ask == Ask("oper", "root")
    assert ("OPER root :secret" in session.typed("/oper root secret", 1.0).send) is not bool(typed)
    if typed:
        assert hear(session, ":ana!ana@host JOIN #so").send[:1] == ["OPER root :secret"]


def test_and_without_a_connection_too_or_it_would_be_said_later() -> None:
    session = registered()
    session.closed()
    assert session.typed("/oper root", 1.0).ask == Ask("oper", "root")
    assert "not connected" in texts(session.typed("/oper root secret", 1.0))[0]


def test_help_and_quit_do_not_wait() -> None:
    session = registered()
    session.typed("/join #so", 1.0)
    assert session.typed("/help", 1.0).show
    assert session.typed("/quit", 1.0).leave == "leaving"


def test_a_refused_line_is_shown() -> None:
    session = registered()
    session.typed("hola", 1.0)
    step = hear(session, ":s 404 ana #lobby :Cannot send to channel")
    assert texts(step) == ["! not said: hola (#lobby: Cannot send to channel)"]


# Is it the same room?

_OTHER, _PERHAPS = "this #so is not the room that you were in", "this #so may be another room: yours was private"


def marks(modes: str, made: str = "") -> list[str]:
    """The answer to the question for #so's modes."""
    return [f":s 324 ana #so {modes}", *[f":s 329 ana #so {made}"] * bool(made)]


def rejoined(session: Session, *answers: str) -> Step:
    """The connection is lost and back, and so are we in both rooms; then the server tells of #so."""
    step = back_again(session, ":s 001 ana :Welcome", ":s 376 ana :End")
    step.add(hear(session, ":ana!ana@host JOIN #lobby", ":ana!ana@host JOIN #so", ":s PONG s mpchat-entrance"))
    step.add(hear(session, *answers, ":s PONG s mpchat-rooms"))
    return step


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (marks("+nt", "100"), marks("+nt", "100"), ""),
        (marks("+nt", "100"), marks("+int", "100"), ""),
        (marks("+nt", "100"), marks("+nt", "200"), _OTHER),
        (marks("+ikn llave", "100"), marks("+ikn llave", "100"), ""),
        (marks("+in", "100"), marks("+n", "200"), _OTHER),
        (marks("+in", "100"), marks("+n", "100"), _PERHAPS),
        (marks("+ikn llave", "100"), marks("+in", "100"), _PERHAPS),
        ([*marks("+n", "100"), ":beto!b@h MODE #so +k-n llave"], marks("+n", "100"), _PERHAPS),
        ([*marks("+in", "100"), ":beto!b@h MODE #so -i"], marks("+n", "100"), ""),
        (marks("+n"), marks("+n"), ""),
        (marks("+in"), marks("+in"), _PERHAPS),
        (marks("+in", "100"), [], _PERHAPS),
        (marks("+n", "100"), [], ""),
        ([], marks("+n", "200"), ""),
    ],
)
def test_words_wait_for_the_room_one_was_in_and_not_for_another(before: list[str], after: list[str], why: str) -> None:
    session = in_two_rooms()
    hear(session, *before)
    session.closed()
    session.typed("el secreto", 1.0)
    session.model.question = "#so"
    session.typed("/query #lobby", 1.0)
    session.typed("para todos", 1.0)
    session.typed("/query #so", 1.0)
    step = rejoined(session, *after)
    assert session.ready
    assert ("PRIVMSG #so :el secreto" in step.send) is not bool(why)
    assert "PRIVMSG #lobby :para todos" in step.send
    assert (f"! not said: el secreto ({why})" in texts(step)) is bool(why)
    assert session.model.current == ("" if why else "#so")
    if why:
        assert texts(step)[-1] == "-- your words go nowhere now: /query turns to #so, /join #room to a room"
        assert texts(session.typed("uno", 3.0)) == [f"! not said: uno ({why})"]
        assert texts(session.pasted(["dos"], session.model.question, 3.0)) == [f"! not said: dos ({why})"]
        session.typed("/query", 3.0)
        assert session.typed("tres", 3.0).send == ["PRIVMSG #so :tres"]


def test_until_that_is_known_nothing_is_said() -> None:
    session = in_two_rooms()
    hear(session, *marks("+n", "100"))
    session.closed()
    session.typed("el secreto", 1.0)
    back_again(session, ":s 001 ana :Welcome", ":s 376 ana :End")
    step = hear(session, ":ana!ana@host JOIN #lobby", ":ana!ana@host JOIN #so", ":s PONG s mpchat-entrance")
    assert (step.send, session.ready) == (["PING :mpchat-rooms"], False)
    step = rejoined(session, *marks("+n", "200"))  # and it is asked again behind another loss
    assert f"! not said: el secreto ({_OTHER})" in texts(step)


def test_what_had_no_echo_in_the_old_room_is_not_sent_again_in_the_new_one() -> None:
    capabilities = "echo-message message-tags"
    session = registered(capabilities=capabilities)
    hear(session, ":s 329 ana #lobby 100")
    session.typed("el secreto", 1.0)
    back_again(session, ":s 001 ana :Welcome", ":s 004 ana s mpchat i n o", capabilities=capabilities)
    hear(session, ":ana!ana@host JOIN #lobby", ":s PONG s mpchat-entrance", ":s 329 ana #lobby 200")
    step = hear(session, ":s PONG s mpchat-rooms")
    assert "! not confirmed, so perhaps not delivered: el secreto" in texts(step)
    assert step.send == []


def test_a_room_into_which_the_server_takes_us_back_by_itself_is_the_same() -> None:
    session = registered(capabilities=RESUME)
    hear(session, ":s 324 ana #lobby +in", ":s 329 ana #lobby 100")
    session.closed()
    session.typed("hola", 1.0)
    back_again(session, ":s 001 ana :Welcome", ":ana!ana@host JOIN #lobby", ":s 376 ana :End", capabilities=RESUME)
    assert "PRIVMSG #lobby :hola" in hear(session, ":s PONG s mpchat-entrance").send


def test_the_end_of_a_talk_does_not_lead_into_another_room_by_itself() -> None:
    session = in_two_rooms()
    hear(session, *marks("+n", "100"))
    session.typed("/query #lobby", 1.0)
    rejoined(session, *marks("+n", "200"))
    session.typed("/part", 3.0)
    assert texts(hear(session, ":ana!ana@host PART #lobby"))[-1].startswith("-- your words go nowhere now")
    assert session.model.current == ""


def test_the_modes_that_one_did_not_ask_for_are_not_shown_and_the_others_are() -> None:
    session = in_two_rooms()
    assert texts(hear(session, *marks("+n", "100"))) == []
    assert texts(hear(session, *marks("+n", "100"))) == ["* #so has mode +n"]


# Who is called so now.


def test_a_new_name_reaches_what_waits_for_that_person_and_who_takes_the_old_one_gets_nothing() -> None:
    session = registered()
    session.pasted([f"line {number}" for number in range(WINDOW + 2)], "beto", 1.0)
    session.model.question = "Beto"
    hear(session, ":beto!b@h NICK betox", ":cyd!c@h NICK beto")
    step = hear(session, ":ana!ana@host PRIVMSG beto :line 0", ":ana!ana@host PRIVMSG beto :line 1")
    assert step.send == [f"PRIVMSG betox :line {number}" for number in (WINDOW, WINDOW + 1)]
    assert session.model.question == "betox"


def test_so_does_a_name_that_is_seen_before_everything_is_there() -> None:
    session = Session("ana", "#lobby", RUN)
    session.opened(0.0)
    hear(session, ":s 001 ana :Welcome")
    session.typed("/query beto", 1.0)
    session.typed("hola", 1.0)
    hear(session, ":ana!ana@host JOIN #lobby", ":beto!b@h NICK betox", ":cyd!c@h NICK beto")
    assert hear(session, ":s PONG s mpchat-entrance").send == ["PRIVMSG betox :hola"]


def test_where_a_refused_join_leads_back_to_a_person_they_are_called_as_they_are_now() -> None:
    session = registered()
    for line in ("/query beto", "/join #so", "uno", "/join #dev"):
        session.typed(line, 1.0)
    hear(session, ":s 473 ana #so :Cannot join channel (+i)", ":s PONG s mpchat-answer-1")
    hear(session, ":beto!b@h NICK betox")
    hear(session, ":s 473 ana #dev :Cannot join channel (+i)", ":s PONG s mpchat-answer-2")
    assert session.model.current == "betox"


@pytest.mark.parametrize(
    "line", [":beto!b@h QUIT :bye", ":s 401 ana beto :No such nick"], ids=["who quits", "whom the server does not know"]
)
def test_a_paste_does_not_wait_for_another_of_that_name(line: str) -> None:
    session = registered()
    session.pasted([f"line {number}" for number in range(WINDOW + 2)], "beto", 1.0)
    session.mark()
    step = hear(session, line)
    assert texts(step)[-2:] == [f"! not said: line {n} (beto is no longer there)" for n in (WINDOW, WINDOW + 1)]
    assert step.send == ["PING :mpchat-mark-1"]


MAY_BE_ANOTHER = "the connection was lost: {} may be somebody else now"


def test_private_words_do_not_wait_for_a_connection_and_those_for_a_room_do() -> None:
    session = registered()
    session.pasted([f"line {number}" for number in range(WINDOW + 1)], "beto", 1.0)
    why = MAY_BE_ANOTHER.format("beto")
    assert texts(session.closed()) == [
        *(f"! not confirmed, so perhaps not delivered: line {number}" for number in range(WINDOW)),
        f"! not said: line {WINDOW} ({why})",
    ]
    assert session.typed("to the room", 1.0) == Step()
    session.typed("/query beto", 1.0)
    assert texts(session.typed("uno", 1.0)) == [f"! not said: uno ({why})"]
    assert texts(session.pasted(["dos"], "beto", 1.0)) == [f"! not said: dos ({why})"]
    session.opened(2.0)
    hear(session, ":s 001 ana :Welcome", ":ana!ana@host JOIN #lobby")
    assert texts(session.typed("tres", 2.0)) == [f"! not said: tres ({why})"]
    assert hear(session, ":s PONG s mpchat-entrance").send == ["PRIVMSG #lobby :to the room"]
    assert session.typed("hola", 3.0).send == ["PRIVMSG beto :hola"]


def test_private_words_with_a_number_are_not_sent_again_either() -> None:
    session = registered(capabilities="echo-message message-tags")
    session.typed("/msg beto hola", 1.0)
    session.typed("to the room", 1.0)
    assert texts(session.closed()) == ["! not confirmed, so perhaps not delivered: hola"]
    assert [sent.speech.text for sent in session.outbox.unechoed] == ["to the room"]


def test_words_for_a_person_before_the_first_connection_wait_for_it() -> None:
    session = Session("ana", "#lobby", RUN)
    session.typed("/query beto", 0.0)
    assert session.typed("hola", 0.0) == Step()
    session.opened(0.0)
    step = hear(session, ":s 001 ana :Welcome", ":ana!ana@host JOIN #lobby", ":s PONG s mpchat-entrance")
    assert step.send[-1] == "PRIVMSG beto :hola"


def test_a_script_that_talks_to_a_person_does_not_go_on_after_a_loss() -> None:
    session = Session("ana", "", RUN, greets=False)
    session.model.talk("beto")
    session.opened(0.0)
    hear(session, ":s 001 ana :Welcome", ":s PONG s mpchat-entrance")
    session.closed()
    session.opened(2.0)
    hear(session, ":s 001 ana :Welcome", ":s PONG s mpchat-entrance")
    step = session.typed("hola", 3.0)
    assert (step.send, texts(step)) == ([], [f"! not said: hola ({MAY_BE_ANOTHER.format('beto')})"])


# A long paste.


def echo(*numbers: int) -> list[str]:
    return [f":ana!ana@host PRIVMSG #lobby :line {number}" for number in numbers]


def test_a_long_paste_goes_out_a_few_lines_at_a_time_and_the_marks_behind_it() -> None:
    session = registered()
    lines = [f"line {number}" for number in range(WINDOW + 2)]
    assert len(session.pasted(lines, "#lobby", 1.0).send) == WINDOW
    assert session.status(1.0) == "2 waiting"
    assert session.mark().send == []
    assert hear(session, *echo(0)).send == [f"PRIVMSG #lobby :line {WINDOW}"]
    last, mark = hear(session, *echo(1)).send
    assert (last, mark) == (f"PRIVMSG #lobby :line {WINDOW + 1}", "PING :mpchat-mark-1")


def test_what_is_left_of_a_paste_can_be_called_back() -> None:
    session = registered()
    assert session.cancelled() == Step()
    session.pasted([f"line {number}" for number in range(WINDOW + 2)], "#lobby", 1.0)
    session.mark()
    step = session.cancelled()
    assert (texts(step), step.send) == (["-- 2 pasted lines were not sent"], ["PING :mpchat-mark-1"])
    assert hear(session, *echo(0, 1, 2)).send == []


def test_a_paste_without_a_connection_can_be_called_back() -> None:
    session = registered()
    session.closed()
    session.typed("hola", 1.0)
    session.pasted([f"line {number}" for number in range(WINDOW + 2)], "#lobby", 1.0)
    assert session.status(1.0) == f"not connected, {WINDOW + 3} waiting"
    assert texts(session.cancelled()) == [f"-- {WINDOW + 2} pasted lines were not sent"]
    step = back_again(session, ":s 001 ana :Welcome", ":ana!ana@host JOIN #lobby", ":s PONG s mpchat-entrance")
    assert [line for line in step.send if "PRIVMSG" in line] == ["PRIVMSG #lobby :hola"]


def test_and_goes_out_a_few_lines_at_a_time_when_there_is_one() -> None:
    session = registered()
    session.closed()
    lines = [f"line {number}" for number in range(WAITING + 2)]
    told = texts(session.pasted(lines, "#lobby", 1.0))
    assert told == [f"! too many lines wait for a connection; not kept: {line}" for line in lines[WAITING:]]
    step = back_again(session, ":s 001 ana :Welcome", ":ana!ana@host JOIN #lobby", ":s PONG s mpchat-entrance")
    assert sum("PRIVMSG" in line for line in step.send) == WINDOW
    assert texts(session.cancelled()) == [f"-- {WAITING - WINDOW} pasted lines were not sent"]


def test_what_is_left_of_a_paste_is_not_said_after_the_goodbye() -> None:
    session = registered()
    session.pasted([f"line {number}" for number in range(WINDOW + 1)], "#lobby", 1.0)
    session.left("bye")
    assert hear(session, *echo(0)).send == []
    assert f"! not sent: line {WINDOW}" in texts(session.closed())


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([":beto!b@h KICK #lobby ana"], "beto kicked you from #lobby"),
        ([":ana!ana@host PART #lobby"], "you are in no room: /join #room"),
    ],
)
def test_a_paste_does_not_go_on_in_a_room_that_was_lost_or_left(lines: list[str], why: str) -> None:
    session = registered()
    session.pasted([f"line {number}" for number in range(WINDOW + 2)], "#lobby", 1.0)
    session.typed("/part", 1.0)
    hear(session, *lines)
    step = hear(session, *echo(0, 1, 2))
    assert step.send == []
    told = [text for text in texts(step) if text.startswith("!")]
    assert told == [f"! not said: line {number} ({why})" for number in (WINDOW, WINDOW + 1)]
    assert session.status(1.0) == ""


def test_a_paste_goes_on_after_a_loss() -> None:
    session = registered()
    session.pasted([f"line {number}" for number in range(WINDOW + 1)], "#lobby", 1.0)
    session.mark()
    step = back_again(session, ":s 001 ana :Welcome", ":ana!ana@host JOIN #lobby", ":s PONG s mpchat-entrance")
    assert step.send[-2:] == [f"PRIVMSG #lobby :line {WINDOW}", "PING :mpchat-mark-1"]


def test_a_setting_beside_a_join_takes_nothing_away_from_what_waits_behind_it() -> None:
    session = registered()
    for line in ("/join #so", "uno", "/set nick ana2", "dos"):
        session.typed(line, 1.0)
    assert hear(session, ":ana!ana@host JOIN #so").send == ["PRIVMSG #so :uno", "PRIVMSG #so :dos"]


@pytest.mark.parametrize(
    "line",
    [
        ":s 005 ana CHATHISTORY=" + "9" * 5000 + " :are supported",
        "@+mpchat.org/id=aaaaaaaaaaaaaaaa." + "9" * 5000 + " :ana!ana@host PRIVMSG #lobby :x",
        "@time=9999-12-31T23:59:59.999999Z :beto!b@h PRIVMSG #lobby :x",
    ],
)
def test_absurd_numbers_of_a_server_are_none(line: str) -> None:
    session = registered()
    session._run = "aaaaaaaaaaaaaaaa"
    assert [shown.at for shown in hear(session, line).show] in ([], [None])
