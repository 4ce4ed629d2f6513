"""Accounts, line by line: logging in before we enter, again after a loss, and in the chat; and making one."""

from __future__ import annotations

import base64
import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpchat.client import login as login_module
from mpchat.client.sasl import MESSAGE_CHARACTERS, PIECE, PLAIN, SCRAM, BadServer, Credentials, Exchange
from mpchat.client.session import Session
from mpchat.client.step import Ask, Given, Step
from mpchat.protocol.irc.accounts import _FAILED
from mpchat.texts import t
from tests.client.test_session import RUN, hear, texts

ANA = Credentials("ana", "hunter2")
OFFER = "sasl=PLAIN,SCRAM-SHA-256 mpchat.org/resume draft/account-registration"
LOGGED_IN = (":s 900 ana ana!ana@h ana :You are now logged in as ana", ":s 903 ana :SASL authentication successful")
ENTERED = (
    ":s 001 ana :Welcome",
    ":s 004 ana s mpchat iow nt ov",
    ":ana!ana@h JOIN #lobby",
    ":s PONG s mpchat-entrance",
)


@pytest.fixture(autouse=True)
def without_scramp(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests of SCRAM say where they need it."""
    monkeypatch.setattr(login_module, "has_scram", lambda: False)


@pytest.fixture
def scramp(monkeypatch: pytest.MonkeyPatch) -> Any:
    module = pytest.importorskip("scramp")
    monkeypatch.setattr(login_module, "has_scram", lambda: True)
    return module


def decoded(lines: list[str]) -> str:
    """What AUTHENTICATE lines carry."""
    pieces = [line.removeprefix("AUTHENTICATE ") for line in lines]
    assert all(len(piece) == PIECE for piece in pieces[:-1])
    assert len(pieces[-1]) < PIECE
    return base64.b64decode("".join(piece for piece in pieces if piece != "+")).decode()


def negotiated(session: Session, offer: str = OFFER, private: bool = True) -> Step:
    """What it says when capabilities are agreed upon."""
    session.opened(0.0, private)
    asked = hear(session, f":s CAP * LS :{offer}").send
    return hear(session, ":s CAP * ACK :" + asked[0].partition(":")[2]) if asked[0] != "CAP END" else Step()


def entering(**more: Any) -> Session:
    return Session("ana", "#lobby", RUN, credentials=ANA, **more)


def inside(credentials: Credentials | None = None, private: bool = True, offer: str = OFFER) -> Session:
    """Ana, in #lobby, where she is logged in if she has credentials."""
    session = Session("ana", "#lobby", RUN, credentials=credentials)
    negotiated(session, offer, private)
    if credentials:
        hear(session, "AUTHENTICATE +", *LOGGED_IN)
    hear(session, *ENTERED)
    assert session.ready
    return session


# Before we enter


def test_we_enter_when_we_are_logged_in_and_the_token_of_our_session_goes_last() -> None:
    session = entering()
    assert negotiated(session).send == ["AUTHENTICATE PLAIN"]
    assert decoded(hear(session, "AUTHENTICATE +").send) == "\0ana\0hunter2"
    step = hear(session, *LOGGED_IN)
    assert texts(step) == ["-- logged in as ana"]
    assert [line.split()[0] for line in step.send] == ["RESUME", "CAP"]
    assert hear(session, ENTERED[0]).send == ["JOIN :#lobby", "PING :mpchat-entrance"]


def test_after_a_loss_we_log_in_again_and_take_our_session_up() -> None:
    session = inside(ANA)
    session.closed()
    assert negotiated(session).send == ["AUTHENTICATE PLAIN"]
    hear(session, "AUTHENTICATE +")
    resume, _ = hear(session, *LOGGED_IN).send
    assert len(resume.split()[1]) == 32


def test_a_server_that_knows_tokens_no_more_gets_none() -> None:
    session = entering()
    negotiated(session)
    session.closed()  # before it came to that
    negotiated(session, "sasl=PLAIN")
    hear(session, "AUTHENTICATE +")
    assert hear(session, *LOGGED_IN).send == ["CAP END"]


def test_without_an_account_nothing_of_it_is_said() -> None:
    assert [line.split()[0] for line in negotiated(Session("ana", "#lobby", RUN)).send] == ["RESUME", "CAP"]


@pytest.mark.parametrize("flexible", [True, False])
def test_a_nick_that_is_kept_for_our_account_is_asked_for_again(flexible: bool) -> None:
    session = entering(flexible=flexible)
    negotiated(session)
    step = hear(session, ":s 433 * ana :Nickname is already in use", "AUTHENTICATE +")
    assert texts(step) == []
    assert [line.split()[0] for line in step.send] == ["AUTHENTICATE"]
    assert [line.split()[0] for line in hear(session, *LOGGED_IN).send] == ["NICK", "RESUME", "CAP"]


def test_and_when_it_is_not_ours_we_are_called_otherwise() -> None:
    session = entering()
    negotiated(session)
    hear(session, ":s 433 * ana :taken", "AUTHENTICATE +", *LOGGED_IN)
    assert hear(session, ":s 433 * ana :taken").send == ["NICK :ana_"]


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        (":s 904 * :SASL authentication failed", "no login: the password is wrong, or no account is called ana"),
        (":s 902 * :You must use a nick assigned to you", "no login as ana: You must use a nick assigned to you"),
        (
            ":s 908 * EXTERNAL :are available SASL mechanisms",
            "no login: the server knows none of our ways, but EXTERNAL",
        ),
        ("904", "no login: the password is wrong, or no account is called ana"),
        ("FAIL AUTHENTICATE ACCOUNT_SUSPENDED :so it is", "no login as ana: so it is"),
    ],
)
def test_who_is_refused_does_not_come_in(verdict: str, told: str) -> None:
    session = entering()
    negotiated(session)
    step = hear(session, "AUTHENTICATE +", verdict)
    assert (step.failed, step.status) == (told, 4)
    assert not [line for line in step.send if line == "CAP END"]


