"""SASL: PLAIN and SCRAM-SHA-256 (RFC 4616, 5802, 7677), message by message and in pieces."""

from __future__ import annotations

import base64
import hashlib
import hmac
import sys
from typing import Any

import pytest
import scramp
from hypothesis import given
from hypothesis import strategies as st

from mpchat.authenticator import keys, sasl
from mpchat.authenticator.sasl import BadMessage, Message, Scram, WrongProof
from mpchat.chat.names import fold
from mpchat.store.accounts import Keys
from tests.authenticator.chain import ANA, BETO, FEW, NUL, PASSWORD, Chain, encoded

SCRAM = "SCRAM-SHA-256"

# RFC 7677, section 3
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
CLIENT_FIRST = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
SERVER_NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
SERVER_FIRST = f"r=rOprNGfwEbeRWgbNEkqO{SERVER_NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
BARE_FINAL = f"c=biws,r=rOprNGfwEbeRWgbNEkqO{SERVER_NONCE}"
PROOF = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
SERVER_FINAL = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_the_keys_are_those_of_the_rfc() -> None:
    derived = keys.derive("pencil", SALT, 4096)
    said = f"{CLIENT_FIRST[3:]},{SERVER_FIRST},{BARE_FINAL}".encode()
    signature = hmac.digest(derived.stored_key, said, "sha256")
    client_key = bytes(a ^ b for a, b in zip(base64.b64decode(PROOF), signature, strict=True))
    assert hashlib.sha256(client_key).digest() == derived.stored_key
    assert base64.b64encode(hmac.digest(derived.server_key, said, "sha256")).decode() == SERVER_FINAL[2:]


def test_an_exchange_goes_as_in_the_rfc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scramp.core.token_hex", lambda: SERVER_NONCE)
    asked: list[str] = []

    def keys_of(name: str) -> Keys:
        asked.append(name)
        return keys.derive("pencil", SALT, 4096)

    scram = Scram(keys_of)
    assert scram.answer(CLIENT_FIRST) == SERVER_FIRST
    assert scram.answer(f"{BARE_FINAL},p={PROOF}") == SERVER_FINAL
    assert scram.answer("") is None
    assert (asked, scram.account) == (["user"], "user")


def scram(chain: Chain, id: int, account: str, password: str) -> tuple[list[Any], scramp.ScramClient]:
    """The authenticator's answers to a client that goes on as long as it can."""
    client = scramp.ScramClient([SCRAM], account, password)
    answers = [chain.sasl(id, SCRAM, encoded(client.get_client_first()))]
    client.set_server_first(base64.b64decode(answers[0][1]).decode())
    answers.append(chain.sasl(id, SCRAM, encoded(client.get_client_final()), is_first=False))
    if answers[-1][0] == "proof":
        signature = answers[-1][1].partition(" ")[2]
        client.set_server_final(base64.b64decode(signature).decode())  # the client checks it
        answers.append(chain.sasl(id, SCRAM, "+", is_first=False))
    return answers, client


def test_a_client_logs_in_by_scram(chain: Chain) -> None:
    chain.register(ANA, "Ana")
    before = chain.derivations
    answers, _ = scram(chain, BETO, "ana", PASSWORD)
    assert [answer[0] for answer in answers] == ["challenge", "proof", "in"]
    assert answers[-2][1].startswith("Ana ")
    assert answers[-1] == ("in", "Ana")
    assert chain.derivations == before, "that work is the client's"


@pytest.mark.parametrize("account", ["ana", "nobody"])
def test_a_wrong_password_by_scram_and_no_account_look_the_same(chain: Chain, account: str) -> None:
    """Whoever asks for a salt gets the same for the same name, time after time."""
    chain.register(ANA, "ana")
    salts = []
    for _ in range(2):
        answers, client = scram(chain, BETO, account, "a wrong one")
        assert [answer[0] for answer in answers] == ["challenge", "wrong"]
        assert answers[1][1] == ("ana" if account == "ana" else ""), "which the client is not told"
        salts.append((client.salt, int(client.iterations)))
    assert salts[0] == salts[1]
    assert (len(bytes(salts[0][0])), salts[0][1]) == (16, FEW)


