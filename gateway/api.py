"""The application of all but completions: calls, their documentation, and the dashboard.

To import it takes a third of a start, so `gateway.app` does that when completions are answered already.
"""

from collections.abc import Mapping

from starlette.datastructures import State

from gateway.asgi import ASGIApp, Receive, Scope, Send
from gateway.dashboard.lost import add_to as add_dashboard
from gateway.dashboard.routes import what_if
from gateway.routes.admin import evaluation
from gateway.routes.api import build_api
from gateway.routes.bounded_body import bounded
from gateway.routes.direct import answered_directly
from gateway.routes.services import RouteServices


def build(version: str, services: RouteServices, dashboard: Mapping[str, object] | None) -> ASGIApp:
    """The application. `dashboard` is what its pages get by name; None: there is none."""
    api, direct = build_api(version), evaluation.DIRECT
    if dashboard is not None:
        add_dashboard(api)
        direct += what_if.DIRECT
    api.state = State({"services": services, **(dashboard or {})})

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if not await answered_directly(api, direct, scope, receive, send):
            await api(scope, bounded(receive), send)

    return serve
