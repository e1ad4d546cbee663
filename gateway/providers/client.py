"""The one HTTP session to all providers: a request goes in; status, headers and an iterator of bytes come out.

TransportError, by its `fault`: REFUSED, TLS, LOST, TIMEOUT, TOO_LARGE, GARBLED.
"""

import ssl
from collections.abc import AsyncIterator, Mapping
from enum import StrEnum
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError
from yarl import URL

CONNECT_SECONDS = 10.0
"""A provider that can't be connected to within this time is down; the request's time is better spent on another."""
ANSWER_LIMIT = 64 * 1024 * 1024
_BUFFER = 64 * 1024
"""Bytes of a response held before the provider is made to wait (the session stops reading at twice this)."""


class Fault(StrEnum):
    """What went wrong below HTTP's own statuses."""

    REFUSED = "refused"  # no connection came about: nothing was sent
    TLS = "tls"  # the provider's certificate or handshake is not to be trusted
    LOST = "lost"  # the connection broke
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    GARBLED = "garbled"  # not HTTP, or a body that can't be unpacked


class TransportError(Exception):
    """No whole response. `before_any_byte`: the provider had said nothing yet, not even a status."""

    def __init__(self, fault: Fault, message: str, *, before_any_byte: bool = False) -> None:
        super().__init__(message)
        self.fault = fault
        self.before_any_byte = before_any_byte


class HttpResponse:
    """A response whose body is still to be read. Close it, or use it as a context manager."""

    __slots__ = ("_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers  # names in any case

    async def read(self, limit: int = ANSWER_LIMIT) -> bytes:
        """The whole body, unpacked. Raises TransportError, TOO_LARGE past `limit` bytes."""
        content = self._response.content
        parts: list[bytes] = []
        size = 0
        try:
            while part := await content.readany():
                size += len(part)
                if size > limit:
                    raise TransportError(Fault.TOO_LARGE, f"the answer is larger than {limit:,} bytes")
                parts.append(part)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _wrapped(error) from error
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def chunks(self) -> AsyncIterator[bytes]:
        """What each network read brought, unpacked. Raises TransportError."""
        content = self._response.content
        try:
            while part := await content.readany():
                yield part
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _wrapped(error) from error

    @property
    def ended(self) -> bool:
        """Whether the body has been read to its end, so that the connection can serve again."""
        return self._response.content.at_eof()

    def close(self) -> None:
        """Drop the connection, at once, unless the body has been read to its end."""
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class HttpClient:
    """One session with kept-alive connections, as many as there are calls. Start it inside the event loop.

    Cookies are not kept, redirects are not followed, certificates are verified. Proxies are those of the environment
    (`HTTPS_PROXY`, `NO_PROXY`, …) as it was at the first call to an origin. `ssl_context` replaces the system's.
    """

    def __init__(self, ssl_context: ssl.SSLContext | None = None) -> None:
        self._ssl: ssl.SSLContext | bool = ssl_context or True
        self._session: aiohttp.ClientSession | None = None
        self._proxies: dict[str, str | None] = {}

    async def start(self) -> None:
        """Open the session."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60.0, ttl_dns_cache=60, ssl=self._ssl),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            # The session's own look-up reads files in a thread on every call, and would take credentials from .netrc.
            trust_env=False,
            read_bufsize=_BUFFER,
        )

    async def close(self) -> None:
        """Close the session and its connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> HttpResponse:
        """Send a request and wait for the status and headers of its response. Raises TransportError."""
        if self._session is None:
            raise RuntimeError("the HTTP client was not started")
        target = URL(url)
        try:
            response = await self._session.request(
                method,
                target,
                data=body or None,
                headers=headers,
                allow_redirects=False,
                proxy=self._proxy(target),
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _wrapped(error, before_any_byte=True) from error
        return HttpResponse(response)

    def _proxy(self, url: URL) -> str | None:
        origin = url.authority + url.scheme
        if origin not in self._proxies:
            self._proxies[origin] = proxy_for(str(url))
        return self._proxies[origin]


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for a URL."""
    parts = urlsplit(url)
    if parts.hostname is None or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def _wrapped(error: Exception, *, before_any_byte: bool = False) -> TransportError:
    """The foreign error in our words; no address or header of the request is in them."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            fault, message = Fault.TLS, "the provider's TLS certificate or handshake was not accepted"
        case aiohttp.ConnectionTimeoutError():
            fault, message = Fault.REFUSED, f"no connection within {CONNECT_SECONDS:g} s"
        case TimeoutError():
            fault, message = Fault.TIMEOUT, "the provider did not answer in time"
        case aiohttp.ClientConnectorDNSError():
            fault, message = Fault.REFUSED, "the provider's host name can't be resolved"
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            fault, message = Fault.REFUSED, "the proxy could not connect to the provider"
        case aiohttp.ClientConnectorError():
            fault, message = Fault.REFUSED, f"no connection to the provider ({error.strerror or 'refused'})"
        case aiohttp.ClientOSError() | aiohttp.ServerDisconnectedError() | aiohttp.ClientConnectionError() | OSError():
            fault, message = Fault.LOST, "the provider closed the connection"
        case aiohttp.ClientPayloadError() if isinstance(error.__cause__, ContentEncodingError):
            fault, message = Fault.GARBLED, "the provider's answer could not be unpacked"
        case aiohttp.ClientPayloadError():
            fault, message = Fault.LOST, "the provider closed the connection in the middle of its answer"
        case _:
            fault, message = Fault.GARBLED, "the provider's answer is not HTTP"
    return TransportError(fault, message, before_any_byte=before_any_byte and fault is Fault.LOST)
