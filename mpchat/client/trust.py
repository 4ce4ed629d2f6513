"""TLS as the client speaks it: which authorities it trusts, and why it refuses a server, in words."""

import ssl

from mpchat.client.options import Options
from mpchat.texts import t

# Of OpenSSL's verification (x509_vfy.h): what a person can do something about.
_EXPIRED, _NOT_YET = 10, 9
_UNKNOWN_AUTHORITY = (18, 19, 20, 21)  # signed by itself, or by somebody who is not in the list
_OTHER_NAME = (62, 64)  # of a host, of an address


def context(authorities: str) -> ssl.SSLContext:
    """What a server must prove: that one of these vouches for it by its name. "": those of this machine.

    Raises OSError, of which ssl.SSLError is one, if the file cannot be used.
    """
    made = ssl.create_default_context(cafile=authorities or None)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made


def wanted(options: Options) -> ssl.SSLContext | None:
    """What the options ask for; None: no TLS. Raises OSError."""
    return context(options.tls_ca) if options.tls else None


def refusal(error: ssl.SSLError) -> str:
    """Why there is no connection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        code = error.verify_code
        if code in (_EXPIRED, _NOT_YET):
            return t("client.tls.expired" if code == _EXPIRED else "client.tls.not_yet")
        if code in _UNKNOWN_AUTHORITY:
            return t("client.tls.unknown_authority")
        if code in _OTHER_NAME:
            return t("client.tls.other_name")
        return t("client.tls.unverified", why=error.verify_message)
    return t("client.tls.none", why=error.reason or str(error))
