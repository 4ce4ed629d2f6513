"""A certificate for the servers of a run, which openssl(1) makes, and clients that do not ask whose it is."""

import shutil
import ssl
import subprocess
from pathlib import Path

_SECONDS = 60.0


def make_certificate(folder: Path) -> bool:
    """Writes cert.pem and key.pem into this folder, for 127.0.0.1, signed by itself. False: there is no openssl."""
    if shutil.which("openssl") is None:
        return False
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(folder / "key.pem")]
    names = ["-subj", "/CN=soak", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    command = ["openssl", "req", "-x509", *key, *names, "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS)
    return True


def trusting_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
