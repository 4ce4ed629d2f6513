"""Is a secret the right one? Pure, and in the same time whatever the answer."""

import hmac

from mpchat.settings import Secrets


def is_password(secrets: Secrets, secret: str) -> bool:
    """Is it the server's?"""
    return _same(secrets.password, secret)


def names(secrets: Secrets) -> frozenset[str]:
    """Those of the operators."""
    return frozenset(oper.name for oper in secrets.opers)


def is_oper(secrets: Secrets, name: str, secret: str) -> bool:
    """Is it that of the operator called `name`?"""
    return any([oper.name == name and _same(oper.password, secret) for oper in secrets.opers])  # noqa: C419


def _same(known: str, given: str) -> bool:
    return hmac.compare_digest(known.encode(), given.encode())
