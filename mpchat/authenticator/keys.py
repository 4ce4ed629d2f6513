"""Keys: what is derived from a password, and how it is told from a wrong one (RFC 5802, RFC 7677: SHA-256).

To derive costs `iterations` of HMAC, a tenth of a second or more of a processor, for us as for whoever has stolen the
keys and tries passwords. hashlib does it without Python's lock, so a thread can.
"""

import hashlib
import hmac
import secrets

from mpchat.authenticator.saslprep import saslprep
from mpchat.chat.names import fold
from mpchat.messages import WeakPassword
from mpchat.settings import Settings
from mpchat.store.accounts import Keys

_SALT_BYTES = 16  # SCRAM's own example has as many, and NIST SP 800-132 asks for them


def derive(password: str, salt: bytes, iterations: int) -> Keys:
    """The keys of a password as it was typed, which takes its time. One that cannot be any is derived as it is."""
    salted = hashlib.pbkdf2_hmac("sha256", _prepared(password), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return Keys(salt, iterations, hashlib.sha256(client_key).digest(), hmac.digest(salted, b"Server Key", "sha256"))


def reminder(secret: bytes, password: str, keys: Keys) -> bytes:
    """What is remembered of a password that was found to be that of these keys, to know it again at no cost.

    `secret`: random, in the memory of one process only. Without it a reminder tells nothing; with it, passwords can be
    tried as fast as the hash is: neither is ever written anywhere.
    """
    return hmac.digest(secret, keys.stored_key + _prepared(password), "sha256")


def _prepared(password: str) -> bytes:
    prepared = saslprep(password)
    return (password if prepared is None else prepared).encode(errors="replace")


def are_same(one: Keys, other: Keys) -> bool:
    """Whether they are of one password. In constant time."""
    return hmac.compare_digest(one.stored_key, other.stored_key)


def new_salt() -> bytes:
    return secrets.token_bytes(_SALT_BYTES)


def of_nobody(secret: bytes, folded: str, iterations: int) -> Keys:
    """What is used in place of the keys of an account that there is not: always the same of a name, and no password's.

    Without the server's secret they cannot be told from real ones: a stranger who asks for a name's salt by SCRAM does
    not learn whether there is an account.
    """
    parts = [hmac.digest(secret, f"{part} {folded}".encode(), "sha256") for part in ("salt", "stored", "server")]
    return Keys(parts[0][:_SALT_BYTES], iterations, *parts[1:])


def weakness(settings: Settings, account: str, password: str) -> WeakPassword | None:
    """Why an account may not have this password, None if it may."""
    prepared = saslprep(password)
    if prepared is None:
        return "characters"
    if len(prepared) < settings.password_characters:
        return "short"
    if len(prepared) > settings.password_most_characters:
        return "long"
    return "name" if fold(prepared) == fold(account) else None
