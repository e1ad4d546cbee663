"""Where the server listens, as the file says it."""

import subprocess
from pathlib import Path

import pytest

from gateway.settings import SettingsError, load
from gateway.settings.listening import Listening, TcpAddress, UnixAddress
from tests.support.certificates import make_certificate


def listening(tmp_path: Path, text: str, **environ: str) -> Listening:
    path = tmp_path / "a.toml"
    path.write_text(text)
    return load(path, environ).listening


def problem(tmp_path: Path, text: str, **environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        listening(tmp_path, text, **environ)
    (told,) = caught.value.problems
    return told


def test_several_addresses_and_a_unix_socket_beside_the_file(tmp_path: Path) -> None:
    found = listening(tmp_path, 'listen = ["127.0.0.1:8790", "[::1]:8791", "unix:run/gateway.sock", "unix:/run/g"]')
    assert found.addresses == (
        TcpAddress("127.0.0.1", 8790),
        TcpAddress("::1", 8791),
        UnixAddress(str(tmp_path / "run/gateway.sock")),
        UnixAddress("/run/g"),
    )
    assert [str(address) for address in found.addresses[:2]] == ["127.0.0.1:8790", "[::1]:8791"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("listen = []", "must name 1 to 16 addresses"),
        ('listen = ["127.0.0.1"]', 'must be "HOST:PORT"'),
        ('listen = "127.0.0.1:70000"', 'must be "HOST:PORT"'),
        ('listen = "unix:"', "with a path"),
        (f'listen = "unix:/{"x" * 120}"', "at most 107 bytes"),
        ('listen = ["a:1", "a:1"]', "twice"),
        ('root_path = "llm"', "must be a path like"),
        ('root_path = "/llm/"', "without a slash at its end"),
        ("drain_seconds = -1", "must be between 0 and 600"),
        ('tls_key = "k.pem"', "needs tls_certificate"),
        ('tls_key_password = "env:P"', "needs"),
        ('tls_certificate = "none.pem"\ntls_key = "none.pem"', "which can't be read"),
        ('tls_certificate = "a.toml"\ntls_key = "a.toml"', "no PEM certificate and its key"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_is_right(tmp_path: Path, line: str, told: str) -> None:
    message = problem(tmp_path, line)
    assert told in message
    assert "line 1" in message


def test_a_certificate_is_loaded_when_the_file_is_read(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    found = listening(tmp_path, 'tls_certificate = "cert.pem"\ntls_key = "key.pem"\nroot_path = "/a/b"')
    assert found.tls is not None
    assert found.tls.certificate == str(tmp_path / "cert.pem")
    assert found.root_path == "/a/b"


def test_a_key_with_a_password_is_opened_by_it_and_nobody_is_asked(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    locked = ("openssl", "rsa", "-aes256", "-passout", "pass:open sesame", "-in", "key.pem", "-out", "locked.pem")
    subprocess.run(locked, cwd=tmp_path, check=True, capture_output=True)
    text = 'tls_certificate = "cert.pem"\ntls_key = "locked.pem"\n'
    assert "need a password" in problem(tmp_path, text)
    assert "not a password in plain text" in problem(tmp_path, f'{text}tls_key_password = "open sesame"')
    opened = listening(tmp_path, f'{text}tls_key_password = "env:P"', P="open sesame").tls
    assert opened is not None
    assert "open sesame" not in repr(opened)
