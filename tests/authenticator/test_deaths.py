"""Deaths, at each step: what was asked is answered all the same, once, and no account is lost or made twice."""

from __future__ import annotations

import base64
import shutil
import sqlite3
from pathlib import Path

import pytest
import scramp

from mpchat.messages import ConnectionId
from mpchat.protocol.outcomes import (
    AccountQuestion,
    DropAsked,
    LoginAsked,
    PasswordChangeAsked,
    RegistrationAsked,
    RemovalAsked,
    SaslAsked,
)
from tests.authenticator.chain import ANA, BETO, CARO, NUL, PASSWORD, Chain, encoded

SCRAM = "SCRAM-SHA-256"
FILES = ("accounts.db", "accounts.db-wal", "accounts.db-shm")


def test_a_dead_authenticators_questions_are_asked_of_the_next(chain: Chain) -> None:
    chain.register(ANA, "ana")
    chain.ask(ANA, LoginAsked("ana"), PASSWORD)
    chain.ask(BETO, RegistrationAsked("beto"), PASSWORD)
    chain.end_authenticator()
    chain.ask(CARO, SaslAsked("PLAIN", True), encoded(f"{NUL}ana{NUL}{PASSWORD}"))  # while there is none
    chain.begin_authenticator()
    assert [chain.answer(id) for id in (ANA, BETO, CARO)] == [("in", "ana"), ("registered", "beto"), ("in", "ana")]
    assert chain.accounts()[1] == ["ana"], "so many there were when the second one began"


def test_an_account_whose_maker_was_not_told_is_the_makers(chain: Chain) -> None:
    """The authenticator dies between the disk and the answer: the same line, asked again, is told "registered"."""
    end = chain.ask(ANA, RegistrationAsked("ana"), PASSWORD)
    while not len(chain.authenticator.accounts or ()):
        chain.authenticator.turn(0.01)  # its answer stays in the link
    chain.end_authenticator()
    chain.begin_authenticator()
    assert chain.answer(ANA) == ("registered", "ana")
    chain.ask_again(BETO, end, RegistrationAsked("ana"), PASSWORD)
    assert chain.answer(BETO) == ("taken", ""), "another connection's line is another line"


def test_in_another_run_the_same_line_is_nobodys(chain: Chain) -> None:
    """Connections are counted anew. Without the password, the line of that number is a stranger's."""
    end = chain.ask(ANA, RegistrationAsked("ana"), PASSWORD)
    assert chain.answer(ANA) == ("registered", "ana")
    chain.end_authenticator()
    chain.begin_authenticator()
    chain.ask_again(ANA, end, RegistrationAsked("ana"), "a stranger's word")
    assert chain.answer(ANA) == ("taken", "")


def test_an_exchange_by_scram_begins_again(chain: Chain) -> None:
    chain.register(ANA, "ana")
    client = scramp.ScramClient([SCRAM], "ana", PASSWORD)
    first = chain.sasl(BETO, SCRAM, encoded(client.get_client_first()))
    client.set_server_first(base64.b64decode(first[1]).decode())
    chain.end_authenticator()
    chain.begin_authenticator()
    assert chain.sasl(BETO, SCRAM, encoded(client.get_client_final()), is_first=False) == ("late", "")


def test_so_does_a_message_that_comes_in_pieces(chain: Chain) -> None:
    assert chain.sasl(BETO, "PLAIN", "x" * 400) == ("more", "")
    chain.end_authenticator()
    chain.begin_authenticator()
    assert chain.sasl(BETO, "PLAIN", "+", is_first=False) == ("late", "")


def test_what_the_first_of_two_brokers_was_not_told_the_second_is(chain: Chain) -> None:
    """The line comes again from the kernel. What was checked for it is neither checked nor counted twice."""
    chain.register(ANA, "ana")
    chain.forget_passwords()
    before = chain.derivations
    end = chain.ask(ANA, LoginAsked("ana"), PASSWORD)
    chain.end_broker()
    while chain.derivations == before:
        chain.authenticator.turn(0.01)
    chain.begin_broker()
    chain.connect()
    chain.records.clear()
    chain.ask_again(ANA, end, LoginAsked("ana"), PASSWORD)
    assert chain.answer(ANA) == ("in", "ana")
    assert chain.derivations == before + 1


