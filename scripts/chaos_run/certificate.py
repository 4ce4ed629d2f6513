"""A certificate for the servers of a run, which openssl(1) makes, and clients that do not ask whose it is."""

import shutil
import ssl
import subprocess
from pathlib import Path
from typing import NamedTuple

_SECONDS = 60.0


class Certificate(NamedTuple):
    """Its files (PEM)."""

    cert: Path
    key: Path

    @property
    def options(self) -> list[str]:
        """A server's, with this one."""
        return ["--tls-cert", str(self.cert), "--tls-key", str(self.key)]


def make_certificate(folder: Path) -> Certificate | None:
    """Writes cert.pem and key.pem into this folder, for 127.0.0.1, signed by itself. None: there is no openssl."""
    if shutil.which("openssl") is None:
        return None
    made = Certificate(folder / "cert.pem", folder / "key.pem")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(made.key)]
    names = ["-subj", "/CN=mpchat", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    names += ["-addext", "keyUsage=critical,digitalSignature,keyCertSign"]  # Python 3.13 insists (RFC 5280 4.2.1.3)
    command = ["openssl", "req", "-x509", *key, *names, "-out", str(made.cert)]
    subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS)
    return made


def trusting_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
