"""A server's TLS certificate: when it ends. It needs no OpenSSL, which most servers do not.

It is held as the bytes of its PEM file (RFC 7468), and so is its key: a successor gets what was checked, whatever
stands in the files by then.
"""

import binascii
import re
from datetime import datetime, timezone

from mpchat.settings import Certificate
from mpchat.texts import t

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----")
_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x30, 0x17, 0x18, 0xA0  # DER's tags (X.690 section 8)
_HALF_CENTURY = 50  # a UTCTime's year is of 1950 to 2049 (RFC 5280 section 4.1.2.5.1)
SOON_SECONDS = 14 * 86_400.0  # before its end whoever runs the server is warned: automatic renewals are done by then


class Unfit(Exception):
    """The text says in one line what is wrong with a certificate or its key."""


def ends_at(certificate: Certificate) -> float:
    """When the first certificate of the chain, the server's own, ends, in s of the wall clock. Raises Unfit."""
    found = _CERTIFICATE.search(certificate.chain)
    try:
        if found is None:
            raise ValueError("no PEM")
        return _not_after(binascii.a2b_base64(found[1]))
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
