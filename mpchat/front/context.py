"""The context of the front's handshakes, made of a certificate and its key."""

import contextlib
import os
import ssl
from collections.abc import Iterator

from mpchat.runtime.certificates import Unfit, ends_at
from mpchat.settings import Certificate
from mpchat.texts import t

# Of TLS 1.3, for each full handshake: a client that comes back uses one, and asks for no signature of our key. OpenSSL
# would send two, for browsers, which open several connections at once.
_TICKETS = 1


def server_context(certificate: Certificate) -> ssl.SSLContext:
    """What a server needs for handshakes: TLS 1.2 and later, no renegotiation, no compression.

    Raises Unfit.
    """
    ends_at(certificate)
    if b"PRIVATE KEY-----" not in certificate.key:
        raise Unfit(t("tls.no_key"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.num_tickets = _TICKETS
    with _as_file(certificate.chain) as chain, _as_file(certificate.key) as key:
        try:
            context.load_cert_chain(chain, key, password=_no_password)
        except ssl.SSLError as error:
            reason = error.reason or ""
            if "MISMATCH" in reason or reason == "NO_CERTIFICATE_ASSIGNED":  # the latter of another kind of key
                raise Unfit(t("tls.mismatch")) from None
            raise Unfit(t("tls.unreadable", why=reason or "PEM")) from None
    return context


def _no_password() -> str:
    """OpenSSL would ask for it at the terminal, if there is one."""
    raise Unfit(t("tls.encrypted"))


@contextlib.contextmanager
def _as_file(data: bytes) -> Iterator[str]:
    """A name under which OpenSSL can read this: ssl takes no bytes. In memory where the system can do that."""
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        fd = os.memfd_create("mpchat-pem", os.MFD_CLOEXEC)
        with open(fd, "wb") as file:
            file.write(data)
            file.flush()
            yield f"/proc/self/fd/{fd}"
    else:
        import tempfile

        with tempfile.NamedTemporaryFile() as named:  # of mode 600
            named.write(data)
            named.flush()
            yield named.name
