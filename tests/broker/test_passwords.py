"""broker/passwords: is a secret the right one?"""

import pytest

from mpchat.broker.passwords import is_oper, is_password
from mpchat.settings import Oper, Secrets

SECRETS = Secrets(password="contraseña", opers=(Oper("root", "secret"), Oper("ana", "other"), Oper("ana", "third")))


@pytest.mark.parametrize(("secret", "verdict"), [("contraseña", True), ("contrasena", False), ("", False)])
def test_the_servers(secret: str, verdict: bool) -> None:
    assert is_password(SECRETS, secret) is verdict


@pytest.mark.parametrize(
    ("name", "secret", "verdict"),
    [
        ("root", "secret", True),
        ("root", "other", False),
        ("ana", "other", True),
        ("ana", "third", True),
        ("nobody", "secret", False),
        ("root", "contraseña", False),
    ],
)
def test_an_operators(name: str, secret: str, verdict: bool) -> None:
    assert is_oper(SECRETS, name, secret) is verdict


def test_where_there_is_no_operator_none_is_right() -> None:
    assert not is_oper(Secrets(), "", "")