def test_who_is_refused_after_a_loss_stays_outside_and_is_told_so_once() -> None:
    session = inside(ANA)
    session.closed()
    negotiated(session)
    hear(session, "AUTHENTICATE +", ":s 904 * :SASL authentication failed")
    assert session.removed == "no login: the password is wrong, or no account is called ana"
    session.closed()
    assert session.status(0.0) == "no login: /reconnect"
    assert texts(session.typed("/login ana right", 1.0)) == ["-- the next connection logs in as ana (/reconnect)"]
    negotiated(session)
    assert decoded(hear(session, "AUTHENTICATE +").send) == "\0ana\0right"
    hear(session, *LOGGED_IN, *ENTERED)
    assert (session.ready, session.removed) == (True, "")


def test_a_server_that_cannot_check_passwords_now_is_asked_again_later() -> None:
    session = inside(ANA)
    session.closed()
    negotiated(session)
    step = hear(session, "AUTHENTICATE +", f":s 904 ana :{_FAILED['late']}")
    assert (step.failed, step.lost, session.removed) == (
        "",
        "the server cannot check passwords just now: try again in a moment",
        "",
    )


def test_nor_does_one_that_has_just_been_started_and_has_no_accounts_yet_turn_us_away() -> None:
    session = inside(ANA)
    session.closed()
    step = negotiated(session, "echo-message")
    assert (step.failed, step.lost, session.removed) == (
        "",
        "no login: this server has no accounts (it offers no SASL)",
        "",
    )
    session.closed()
    assert negotiated(session).send == ["AUTHENTICATE PLAIN"]


@pytest.mark.parametrize(
    ("offer", "private", "told"),
    [
        ("echo-message", True, "no login: this server has no accounts (it offers no SASL)"),
        ("echo-message", False, "no login: the server offers none (no SASL) where others may read"),
        ("sasl=EXTERNAL", True, "no login: the server knows none of our ways, but EXTERNAL"),
        ("sasl=PLAIN", False, "the password of ana is not sent: others on the way could read it (--tls hides it)"),
        ("sasl", False, "no login: in the clear it takes SCRAM-SHA-256, of the package scramp"),
        ("sasl=SCRAM-SHA-256", False, "no login: in the clear it takes SCRAM-SHA-256, of the package scramp"),
    ],
)
def test_where_there_is_no_way_it_says_why_and_sends_nothing(offer: str, private: bool, told: str) -> None:
    step = negotiated(entering(), offer, private)
    assert step.failed.startswith(told)
    assert step.send == []


def test_a_server_of_the_old_kind_has_no_accounts() -> None:
    session = entering()
    session.opened(0.0, True)
    assert hear(session, ":s 421 * CAP :Unknown command", ":s 001 ana :Welcome").failed.startswith("no login: this")
    assert not session.registered