def test_a_client_logs_in_by_plain(chain: Chain) -> None:
    chain.register(ANA, "Ana")
    for who in ("", "ana"):
        assert chain.sasl(BETO, "PLAIN", encoded(f"{who}{NUL}ana{NUL}{PASSWORD}")) == ("in", "Ana")
    assert chain.sasl(BETO, "PLAIN", encoded(f"{NUL}ana{NUL}a wrong one")) == ("wrong", "Ana")
    assert chain.sasl(BETO, "PLAIN", encoded(f"{NUL}nobody{NUL}{PASSWORD}")) == ("wrong", "")


def test_a_message_comes_in_pieces(chain: Chain) -> None:
    """Of exactly 400 characters twice, so that nothing is left for the third."""
    password = "p" * (600 - 5)
    object.__setattr__(chain.settings, "password_most_characters", 600)
    chain.register(ANA, "ana", password)
    message = encoded(f"{NUL}ana{NUL}{password}")
    assert len(message) == 800
    assert chain.sasl(BETO, "PLAIN", message[:400]) == ("more", "")
    assert chain.sasl(BETO, "PLAIN", message[400:], is_first=False) == ("more", "")
    assert chain.sasl(BETO, "PLAIN", "+", is_first=False) == ("in", "ana")


@pytest.mark.parametrize(
    ("mechanism", "message"),
    [
        ("PLAIN", "+"),
        ("PLAIN", "not base64"),
        ("PLAIN", base64.b64encode(b"\0ana\0\xff\xfe\xfd").decode()),
        ("PLAIN", encoded("ana")),
        ("PLAIN", encoded(f"{NUL}ana{NUL}")),
        ("PLAIN", encoded(f"{NUL}{NUL}{PASSWORD}")),
        ("PLAIN", encoded(f"beto{NUL}ana{NUL}{PASSWORD}")),
        ("PLAIN", encoded(f"{NUL}ana{NUL}{PASSWORD}{NUL}")),
        ("PLAIN", "x" * 401),
        ("EXTERNAL", "+"),
        (SCRAM, "+"),
        (SCRAM, encoded("n,,n=ana")),
        (SCRAM, encoded("y,,n=,r=nonce")),
        (SCRAM, encoded("p=tls-unique,,n=ana,r=nonce")),
        (SCRAM, encoded("n,a=beto,n=ana,r=nonce")),
    ],
)
def test_what_is_no_message_is_told_so(chain: Chain, mechanism: str, message: str) -> None:
    chain.register(ANA, "ana")
    assert chain.sasl(BETO, mechanism, message) == ("bad", "")
    assert chain.sasl(BETO, mechanism, message, is_first=False) == ("late", ""), "the exchange is over"


@pytest.mark.parametrize("final", ["", "c=biws", "c=biws,r=another,p=AAAA", "c=!,r=x,p=AAAA"])
def test_what_is_no_final_message_of_scram(chain: Chain, final: str) -> None:
    assert chain.sasl(ANA, SCRAM, encoded("n,,n=ana,r=nonce"))[0] == "challenge"
    assert chain.sasl(ANA, SCRAM, encoded(final) or "+", is_first=False) == ("bad", "")


def test_the_last_message_of_scram_is_empty(chain: Chain) -> None:
    chain.register(ANA, "ana")
    client = scramp.ScramClient([SCRAM], "ana", PASSWORD)
    first = chain.sasl(BETO, SCRAM, encoded(client.get_client_first()))
    client.set_server_first(base64.b64decode(first[1]).decode())
    assert chain.sasl(BETO, SCRAM, encoded(client.get_client_final()), is_first=False)[0] == "proof"
    assert chain.sasl(BETO, SCRAM, encoded("more"), is_first=False) == ("bad", "")


def test_a_message_has_an_end(chain: Chain) -> None:
    answers = [chain.sasl(ANA, "PLAIN", "x" * 400, is_first=number == 0) for number in range(6)]
    assert answers == [("more", "")] * 5 + [("bad", "")]


def test_without_scramp_there_is_plain_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scramp", None)
    assert sasl.mechanisms() == ["PLAIN"]


@given(st.lists(st.text("abAB+/= ,=nr\0", max_size=60) | st.binary(max_size=60).map(lambda data: data.hex())))
def test_whatever_comes_an_exchange_ends_in_order(pieces: list[str]) -> None:
    """It never fails by anything but its two ways to refuse, and nobody gets in."""
    scram = Scram(lambda name: keys.of_nobody(b"secret", fold(name), FEW))
    message = Message()
    try:
        for piece in pieces:
            whole = message.add(encoded(piece) or "+")
            assert whole is None or scram.answer(whole)
    except (BadMessage, WrongProof):
        pass