def test_an_exchange_survives_a_broker(chain: Chain) -> None:
    """Its last message may have been taken already: it is not taken twice."""
    chain.register(ANA, "ana")
    client = scramp.ScramClient([SCRAM], "ana", PASSWORD)
    first = chain.sasl(BETO, SCRAM, encoded(client.get_client_first()))
    client.set_server_first(base64.b64decode(first[1]).decode())
    question, final = SaslAsked(SCRAM, False), encoded(client.get_client_final())
    end = chain.ask(BETO, question, final)
    for _ in range(3):
        chain.authenticator.turn(0)
    chain.end_broker()
    chain.begin_broker()
    chain.connect()
    chain.ask_again(BETO, end, question, final)
    answer = chain.answer(BETO)
    client.set_server_final(base64.b64decode(answer[1].partition(" ")[2]).decode())
    assert chain.sasl(BETO, SCRAM, "+", is_first=False) == ("in", "ana")


def test_a_new_broker_learns_of_an_account_that_the_old_one_was_not_told_of(chain: Chain) -> None:
    """Before the line that made it has come again, and whether or not it ever does."""
    chain.ask(ANA, RegistrationAsked("ana"), PASSWORD)
    chain.until(lambda: chain.authenticator.derivation.is_busy)
    chain.end_broker()
    chain.begin_broker()
    chain.connect()
    chain.records.clear()
    chain.until(lambda: chain.records and chain.records[-1][1] == ["ana"])
    assert chain.records[-1][0] == "accounts"
    assert not [record for record in chain.records if record[0] == "answer"]


def test_an_answer_that_does_not_come_is_late_and_nothing_comes_of_it(chain: Chain) -> None:
    object.__setattr__(chain.settings, "account_seconds", 0.05)
    chain.end_broker()
    chain.begin_broker()
    chain.ask(ANA, RegistrationAsked("ana"), PASSWORD)
    chain.records += chain.until(chain.client.overdue)
    assert chain.answer(ANA) == ("late", "")
    chain.connect()
    for _ in range(20):
        chain.turn(0.01)
    assert list(chain.authenticator.accounts or ()) == []
    object.__setattr__(chain.settings, "account_seconds", 10)
    chain.end_broker()
    chain.begin_broker()
    chain.connect()
    assert chain.register(ANA, "ana") == ("registered", "ana")


