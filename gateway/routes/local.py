"""Who may see what only operators need: administrators, and whoever sits at this machine."""

from fastapi import Request

from gateway.api_keys import require
from gateway.errors import GatewayError
from gateway.routes.answer import parts_of

_LOCAL_NAMES = {"127.0.0.1", "localhost", "::1"}


def require_admin_or_local(request: Request) -> None:
    """Let pass loopback under a local name, which no page of another site can take, and admin keys.

    Raises InvalidApiKey, InsufficientScope.
    """
    client = request.client.host if request.client else ""
    if client in _LOCAL_NAMES and request.url.hostname in _LOCAL_NAMES:
        return
    header = request.headers.get("authorization")
    flow = parts_of(request).flow
    require(flow.keyring.authenticate(header.encode("latin-1") if header else None, flow.clock()), ("admin",))


def is_admin_or_local(request: Request) -> bool:
    """Whether `require_admin_or_local` lets this request pass."""
    try:
        require_admin_or_local(request)
    except GatewayError:
        return False
    return True
