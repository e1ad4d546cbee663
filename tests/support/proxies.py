"""nginx and Caddy as `deploy/` configures them, with this machine's ports and a certificate for localhost."""

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.certificates import make_certificate
from tests.support.processes import CHECKOUT, END_SECONDS, end, tail
from tests.support.waiting import wait_until

DEPLOY = CHECKOUT / "deploy"
PORTS = (8791, 8792)
"""The gateways' ports in the examples."""


def program(name: str) -> str:
    """The path of a program of this machine. Skips the test if there is none."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path is None:
        pytest.skip(f"there is no {name} here: `apt-get install {name}`")
    return path


def free_ports(count: int) -> list[int]:
    """Different ports that nothing listens on now: all are held until the last is found."""
    with ExitStack() as held:
        listeners = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]


def replaced(text: str, replacements: Mapping[str, str]) -> str:
    """The text with each of these replaced. Every one must be there."""
    for before, after in replacements.items():
        assert before in text, f"{before!r} is not in the example any more"
        text = text.replace(before, after)
    return text


@contextmanager
def nginx(folder: Path, gateways: Sequence[int]) -> Iterator[httpx.Client]:
    """nginx before the gateways on these ports; yields a client of its URL that trusts its certificate."""
    path, (port,) = program("nginx"), free_ports(1)
    make_certificate(folder)
    site = replaced(
        (DEPLOY / "nginx.conf").read_text(),
        {
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "llm.example.com": "localhost",
            "/etc/bandit-gateway/tls/": f"{folder}/",
            **{f"127.0.0.1:{example}": f"127.0.0.1:{real}" for example, real in zip(PORTS, gateways, strict=True)},
        },
    )
    (folder / "site.conf").write_text(site)
    bodies = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{name}_temp_path {folder}/{name};\n" for name in bodies)
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}include {folder}/site.conf;\n}}\n"
    )
    command = [path, "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with _running(command, folder / "nginx.log", port), _client(f"https://127.0.0.1:{port}", folder) as client:
        yield client


@contextmanager
def caddy(folder: Path, gateways: Sequence[int]) -> Iterator[httpx.Client]:
    """Caddy before the gateways on these ports, without TLS: its certificates come from the network."""
    path, (port,) = program("caddy"), free_ports(1)
    file = replaced(
        (DEPLOY / "Caddyfile").read_text(),
        {
            "llm.example.com": f"http://127.0.0.1:{port}",
            **{f"127.0.0.1:{example}": f"127.0.0.1:{real}" for example, real in zip(PORTS, gateways, strict=True)},
        },
    )
    (folder / "Caddyfile").write_text("{\n\tadmin off\n}\n" + file)
    command = [path, "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
    with _running(command, folder / "caddy.log", port), httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        yield client


def _client(url: str, folder: Path) -> httpx.Client:
    context = ssl.create_default_context(cafile=folder / "cert.pem")
    return httpx.Client(base_url=url, verify=context, timeout=60, trust_env=False)


@contextmanager
def _running(command: Sequence[str], log: Path, port: int) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        wait_until(lambda: process.poll() is not None or _listens(port), f"{command[0]} listens", END_SECONDS)
        assert process.poll() is None, tail(log)
        yield
    finally:
        end(process)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
