"""Accounts are made, and used: by REGISTER and IDENTIFY, as the broker asks of them, and with what is refused."""

from __future__ import annotations

import pytest

from mpchat.protocol.outcomes import DropAsked, LoginAsked, PasswordChangeAsked, RegistrationAsked, RemovalAsked
from tests.authenticator.chain import ANA, BETO, CARO, PASSWORD, Chain

OTHER = "unwise donkey"


def test_an_account_is_made_and_its_password_opens_it(chain: Chain) -> None:
    assert chain.accounts() == ("accounts", [], ["PLAIN", "SCRAM-SHA-256"])
    assert chain.register(ANA, "Ana") == ("registered", "Ana")
    assert chain.login(BETO, "ana") == ("in", "Ana")
    assert chain.login(BETO, "ANA", PASSWORD + "!") == ("wrong", "Ana")
    assert chain.login(BETO, "nobody") == ("wrong", "")


def test_a_name_is_taken_once_however_it_is_written(chain: Chain) -> None:
    assert chain.register(ANA, "Ñandú") == ("registered", "Ñandú")
    assert chain.register(BETO, "ñANDÚ", "another password") == ("taken", "")
    assert chain.register(BETO, "Ñandú") == ("taken", ""), "nor by who knows its password"
    assert chain.login(CARO, "ñandú") == ("in", "Ñandú")


def test_of_two_who_want_a_name_at_once_the_first_gets_it(chain: Chain) -> None:
    chain.ask(ANA, RegistrationAsked("club"), "the first one's")
    chain.ask(BETO, RegistrationAsked("club"), "the second one's")
    assert [chain.answer(ANA), chain.answer(BETO)] == [("registered", "club"), ("taken", "")]
    assert chain.login(CARO, "club", "the first one's") == ("in", "club")


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short77", "short"),
        ("x" * 257, "long"),
        ("Anastasia", "name"),
        ("anaSTASIA", "name"),
        ("a smile \U0001f600", "characters"),
        ("left \u05d0 and right", "characters"),
        ("\u00ad" * 9, "short"),  # nothing is left of it
    ],
)
def test_a_weak_password_is_refused_at_once(chain: Chain, password: str, why: str) -> None:
    assert chain.register(ANA, "Anastasia", password) == ("weak", why)
    assert chain.derivations == 0
    assert chain.register(ANA, "Anastasia") == ("registered", "Anastasia")


def test_a_password_is_the_same_however_it_is_typed(chain: Chain) -> None:
    """SASLprep: composed or decomposed, full width or not."""
    assert chain.register(ANA, "ana", "contrase\u00f1a") == ("registered", "ana")
    assert chain.login(BETO, "ana", "contrasen\u0303a") == ("in", "ana")
    assert chain.login(BETO, "ana", "contrase\u00f1\uff41") == ("in", "ana")
    assert chain.login(BETO, "ana", "contrase\u00f1a\U0001f600") == ("wrong", "ana")


@pytest.mark.parametrize("account", ["ana", "nobody"])
def test_an_account_that_there_is_not_costs_what_a_wrong_password_costs(chain: Chain, account: str) -> None:
    """One derivation each, with as many iterations: so no clock tells a stranger who has an account."""
    chain.register(ANA, "ana")
    before, begun = chain.derivations, []
    begin = chain.authenticator.derivation.begin

    def noted(password: str, salt: bytes, iterations: int) -> None:
        begun.append((len(salt), iterations))
        begin(password, salt, iterations)

    chain.authenticator.derivation.begin = noted
    assert chain.login(BETO, account, "a wrong one")[0] == "wrong"
    assert chain.derivations == before + 1
    assert begun == [(16, chain.settings.key_iterations)]


def test_who_comes_back_with_the_same_password_costs_nothing(chain: Chain) -> None:
    """And in whatever form it is typed; a wrong one costs a derivation every time."""
    chain.register(ANA, "Ana", "contrase\u00f1a")
    chain.register(BETO, "beto", "another password")
    for remember_at in ("registration", "login"):
        before = chain.derivations
        for typed in ("contrase\u00f1a", "contrasen\u0303a"):
            assert chain.login(CARO, "ana", typed) == ("in", "Ana")
        assert chain.derivations == before, remember_at
        for _ in range(2):
            assert chain.login(CARO, "ana", "another password") == ("wrong", "Ana"), "that is beto's"
        assert chain.derivations == before + 2
        assert chain.login(CARO, "ana", "contrase\u00f1a") == ("in", "Ana")
        assert chain.derivations == before + 2, "wrong ones do not make it forget"
        chain.forget_passwords()
        assert chain.login(CARO, "ana", "contrase\u00f1a") == ("in", "Ana")
        assert chain.derivations == before + 3


def test_of_an_account_that_there_is_not_nothing_is_remembered(chain: Chain) -> None:
    for number in range(3):
        assert chain.login(ANA, "nobody") == ("wrong", "")
        assert chain.derivations == number + 1
    assert not chain.authenticator.reminders


# Another password, and the end of an account


def test_an_owner_has_another_password(chain: Chain) -> None:
    chain.register(ANA, "Ana")
    chain.ask(BETO, PasswordChangeAsked("ana"), OTHER)
    assert chain.answer(BETO) == ("changed", "Ana")
    before = chain.derivations
    assert chain.login(CARO, "ana", OTHER) == ("in", "Ana")
    assert chain.derivations == before, "it is remembered"
    assert chain.login(CARO, "ana") == ("wrong", "Ana")
    chain.end_authenticator()
    chain.begin_authenticator()
    assert chain.login(CARO, "ana", OTHER) == ("in", "Ana")
    assert chain.login(CARO, "ana") == ("wrong", "Ana")


