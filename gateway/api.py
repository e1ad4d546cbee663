"""The application of all but completions: calls, their documentation, and the dashboard.

To import it takes a third of a start, so a gateway of one process does that when it answers completions already.
"""

from gateway.asgi import ASGIApp, Receive, Scope, Send
from gateway.dashboard.lost import add_to as add_dashboard
from gateway.dashboard.routes import what_if
from gateway.dashboard.services import PageServices
from gateway.routes.admin import evaluation
from gateway.routes.api import build_api
from gateway.routes.bounded_body import bounded
from gateway.routes.direct import answered_directly
from gateway.routes.services import RouteServices


def build(version: str, services: RouteServices, pages: PageServices | None) -> ASGIApp:
    """The application. `pages`: what the dashboard needs; None: there is none."""
    api, direct = build_api(version), evaluation.DIRECT
    api.state.services = services
    if pages is not None:
        add_dashboard(api)
        direct += what_if.DIRECT
        api.state.sessions, api.state.events, api.state.refreshes = pages.sessions, pages.events, pages.refreshes

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if not await answered_directly(api, direct, scope, receive, send):
            await api(scope, bounded(receive), send)

    return serve
