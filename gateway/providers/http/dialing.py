"""Opens connections for URLs: name resolution, proxies from the environment, TLS."""

import asyncio
import base64
import functools
import ipaddress
import os
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohappyeyeballs
import certifi
from aiohappyeyeballs import AddrInfoType

from gateway.providers.http.connection import Connection
from gateway.providers.http.errors import Fault, TransportError
from gateway.settings.urls import bad_proxy, bad_url, is_loopback

CONNECT_SECONDS = 10.0
"""Limit on connecting, so that a provider that is down leaves time for another model."""
RESOLVED_SECONDS = 30.0
"""How long resolved addresses are cached."""
_OTHER_FAMILY_SECONDS = 0.25
_PROXY_ANSWER_LIMIT = 16 * 1024

_Addresses: TypeAlias = Sequence[AddrInfoType]


@dataclass(frozen=True, slots=True)
class Target:
    """Parsed URL: where to connect, and what the request line and the Host header say."""

    host: str
    port: int
    tls: bool
    proxy: tuple[str, int, str] | None  # host, port, and its authorization header or ""
    path: str

    @property
    def origin(self) -> tuple[str, int, bool]:
        """Key of the connection pool."""
        return self.host, self.port, self.tls

    def first_lines(self, method: str) -> bytes:
        """The request line and the Host header."""
        usual = self.port == (443 if self.tls else 80)
        name = f"[{self.host}]" if ":" in self.host else self.host
        authority = name if usual else f"{name}:{self.port}"
        path, more = self.path, ""
        if self.proxy is not None and not self.tls:
            path, more = f"http://{authority}{path}", self.proxy[2]
        return f"{method} {path} HTTP/1.1\r\nHost: {authority}\r\n{more}".encode("ascii")


def locate(url: str) -> Target:
    """Parse an http or https URL and find its proxy. Raises TransportError."""
    if why := bad_url(url):
        raise TransportError(Fault.REFUSED, f"the provider's base_url {why}")
    parts = urlsplit(url)
    host, tls = parts.hostname or "", parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(host, parts.port or (443 if tls else 80), tls, _proxy_of(url), path)


def proxy_for(url: str) -> str | None:
    """The proxy for a URL by `HTTPS_PROXY`, `NO_PROXY` and the like; None for loopback addresses."""
    parts = urlsplit(url)
    proxies = getproxies()
    if is_loopback(url) or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    if _is_in_networks(parts.hostname or "", proxies.get("no", "")):
        return None
    return proxies.get(parts.scheme) or proxies.get("all")


def _is_in_networks(host: str, no_proxy: str) -> bool:
    """Whether `NO_PROXY` lists the address or a network of it, such as `10.0.0.0/8`."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    for entry in no_proxy.replace(",", " ").split():
        try:
            if address in ipaddress.ip_network(entry.strip("[]"), strict=False):
                return True
        except ValueError:
            continue  # a name
    return False


class Resolver:
    """Caches the addresses of host names; concurrent callers share one lookup."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int], tuple[float, _Addresses]] = {}
        self._locks: dict[tuple[str, int], asyncio.Lock] = {}

    async def resolve(self, host: str, port: int) -> _Addresses:
        """Resolve a host name. Raises socket.gaierror."""
        loop = asyncio.get_running_loop()
        async with self._locks.setdefault((host, port), asyncio.Lock()):
            until, addresses = self._found.get((host, port), (0.0, []))
            if loop.time() >= until:
                addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                self._found[host, port] = loop.time() + RESOLVED_SECONDS, addresses
            return addresses

    def forget(self, host: str, port: int) -> None:
        """Drop cached addresses that could not be connected to."""
        self._found.pop((host, port), None)


async def dial(target: Target, resolver: Resolver, context: ssl.SSLContext | None, deadline: float) -> Connection:
    """Connect within CONNECT_SECONDS and before the deadline. `context` None: the system's. Raises TransportError."""
    loop = asyncio.get_running_loop()
    host, port = target.proxy[:2] if target.proxy else (target.host, target.port)
    try:
        async with asyncio.timeout_at(min(deadline, loop.time() + CONNECT_SECONDS)):
            addresses = await resolver.resolve(host, port)
            try:
                return await _connect(loop, addresses, target, context)
            except BaseException:
                resolver.forget(host, port)
                raise
    except TimeoutError:
        fault = Fault.TIMEOUT if loop.time() >= deadline else Fault.REFUSED
        raise TransportError(fault, "no connection to the provider in time") from None
    except socket.gaierror as error:
        raise TransportError(Fault.REFUSED, "the provider's host name can't be resolved") from error
    except ssl.SSLError as error:
        why = getattr(error, "verify_message", "") or error.reason or "the handshake failed"
        raise TransportError(Fault.TLS, f"the provider's TLS was not accepted: {why}") from error
    except OSError as error:
        raise TransportError(Fault.REFUSED, f"no connection to the provider ({_why(error)})") from error
    except ValueError as error:
        # A host name that the IDNA codec or TLS does not accept.
        raise TransportError(Fault.REFUSED, f"no connection to the provider ({error})") from error


async def _connect(
    loop: asyncio.AbstractEventLoop, addresses: _Addresses, target: Target, context: ssl.SSLContext | None
) -> Connection:
    sock = await aiohappyeyeballs.start_connection(addresses, happy_eyeballs_delay=_OTHER_FAMILY_SECONDS, loop=loop)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if target.proxy and target.tls:
            await _tunnel(loop, sock, target, target.proxy[2])
        _, connection = await loop.create_connection(
            lambda: Connection(loop),
            sock=sock,
            ssl=(context or system_context()) if target.tls else None,
            server_hostname=target.host if target.tls else None,
        )
    except BaseException:
        sock.close()
        raise
    return connection


async def _tunnel(loop: asyncio.AbstractEventLoop, sock: socket.socket, target: Target, header: str) -> None:
    """Open a tunnel through the proxy with CONNECT (RFC 9110 §9.3.6)."""
    name = f"[{target.host}]" if ":" in target.host else target.host
    to = f"{name}:{target.port}"
    await loop.sock_sendall(sock, f"CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{header}\r\n".encode("ascii"))
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = await loop.sock_recv(sock, 4_096)
        answer += part
        if not part or len(answer) > _PROXY_ANSWER_LIMIT:
            raise TransportError(Fault.REFUSED, "the proxy closed the connection")
    status = answer.split(b" ", 2)[1:2]
    if not answer.startswith(b"HTTP/1.") or not status or not status[0].startswith(b"2"):
        said = status[0][:3].decode("ascii", "replace") if status else "nothing of sense"
        raise TransportError(Fault.REFUSED, f"the proxy did not connect to the provider (it answered {said})")


@functools.cache
def system_context() -> ssl.SSLContext:
    """TLS context that verifies against the system's certificate authorities, or certifi's if it has none."""
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    folder = str(paths.capath or "")
    if not context.get_ca_certs() and not (folder and any(os.scandir(folder))):
        context.load_verify_locations(certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


def _proxy_of(url: str) -> tuple[str, int, str] | None:
    named = proxy_for(url)
    if not named:
        return None
    if why := bad_proxy(named):
        raise TransportError(Fault.REFUSED, f"the environment's proxy {why}")
    parts = urlsplit(named if "://" in named else f"http://{named}")
    header = ""
    if parts.username is not None:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        header = f"Proxy-Authorization: Basic {base64.b64encode(secret.encode()).decode()}\r\n"
    return parts.hostname or "", parts.port or 80, header


def _why(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else "refused"
