"""Where and how the server listens: addresses, TLS, the path it is reached below, and the time to drain."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from gateway.settings.secrets import UnusableSecret, is_reference, read_reference
from gateway.settings.table_reader import Fields, shown

MOST_ADDRESSES = 16
MAX_DRAIN_SECONDS = 600.0
UNIX = "unix:"
_TCP = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_LONGEST_PATH = 107  # bytes: the system's limit for the name of a socket


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host and a port; port 0 is any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """The path of a Unix socket."""

    path: str

    def __str__(self) -> str:
        return f"{UNIX}{self.path}"


Address: TypeAlias = TcpAddress | UnixAddress
DEFAULT_ADDRESS = TcpAddress("127.0.0.1", 8790)


@dataclass(frozen=True, slots=True)
class Tls:
    """The files of a certificate chain and its key, which could be loaded."""

    certificate: str
    key: str
    key_password: str | None = field(default=None, repr=False)

    def load_into(self, context: ssl.SSLContext) -> None:
        """Let new connections of the context use what the files hold now. Raises OSError."""
        # Without a callback OpenSSL would ask for a missing password on the terminal, and wait.
        context.load_cert_chain(self.certificate, self.key, lambda: self.key_password or "")


@dataclass(frozen=True, slots=True)
class Listening:
    """The server's addresses. `root_path` is the path below which clients reach it, such as `/llm`; empty: none.

    After SIGTERM the server goes on for `drain_seconds` and tells load balancers to send nothing more.
    """

    addresses: tuple[Address, ...] = (DEFAULT_ADDRESS,)
    root_path: str = ""
    drain_seconds: float = 5.0
    tls: Tls | None = None

    @property
    def url(self) -> str:
        """The URL of the first address, as it is configured."""
        address = self.addresses[0]
        scheme = "https" if self.tls else "http"
        return str(address) if isinstance(address, UnixAddress) else f"{scheme}://{address}{self.root_path}"


def read_listening(fields: Fields, environ: Mapping[str, str], directory: Path, *, secrets: bool = True) -> Listening:
    """Read the keys that say how the server listens; without `secrets`, not the files of TLS that they name."""
    default = Listening()
    return Listening(
        addresses=_read_addresses(fields, directory) or default.addresses,
        root_path=fields.text(
            "root_path", "", pattern=r"(/[A-Za-z0-9._~-]+)+", right='a path like "/llm", without a slash at its end'
        ),
        drain_seconds=fields.number("drain_seconds", default.drain_seconds, high=MAX_DRAIN_SECONDS),
        tls=_read_tls(fields, environ, directory, secrets=secrets),
    )


def _read_addresses(fields: Fields, directory: Path) -> tuple[Address, ...]:
    value = fields.raw("listen")
    texts = fields.texts("listen", ()) if isinstance(value, list) else (fields.text("listen", ""),)
    if value == [] or len(texts) > MOST_ADDRESSES:
        fields.blame("listen", f"must name 1 to {MOST_ADDRESSES} addresses, not {len(texts)}")
    return tuple(address for text in texts if text and (address := _read_address(fields, text, directory)))


def _read_address(fields: Fields, text: str, directory: Path) -> Address | None:
    if text.startswith(UNIX):
        path = str(directory / Path(text.removeprefix(UNIX)).expanduser())
        if text == UNIX or len(path.encode()) > _LONGEST_PATH:
            fields.blame("listen", f'must be "unix:PATH" with a path of at most {_LONGEST_PATH} bytes')
            return None
        return UnixAddress(path)
    match = _TCP.fullmatch(text)
    if match is None or int(match[2]) > 65_535:
        right = '"HOST:PORT", such as "127.0.0.1:8790", "unix:PATH", or a list of them'
        fields.blame("listen", f"must be {right}, not {shown(text)}")
        return None
    return TcpAddress(match[1].strip("[]"), int(match[2]))


def _read_tls(fields: Fields, environ: Mapping[str, str], directory: Path, *, secrets: bool) -> Tls | None:
    certificate, key = fields.text("tls_certificate", None), fields.text("tls_key", None)
    mistakes = len(fields.problems)
    password = _read_password(fields, environ, directory) if secrets else None
    fields.raw("tls_key_password")
    if certificate is None and key is None:
        if password is not None:
            fields.blame("tls_key_password", "needs tls_certificate and tls_key")
        return None
    if certificate is None or key is None:
        present, absent = ("tls_key", "tls_certificate") if certificate is None else ("tls_certificate", "tls_key")
        fields.blame(present, f"needs {absent}, the path of the other PEM file")
        return None
    tls = Tls(str(directory / Path(certificate).expanduser()), str(directory / Path(key).expanduser()), password)
    if not secrets:
        return tls
    for name, path in (("tls_certificate", tls.certificate), ("tls_key", tls.key)):
        try:
            Path(path).read_bytes()
        except OSError as error:
            fields.blame(name, f"names the file {path}, which can't be read ({error.strerror})")
            return None
    if len(fields.problems) > mistakes:
        return None
    try:
        tls.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", None) or str(error)
        fields.blame("tls_certificate", f"and tls_key are no PEM certificate and its key ({why}), or need a password")
        return None
    return tls


def _read_password(fields: Fields, environ: Mapping[str, str], directory: Path) -> str | None:
    reference = fields.raw("tls_key_password")
    if reference is None:
        return None
    if not isinstance(reference, str) or not is_reference(reference):
        fields.blame("tls_key_password", 'must be "env:NAME" or "file:PATH", not a password in plain text')
        return None
    try:
        return read_reference(reference, environ, directory)
    except UnusableSecret as error:
        fields.blame("tls_key_password", str(error))
        return None
