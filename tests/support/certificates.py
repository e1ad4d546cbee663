"""A certificate for 127.0.0.1 and localhost, made by the machine's openssl."""

import shutil
import subprocess
from pathlib import Path

import pytest


def make_certificate(folder: Path) -> None:
    """Write `cert.pem` and `key.pem`. Skips the test if there is no openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl here to make a certificate with")
    names = "subjectAltName=IP:127.0.0.1,DNS:localhost"
    kind = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", names)
    command = ("openssl", *kind, "-keyout", "key.pem", "-out", "cert.pem")
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
