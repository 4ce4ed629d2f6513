"""broker/passwords: is a secret the right one?"""

import pytest

from mpchat.broker.passwords import right
from mpchat.settings import Oper, Secrets

SECRETS = Secrets(password="contraseña", opers=(Oper("root", "secret"), Oper("ana", "other"), Oper("ana", "third")))


@pytest.mark.parametrize(
    ("kind", "name", "secret", "verdict"),
    [
        ("password", "", "contraseña", True),
        ("password", "", "contrasena", False),
        ("password", "", "", False),
        ("oper", "root", "secret", True),
        ("oper", "root", "other", False),
        ("oper", "ana", "other", True),
        ("oper", "ana", "third", True),
        ("oper", "nobody", "secret", False),
        ("oper", "root", "contraseña", False),
    ],
)
def test_right(kind: str, name: str, secret: str, verdict: bool) -> None:
    assert right(SECRETS, kind, name, secret) is verdict


def test_nobody_is_an_operator_where_there_is_none() -> None:
    assert not right(Secrets(), "oper", "", "")