def test_a_capability_without_a_value_may_stand_for_any_mechanism() -> None:
    assert negotiated(entering(), "sasl").send == ["AUTHENTICATE PLAIN"]


# The messages


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=900))
def test_a_password_of_any_length_arrives(password: str) -> None:
    exchange = Exchange(Credentials("ana", password), PLAIN)
    assert decoded(exchange.heard("+")) == f"\0ana\0{password}"


@pytest.mark.parametrize("more", range(295, 302))
def test_a_last_piece_of_full_length_is_followed_by_an_empty_one(more: int) -> None:
    lines = Exchange(Credentials("a", "x" * (more - 3)), PLAIN).heard("+")
    assert len(lines) == (1 if more < 298 else 2)
    assert (lines[-1] == "AUTHENTICATE +") is (298 <= more <= 300)


@pytest.mark.parametrize("piece", ["no base64!", "ñ", "/w==", "A" * 401])
def test_what_is_no_message_ends_the_exchange(piece: str) -> None:
    with pytest.raises(BadServer):
        Exchange(ANA, PLAIN).heard(piece)


def test_pieces_without_an_end_do_so_too() -> None:
    exchange = Exchange(ANA, PLAIN)
    for _ in range(MESSAGE_CHARACTERS // PIECE):
        assert exchange.heard("A" * PIECE) == []
    with pytest.raises(BadServer):
        exchange.heard("A" * PIECE)


def test_who_asks_twice_in_plain_gets_the_password_once() -> None:
    exchange = Exchange(ANA, PLAIN)
    exchange.heard("+")
    with pytest.raises(BadServer):
        exchange.heard("+")


def sent(text: str) -> str:
    return f"AUTHENTICATE {base64.b64encode(text.encode()).decode()}"


class ScramServer:
    """A server that has the keys of one password."""

    def __init__(self, scramp: Any, password: str, rounds: int = 4096) -> None:
        mechanism = scramp.ScramMechanism(SCRAM)
        self._info = mechanism.make_auth_info(password, iteration_count=rounds)
        self._server = mechanism.make_server(lambda name: self._info)

    def first(self, message: str) -> str:
        self._server.set_client_first(message)
        answer: str = self._server.get_server_first()
        return answer

    def last(self, message: str) -> str:
        self._server.set_client_final(message)
        answer: str = self._server.get_server_final()
        return answer


def test_in_scram_the_password_is_not_sent_and_both_prove_that_they_know_it(scramp: Any) -> None:
    session, server = entering(), ScramServer(scramp, "hunter2")
    step = negotiated(session, private=False)
    assert step.send == ["AUTHENTICATE SCRAM-SHA-256"]
    said = [decoded(hear(session, "AUTHENTICATE +").send)]
    said.append(decoded(hear(session, sent(server.first(said[0]))).send))
    assert hear(session, sent(server.last(said[1]))).send == ["AUTHENTICATE +"]
    assert hear(session, *LOGGED_IN).send[-1] == "CAP END"
    assert "hunter2" not in "".join(said)


@pytest.mark.parametrize("lie", ["", "v=AAAA", "garbage"])
def test_a_server_that_proves_nothing_is_not_believed(scramp: Any, lie: str) -> None:
    session, server = entering(), ScramServer(scramp, "hunter2")
    negotiated(session)
    first = decoded(hear(session, "AUTHENTICATE +").send)
    hear(session, sent(server.first(first)))
    step = hear(session, *[sent(lie)] * bool(lie), *LOGGED_IN)
    assert step.failed == "no login: the server does not prove that it knows the account"
    assert "CAP END" not in step.send


def test_nor_one_that_would_keep_us_busy_for_ever(scramp: Any) -> None:
    session = entering()
    negotiated(session)
    nonce = decoded(hear(session, "AUTHENTICATE +").send).rpartition("r=")[2]
    step = hear(session, sent(f"r={nonce}x,s=QSXCR+Q6sek8bf92,i=999999999"))
    assert step.failed.startswith("no login: the server does not prove")
    assert step.send == ["AUTHENTICATE *"]


@given(text=st.text(max_size=60), begins=st.sampled_from(["", "r=", "r={}x,s=QSXCR+Q6sek8bf92,i=", "v=", "e="]))
def test_whatever_a_server_says_is_an_answer_or_none(text: str, begins: str) -> None:
    pytest.importorskip("scramp")
    exchange = Exchange(ANA, SCRAM)
    nonce = decoded(exchange.heard("+")).rpartition("r=")[2]
    for _ in range(2):
        with contextlib.suppress(BadServer):
            exchange.heard(sent(begins.format(nonce) + text).partition(" ")[2][: PIECE - 1])
    assert not exchange.is_proven


def test_a_wrong_password_is_told_as_in_plain(scramp: Any) -> None:
    session, server = entering(), ScramServer(scramp, "another")
    negotiated(session)
    final = decoded(hear(session, sent(server.first(decoded(hear(session, "AUTHENTICATE +").send)))).send)
    with contextlib.suppress(scramp.ScramException):
        server.last(final)
    assert hear(session, sent("e=invalid-proof")).send == ["AUTHENTICATE +"]
    assert hear(session, ":s 904 * :failed").failed.startswith("no login: the password is wrong")


def test_a_password_that_scram_cannot_have_is_told_at_once(scramp: Any) -> None:
    session = Session("ana", "#lobby", RUN, credentials=Credentials("ana", "\x07"))
    step = negotiated(session)
    assert step.failed.startswith("no login: the account or its password has signs")


# In the chat


def test_login_asks_for_the_password_and_then_logs_in() -> None:
    session = inside()
    assert session.typed("/login", 1.0).ask == Ask("login", "ana")
    assert session.typed("/login beto", 1.0).ask == Ask("login", "beto")
    assert session.typed("/login beto my  pass", 1.0).send == ["AUTHENTICATE PLAIN"]
    assert decoded(hear(session, "AUTHENTICATE +").send) == "\0beto\0my  pass"
    session.mark()
    hear(session, ":s PONG s mpchat-mark-1")
    assert not session.settled()
    step = hear(session, ":s 900 ana ana!ana@h beto :You are now logged in as beto", ":s 903 ana :yes")
    assert (texts(step), step.send, session.settled()) == (["-- logged in as beto"], [], True)
    session.closed()
    assert negotiated(session).send == ["AUTHENTICATE PLAIN"]


def test_a_refused_login_leaves_all_as_it_was() -> None:
    session = inside()
    session.typed("/login ana wrong", 1.0)
    assert texts(session.typed("/login ana again", 1.0)) == [
        "! a login, or the making of an account, has no answer yet"
    ]
    step = hear(session, "AUTHENTICATE +", ":s 904 ana :SASL authentication failed")
    assert texts(step) == ["! no login: the password is wrong, or no account is called ana"]
    assert (step.outcome, step.failed, session.ready, session.removed) == (4, "", True, "")
    session.closed()
    assert negotiated(session).send[-1] == "CAP END"


def test_a_login_that_was_under_way_is_told_of_at_a_loss() -> None:
    session = inside()
    session.typed("/login ana hunter2", 1.0)
    assert "! the connection was lost before /login had an answer" in texts(session.closed())
    assert negotiated(session).send[-1] == "CAP END"


def test_register_makes_an_account_of_our_nick_and_logs_in_with_it_from_then_on() -> None:
    session = inside()
    assert session.typed("/register", 1.0).ask == Ask("register", "ana")
    assert session.typed("/register hunter2", 1.0).send == ["REGISTER * * :hunter2"]
    assert texts(hear(session, ":s REGISTER SUCCESS ana :Account created")) == [
        "-- the account ana is yours now: /login, or --account ana, logs you in"
    ]
    assert hear(session, ":s CAP ana ACK :server-time").send == ["CAP END"]
    session.closed()
    negotiated(session)
    assert decoded(hear(session, "AUTHENTICATE +").send) == "\0ana\0hunter2"


def tried(session: Session, said: str) -> str:
    """The password with which the next connection logs in, and what the server says to that."""
    session.closed()
    negotiated(session)
    password = decoded(hear(session, "AUTHENTICATE +").send).split("\0")[2]
    hear(session, said)
    return password


def test_another_password_is_asked_for_twice_and_then_nickserv_is_told() -> None:
    session = inside(ANA)
    assert session.typed("/password", 1.0).ask == Ask("password", "ana")
    assert session.typed("/password my other", 1.0).send == ["NICKSERV :SET PASSWORD my other"]
    assert tried(session, ":s 903 ana :yes") == "my other"
    assert tried(session, ":s 903 ana :yes") == "my other"


def test_where_nickserv_has_not_taken_it_the_former_one_still_logs_us_in() -> None:
    session = inside(ANA)
    session.typed("/password short", 1.0)
    session.closed()
    negotiated(session)
    hear(session, "AUTHENTICATE +")
    assert hear(session, ":s 904 ana :SASL authentication failed").send == ["AUTHENTICATE PLAIN"]
    assert decoded(hear(session, "AUTHENTICATE +").send) == "\0ana\0hunter2"
    hear(session, *LOGGED_IN)
    assert tried(session, ":s 903 ana :yes") == "hunter2"


def test_if_neither_of_them_is_right_that_is_told() -> None:
    session = inside(ANA)
    session.typed("/password another", 1.0)
    tried(session, ":s 904 ana :SASL authentication failed")
    hear(session, "AUTHENTICATE +")
    step = hear(session, ":s 904 ana :SASL authentication failed")
    assert step.failed == "no login: the password is wrong, or no account is called ana"


def test_whose_account_is_dropped_does_not_log_in_any_more() -> None:
    session = inside(ANA)
    assert session.typed("/drop", 1.0).ask == Ask("drop", "ana")
    assert session.typed("/drop beto", 1.0).ask == Ask("drop", "beto")
    assert session.typed("/drop ana hunter2", 1.0).send == ["NICKSERV :DROP ana hunter2"]
    hear(session, ":s 901 ana ana!ana@h :You are now logged out")
    session.closed()
    assert negotiated(session).send[-1] == "CAP END"


def test_who_is_logged_out_without_that_does() -> None:
    session = inside(ANA)
    hear(session, ":s 901 ana ana!ana@h :You are now logged out")
    assert tried(session, ":s 903 ana :yes") == "hunter2"
    session.typed("/drop ana wrong", 1.0)
    assert tried(session, ":s 903 ana :yes") == "hunter2"
    hear(session, ":s 901 ana ana!ana@h :You are now logged out")
    assert tried(session, ":s 903 ana :yes") == "hunter2", "that was about another connection's"


@pytest.mark.parametrize("line", ["/password hunter2", "/drop ana hunter2"])
def test_nor_do_these_go_where_others_could_read_them_or_by_halves(line: str) -> None:
    step = inside(private=False).typed(line, 1.0)
    assert (step.send, texts(step)[0][:48]) == ([], "! nothing is changed: others on the way could re")
    step = inside().typed(line + "x" * 500, 1.0)
    assert (step.send, texts(step)) == ([], ["! nothing is changed: that password is too long for a line"])


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("FAIL REGISTER ACCOUNT_EXISTS ana :no", "! ana is an account already"),
        ("FAIL REGISTER WEAK_PASSWORD ana :that is too short", "! no account: that is too short"),
        ("FAIL REGISTER INVALID_EMAIL * :An address is needed", "! no account: An address is needed"),
        ("REGISTER VERIFICATION_REQUIRED ana :a code", "-- the account ana must be confirmed first: a code"),
    ],
)
def test_a_registration_may_be_refused(answer: str, told: str) -> None:
    session = inside()
    session.typed("/register hunter2", 1.0)
    assert texts(hear(session, f":s {answer}")) == [told]
    session.closed()
    assert negotiated(session).send[-1] == "CAP END"


def test_a_password_is_not_sent_where_others_could_read_it() -> None:
    session = inside(private=False)
    assert texts(session.typed("/register hunter2", 1.0))[0].startswith("! no account: others on the way could read")
    assert texts(session.typed("/login ana hunter2", 1.0))[0].startswith("! no login: in the clear it takes SCRAM")


def test_what_does_not_fit_into_a_line_is_not_cut() -> None:
    step = inside().typed(f"/register {'x' * 500}", 1.0)
    assert (step.send, texts(step)) == ([], ["! no account: that password is too long for a line"])


def test_a_server_that_makes_none_is_not_asked() -> None:
    session = inside(offer="sasl=PLAIN")
    assert texts(session.typed("/register hunter2", 1.0)) == ["! this server makes no accounts by /register"]


def test_without_a_connection_an_account_is_not_made() -> None:
    session = inside()
    session.closed()
    assert session.typed("/register", 1.0).ask == Ask("register", "ana")
    assert texts(session.typed("/register hunter2", 1.0)) == [f"! {t('screen.not_connected')}"]


def test_no_repr_shows_a_password() -> None:
    shown = repr((ANA, Given("login", "ana", "hunter2"), Ask("register", "ana", "hunter2")))
    assert "hunter2" not in shown
