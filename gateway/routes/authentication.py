"""The key of a request, and routes that only administrators and this machine may use."""

from fastapi import Request
from fastapi.security import HTTPBearer

from gateway.api_keys import READERS, require
from gateway.errors import InsufficientScope
from gateway.routes.services import services_of
from gateway.routes.unwritable import refuse_unwritable
from storage.records import KeyRecord

BEARER = HTTPBearer(
    auto_error=False,
    description="An API key. `/admin` needs the scope `admin`, or `read` for GET; other calls `routing` or `feedback`.",
)
"""For the documentation alone, so that `/docs` can send a key: the routes check it themselves."""

_LOCAL_NAMES = {"127.0.0.1", "localhost", "::1"}
_OF_PROXIES = {
    "forwarded",
    "via",
    "x-real-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "x-client-ip",
    "x-envoy-external-address",
}


def authorization_of(request: Request) -> bytes | None:
    """The `Authorization` header as it was sent."""
    header = request.headers.get("authorization")
    return header.encode("latin-1") if header else None


def require_key(request: Request, scopes: tuple[str, ...], router_id: str | None = None) -> KeyRecord:
    """The request's key. It must have one of the scopes, on this router; then path and query are checked.

    Raises InvalidApiKey, InsufficientScope, BadRequest.
    """
    services = services_of(request)
    key = services.keyring.authenticate(authorization_of(request), services.clock())
    require(key, scopes, router_id)
    refuse_unwritable({**request.path_params, **request.query_params})
    return key


def require_reader(request: Request, router_id: str | None = None) -> KeyRecord:
    """`require_key` with the scopes that may read. Raises InvalidApiKey, InsufficientScope, BadRequest."""
    return require_key(request, READERS, router_id)


def require_admin_or_local(request: Request) -> None:
    """Allow requests from this machine, and with a key that may read. Raises InvalidApiKey, InsufficientScope."""
    if not is_local(request):
        require_reader(request)


def require_all_or_local(request: Request) -> None:
    """Allow requests from this machine, and with a key that may read of all routers.

    Raises InvalidApiKey, InsufficientScope.
    """
    if not is_local(request) and require_reader(request).routers is not None:
        raise InsufficientScope("this API key is for some routers, and this is about all", should_retry=False)


def is_admin_or_local(request: Request) -> bool:
    """Whether `require_admin_or_local` allows this request."""
    services = services_of(request)
    now, authorization = services.clock(), authorization_of(request)
    return is_local(request) or services.keyring.has_scope(authorization, READERS, now)


def is_local(request: Request) -> bool:
    """Whether a program on this machine asks by itself, and not for somebody else.

    The peer is loopback, the Host header is there and a local name, and nothing tells of a proxy.
    """
    # A page of another site can make a browser on this machine ask us (DNS rebinding), but not under a local name.
    client = request.client.host if request.client else ""
    if client not in _LOCAL_NAMES or not request.headers.get("host") or request.url.hostname not in _LOCAL_NAMES:
        return False
    # nginx by default passes on its own address as the Host, and nothing else to know it by than the old version.
    return request.scope["http_version"] != "1.0" and not any(map(_tells_of_a_proxy, request.headers))


def _tells_of_a_proxy(header: str) -> bool:
    return header in _OF_PROXIES or header.startswith("x-forwarded-")