def test_a_weak_password_is_no_other_one(chain: Chain) -> None:
    chain.register(ANA, "Anastasia")
    for password, why in (("short", "short"), ("anaSTASIA", "name")):
        chain.ask(ANA, PasswordChangeAsked("anastasia"), password)
        assert chain.answer(ANA) == ("weak", why)
    assert chain.login(ANA, "Anastasia") == ("in", "Anastasia")


def test_an_owner_drops_an_account_and_the_name_is_free(chain: Chain) -> None:
    chain.register(ANA, "Ana")
    chain.ask(ANA, DropAsked("ana"), OTHER)
    assert chain.answer(ANA) == ("wrong", "Ana")
    chain.records.clear()
    chain.ask(ANA, DropAsked("ana"), PASSWORD)
    assert chain.answer(ANA) == ("dropped", "Ana")
    assert chain.records == [("accounts", [], ["PLAIN", "SCRAM-SHA-256"])], "before the answer"
    assert chain.login(ANA, "ana") == ("wrong", "")
    assert not chain.authenticator.reminders
    assert chain.register(BETO, "ana", OTHER) == ("registered", "ana")
    assert chain.login(ANA, "ana") == ("wrong", "ana")


def test_a_server_operator_drops_it_without_a_password(chain: Chain) -> None:
    chain.register(ANA, "Ana")
    for _ in range(2):
        chain.ask(BETO, RemovalAsked("ana"), "")
        assert chain.answer(BETO)[0] == "dropped", "as often as it is asked"
    assert chain.accounts()[1] == []


def test_for_an_account_that_is_no_more_nothing_is_changed(chain: Chain) -> None:
    """Nor for the stranger's who has registered the name since."""
    chain.register(ANA, "ana")
    chain.authenticator.derivation.is_busy = True
    chain.ask(ANA, PasswordChangeAsked("ana"), OTHER)
    chain.turn()
    chain.ask(BETO, RemovalAsked("ana"), "")
    assert chain.answer(ANA) == ("late", "")
    assert chain.answer(BETO) == ("dropped", "ana")
    chain.ask(CARO, RegistrationAsked("ana"), "a stranger's")
    chain.authenticator.derivation.is_busy = False
    assert chain.answer(CARO) == ("registered", "ana")
    chain.ask(ANA, PasswordChangeAsked("beto"), OTHER)
    assert chain.answer(ANA) == ("late", "")
    assert chain.login(CARO, "ana", "a stranger's") == ("in", "ana")
    assert chain.login(CARO, "ana", OTHER) == ("wrong", "ana")


def test_of_two_who_drop_it_at_once_both_have(chain: Chain) -> None:
    chain.register(ANA, "ana")
    chain.ask(ANA, DropAsked("ana"), PASSWORD)
    chain.ask(BETO, DropAsked("ana"), PASSWORD)
    assert [chain.answer(ANA), chain.answer(BETO)] == [("dropped", "ana")] * 2


def test_there_are_no_more_accounts_than_there_may_be(chain: Chain, capfd: pytest.CaptureFixture[str]) -> None:
    object.__setattr__(chain.settings, "max_accounts", 1)
    assert chain.register(ANA, "ana") == ("registered", "ana")
    for _ in range(2):
        assert chain.register(BETO, "beto") == ("full", "")
    assert chain.derivations == 1, "there is nothing to derive for"
    assert chain.register(BETO, "ana") == ("taken", "")
    assert chain.login(ANA, "ana") == ("in", "ana")
    assert capfd.readouterr().err.count("as many accounts as there may be most=1") == 1


def test_of_two_who_want_the_last_account_at_once_the_first_gets_it(chain: Chain) -> None:
    object.__setattr__(chain.settings, "max_accounts", 1)
    chain.ask(ANA, RegistrationAsked("ana"), PASSWORD)
    chain.ask(BETO, RegistrationAsked("beto"), PASSWORD)
    assert [chain.answer(ANA), chain.answer(BETO)] == [("registered", "ana"), ("full", "")]


def test_the_loop_turns_while_keys_are_derived(chain: Chain) -> None:
    """Who asks what needs no derivation is answered meanwhile, and the process is seen to live."""
    object.__setattr__(chain.settings, "key_iterations", 3_000_000)
    chain.ask(ANA, RegistrationAsked("ana"), PASSWORD)
    chain.until(lambda: chain.authenticator.derivation.is_busy)
    assert chain.register(BETO, "beto", "short") == ("weak", "short")
    assert chain.authenticator.derivation.is_busy
    assert chain.answer(ANA) == ("registered", "ana")


def test_who_asks_much_makes_no_other_address_wait(chain: Chain) -> None:
    for id in range(100, 150):
        chain.ask(id, LoginAsked("ana"), f"guess {id}", address=f"2001:db8::{id}")  # all in one /64
    chain.ask(ANA, LoginAsked("ana"), PASSWORD, address="198.51.100.1")
    chain.answer(ANA)
    assert len([record for record in chain.records if record[0] == "answer"]) <= 2


def test_without_a_data_directory_there_are_no_accounts(chain: Chain) -> None:
    object.__setattr__(chain.settings, "data", "")
    chain.end_broker()
    chain.begin_broker()
    chain.ask(ANA, LoginAsked("ana"), PASSWORD)
    assert chain.records[-1] == ("answer", ANA, ("late", ""))


def test_a_line_whose_secret_has_got_lost_is_answered(chain: Chain) -> None:
    chain.ask(ANA, LoginAsked("ana"), "")
    assert chain.records[-1] == ("answer", ANA, ("late", ""))
