"""Is a secret the right one? Pure, and in the same time whatever the answer."""

import hmac

from mpchat.settings import Secrets


def right(secrets: Secrets, kind: str, name: str, secret: str) -> bool:
    """kind "password": the server's; "oper": that of the operator called `name`."""
    if kind == "password":
        return _same(secrets.password, secret)
    return any([oper.name == name and _same(oper.password, secret) for oper in secrets.opers])  # noqa: C419


def _same(known: str, given: str) -> bool:
    return hmac.compare_digest(known.encode(), given.encode())
