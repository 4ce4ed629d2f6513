"""A server's TLS certificate and its key: whether they are usable, when they end, and the context made of them.

Both are held as the bytes of their PEM files (RFC 7468), so that a successor gets what was checked, whatever stands in
the files by then.
"""

import contextlib
import os
import re
import ssl
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone

from mpchat.settings import Certificate
from mpchat.texts import t

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x30, 0x17, 0x18, 0xA0  # DER's tags (X.690 section 8)
_HALF_CENTURY = 50  # a UTCTime's year is of 1950 to 2049 (RFC 5280 section 4.1.2.5.1)
SOON_SECONDS = 14 * 86_400.0  # before its end whoever runs the server is warned: automatic renewals are done by then
# Of TLS 1.3, for each full handshake: a client that comes back uses one, and asks for no signature of our key. OpenSSL
# would send two, for browsers, which open several connections at once.
_TICKETS = 1


class Unfit(Exception):
    """The text says in one line what is wrong with a certificate or its key."""


def server_context(certificate: Certificate) -> ssl.SSLContext:
    """What a server needs for handshakes: TLS 1.2 and later, no renegotiation, no compression.

    Raises Unfit.
    """
    ends_at(certificate)
    if b"PRIVATE KEY-----" not in certificate.key:
        raise Unfit(t("tls.no_key"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A client that ends without close_notify, as many do, has ended all the same: a line that is not whole is not dealt
    # with, so nothing is gained by cutting one off.
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    context.num_tickets = _TICKETS
    with _as_file(certificate.chain) as chain, _as_file(certificate.key) as key:
        try:
            context.load_cert_chain(chain, key, password=_no_password)
        except ssl.SSLError as error:
            if "MISMATCH" in (error.reason or ""):
                raise Unfit(t("tls.mismatch")) from None
            raise Unfit(t("tls.unreadable", why=error.reason or "PEM")) from None
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
        with tempfile.NamedTemporaryFile() as named:  # of mode 600
            named.write(data)
            named.flush()
            yield named.name


def ends_at(certificate: Certificate) -> float:
    """When the first certificate of the chain, the server's own, ends, in s of the wall clock. Raises Unfit."""
    found = _CERTIFICATE.search(certificate.chain)
    try:
        if found is None:
            raise ValueError("no PEM")
        return _not_after(ssl.PEM_cert_to_DER_cert(found[0].decode("ascii")))
    except (ValueError, IndexError):  # binascii.Error is a ValueError
        raise Unfit(t("tls.no_certificate")) from None


def _not_after(der: bytes) -> float:
    """Of a certificate in DER (RFC 5280 section 4.1): Certificate, TBSCertificate, Validity, notAfter.

    Raises ValueError or IndexError if it is none.
    """
    _, body, _ = _element(der, 0)
    _, fields, _ = _element(body, 0)
    tag, _, at = _element(fields, 0)
    if tag == _VERSION:  # of X.509 version 1 there is none
        _, _, at = _element(fields, at)
    for _ in range(2):  # the algorithm of the signature, the issuer
        _, _, at = _element(fields, at)
    tag, validity, _ = _element(fields, at)
    _, _, at = _element(validity, 0)
    kind, end, _ = _element(validity, at)
    if tag != _SEQUENCE or kind not in (_UTC_TIME, _GENERALIZED_TIME):
        raise ValueError("no certificate")
    text = end.decode("ascii")
    if kind == _UTC_TIME:
        text = ("19" if int(text[:2]) >= _HALF_CENTURY else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc).timestamp()


def _element(data: bytes, at: int) -> tuple[int, bytes, int]:
    """The element of DER that begins there: its tag, its content, and where the next one begins (X.690 section 8.1)."""
    tag, size = data[at], data[at + 1]
    at += 2
    if size & 0x80:
        length = size & 0x7F
        size = int.from_bytes(data[at : at + length], "big")
        at += length
    if at + size > len(data):
        raise ValueError("cut off")
    return tag, data[at : at + size], at + size