class Clock:
    """The broker's, which only a test makes go on."""

    def __init__(self, chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.chain = chain
        monkeypatch.setattr("mpchat.broker.authenticator_client.time", self)

    def monotonic(self) -> float:
        return self.now

    def go_on(self, seconds: float) -> None:
        self.now += seconds
        self.chain.records += self.chain.client.overdue()


@pytest.fixture
def clock(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(chain, monkeypatch)


def test_nobodys_time_is_up_while_others_are_answered(chain: Chain, clock: Clock) -> None:
    """Who is the last of many gets in long after a single one would have been told to try again."""
    chain.register(ANA, "ana")
    chain.forget_passwords()
    others = range(10, 22)
    for id in [*others, ANA]:
        chain.ask(id, LoginAsked("ana" if id == ANA else "nobody"), PASSWORD, address=f"198.51.100.{id}")
    for id in others:
        clock.go_on(9)
        assert chain.answer(id) == ("wrong", "")
    clock.go_on(9)
    assert chain.answer(ANA) == ("in", "ana")


def test_whom_nothing_answers_is_told_so_after_ten_seconds(chain: Chain, clock: Clock) -> None:
    chain.end_broker()  # and with it the link
    chain.ask(ANA, LoginAsked("ana"), PASSWORD)
    clock.go_on(9.9)
    assert chain.records == []
    clock.go_on(0.2)
    assert chain.records == [("answer", ANA, ("late", ""))]


def test_but_for_ever_nobody_waits(chain: Chain, clock: Clock) -> None:
    """Another is answered and answered; who never is, is told so in the end."""
    chain.accounts()
    chain.authenticator.derivation.is_busy = True  # it never ends
    chain.ask(ANA, RegistrationAsked("ana"), PASSWORD)
    for _ in range(13):
        assert chain.records[-1][0] != "answer"
        assert chain.register(CARO, "caro", "short") == ("weak", "short")
        clock.go_on(9.5)
    assert chain.records[-1] == ("answer", ANA, ("late", ""))
    chain.authenticator.derivation.is_busy = False


def test_the_log_says_once_a_minute_that_logins_wait(
    chain: Chain, clock: Clock, capfd: pytest.CaptureFixture[str]
) -> None:
    def logged_after(seconds: int) -> list[str]:
        clock.go_on(seconds)
        lines = [line.partition(" wait for the authenticator ") for line in capfd.readouterr().err.splitlines()]
        return [facts for _, found, facts in lines if found]

    chain.end_broker()
    chain.ask(ANA, LoginAsked("ana"), PASSWORD)
    assert logged_after(4) == []
    assert logged_after(2) == ["wait_long=1 unanswered=0 longest_seconds=6.0"]
    chain.ask(BETO, LoginAsked("ana"), PASSWORD)
    assert logged_after(6) == [], "what comes within the minute is in the next line"
    assert logged_after(10) == []
    assert logged_after(50) == ["wait_long=1 unanswered=2 longest_seconds=16.0"]
    assert logged_after(100) == []


def test_what_was_begun_for_a_line_that_is_late_is_not_stored(chain: Chain) -> None:
    chain.accounts()
    chain.ask(ANA, RegistrationAsked("ana"), PASSWORD)
    chain.until(lambda: chain.authenticator.derivation.is_busy)
    chain.client.closed(ConnectionId(ANA))  # the same message says that a connection has left
    chain.turn()
    chain.until(lambda: not chain.authenticator.derivation.is_busy)
    assert list(chain.authenticator.accounts or ()) == []
    assert chain.register(BETO, "ana") == ("registered", "ana")


def test_of_those_who_have_left_nothing_is_kept(chain: Chain) -> None:
    for id in range(1, 6):
        chain.sasl(id, SCRAM, encoded("n,,n=ana,r=nonce"))
        chain.client.closed(ConnectionId(id))
        chain.client.closed(ConnectionId(id))
    chain.turn()
    assert not chain.authenticator.clients
    object.__setattr__(chain.settings, "max_clients", 3)  # a broker that dies could not say who has left
    for id in range(1, 10):
        chain.sasl(id, SCRAM, encoded("n,,n=ana,r=nonce"))
    assert list(chain.authenticator.clients) == [7, 8, 9]


# Another password, and the end of an account


@pytest.mark.parametrize(
    ("question", "said", "opens"),
    [(PasswordChangeAsked("ana"), ("changed", "ana"), "unwise donkey"), (DropAsked("ana"), ("dropped", "ana"), "")],
)
def test_what_was_done_before_its_death_is_done_once(
    chain: Chain, question: AccountQuestion, said: object, opens: str
) -> None:
    """It has reached the disk, and nobody has been told: the same line, asked again, is told that it is done."""
    chain.register(ANA, "ana")
    keys = next(iter(chain.authenticator.accounts or ())).keys
    chain.ask(ANA, question, opens or PASSWORD)
    while [each.keys for each in chain.authenticator.accounts or ()] == [keys]:
        chain.authenticator.turn(0.01)  # its answer stays in the link
    chain.end_authenticator()
    chain.begin_authenticator()
    assert chain.answer(ANA) == said
    assert chain.login(BETO, "ana", opens or PASSWORD)[0] == ("in" if opens else "wrong")
    assert chain.accounts()[1] == (["ana"] if opens else [])


def test_a_broker_that_was_not_told_that_an_account_was_dropped_learns_it_first(chain: Chain) -> None:
    chain.register(ANA, "ana")
    end = chain.ask(ANA, DropAsked("ana"), PASSWORD)
    chain.until(lambda: chain.authenticator.derivation.is_busy)
    chain.end_broker()
    chain.begin_broker()
    while len(chain.authenticator.accounts or ()):
        chain.authenticator.turn(0.01)
    chain.connect()
    chain.records.clear()
    assert chain.accounts()[1] == []
    assert chain.register(BETO, "ana") == ("registered", "ana")
    chain.records.clear()
    chain.ask_again(ANA, end, DropAsked("ana"), PASSWORD)
    assert chain.answer(ANA) == ("dropped", "ana")
    assert chain.records == [], "and nothing is dropped by that"
    assert chain.login(BETO, "ana") == ("in", "ana")


def test_an_exchange_does_not_outlive_the_password(chain: Chain) -> None:
    """Nor does what was proved of an account prove anything of another one of that name."""
    for change in (PasswordChangeAsked("ana"), RemovalAsked("ana")):
        chain.register(ANA, "ana")
        client = scramp.ScramClient([SCRAM], "ana", PASSWORD)
        first = chain.sasl(BETO, SCRAM, encoded(client.get_client_first()))
        client.set_server_first(base64.b64decode(first[1]).decode())
        chain.sasl(BETO, SCRAM, encoded(client.get_client_final()), is_first=False)
        chain.ask(ANA, change, "unwise donkey")
        chain.answer(ANA)
        chain.register(CARO, "ana")
        assert chain.sasl(BETO, SCRAM, "+", is_first=False) == ("wrong", "ana")
        chain.ask(ANA, RemovalAsked("ana"), "")
        chain.answer(ANA)


@pytest.mark.parametrize("question", [PasswordChangeAsked("ana"), DropAsked("ana"), RemovalAsked("ana")])
def test_a_full_disk_changes_nothing(
    chain: Chain, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, question: AccountQuestion
) -> None:
    chain.register(ANA, "ana")
    accounts = chain.authenticator.accounts
    assert accounts is not None

    def no_room() -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(accounts, "_transaction", no_room)
    chain.ask(ANA, question, PASSWORD)
    assert chain.answer(ANA) == ("late", "")
    assert "could not be " in capfd.readouterr().err
    monkeypatch.undo()
    assert chain.login(BETO, "ana") == ("in", "ana")


@pytest.mark.parametrize("question", [PasswordChangeAsked("ana"), DropAsked("ana"), RemovalAsked("ana")])
def test_while_the_files_cannot_be_used_nothing_is_changed(chain: Chain, question: AccountQuestion) -> None:
    chain.register(ANA, "ana")
    accounts, chain.authenticator.accounts = chain.authenticator.accounts, None
    chain.ask(ANA, question, PASSWORD)
    assert chain.answer(ANA) == ("late", "")
    chain.authenticator.accounts = accounts
    assert chain.login(BETO, "ana") == ("in", "ana")


# The files


def test_files_that_somebody_removes_are_written_again(chain: Chain, capfd: pytest.CaptureFixture[str]) -> None:
    chain.register(ANA, "ana")
    for name in FILES:
        Path(name).unlink()
    chain.authenticator.see_to_files(1e9)
    assert "removed or replaced the accounts' files" in capfd.readouterr().err
    assert chain.login(ANA, "ana") == ("in", "ana")
    chain.end_authenticator()
    chain.begin_authenticator()
    assert chain.login(ANA, "ana") == ("in", "ana")


def test_files_that_somebody_brings_back_are_used(chain: Chain, tmp_path: Path) -> None:
    """As from a backup: the broker is told at once who has an account now."""
    chain.register(ANA, "ana")
    with sqlite3.connect("accounts.db") as db, sqlite3.connect("copy") as copy:
        db.backup(copy)
    db.close()
    copy.close()
    chain.register(BETO, "beto")
    for name in FILES:
        Path(name).unlink()
    shutil.move("copy", "accounts.db")
    chain.records.clear()
    chain.authenticator.see_to_files(1e9)
    assert chain.accounts()[1] == ["ana"]
    assert chain.login(BETO, "beto") == ("wrong", "")


def test_a_damaged_database_is_one_line_and_nobody_gets_in(chain: Chain, capfd: pytest.CaptureFixture[str]) -> None:
    """It is no reason to begin an empty one, in which every name is a stranger's; brought back, it is used."""
    chain.register(ANA, "ana")
    chain.end_authenticator()
    whole = Path("accounts.db").read_bytes()
    log = Path("accounts.db-wal")
    log.unlink(missing_ok=True)
    Path("accounts.db").write_bytes(b"nonsense" * 1000)
    chain.begin_broker()
    chain.begin_authenticator()
    for number in range(1, 4):
        chain.authenticator.see_to_files(1e9 * number)
    assert chain.until(lambda: chain.client.has_spoken), "the broker may admit clients"
    assert chain.login(ANA, "ana") == ("late", "")
    assert chain.register(ANA, "beto") == ("late", "")
    assert chain.sasl(ANA, "PLAIN", encoded(f"{NUL}ana{NUL}{PASSWORD}")) == ("late", "")
    said = capfd.readouterr().err
    assert said.count("nobody can log in") == 1
    assert f"{Path.cwd()}/accounts.db: file is not a database. Bring it back from a backup" in said
    assert [message for message, _ in chain.control.take()] == [("ready",)], "the chat goes on"
    Path("accounts.db").write_bytes(whole)
    chain.authenticator.see_to_files(1e10)
    assert "accounts can be used again" in capfd.readouterr().err


def test_a_full_disk_makes_no_account(
    chain: Chain, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = chain.authenticator.accounts
    assert accounts is not None

    def no_room(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(accounts, "_insert", no_room)
    assert chain.register(ANA, "ana") == ("late", "")
    assert "an account could not be stored error='database or disk is full'" in capfd.readouterr().err
    monkeypatch.undo()
    assert chain.register(ANA, "ana") == ("registered", "ana")
