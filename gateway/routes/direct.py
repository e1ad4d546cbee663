"""Routes that are answered before FastAPI, whose own part is most of what they would take on the event loop.

What such a route does not answer, FastAPI answers by the route of the same path, which also documents it.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from fastapi import FastAPI, Request
from fastapi.responses import Response

from gateway.asgi import Receive, Scope, Send
from gateway.errors import GatewayError
from gateway.routes.services import error_response


@dataclass(frozen=True, slots=True)
class DirectRoute:
    """A GET of a router. `path` is FastAPI's template; `answer` returns None for what it leaves to FastAPI."""

    path: str
    answer: Callable[[Request, str], Awaitable[Response | None]]
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", re.compile(self.path.replace("{router_id}", "([A-Za-z0-9_.~-]+)")))


async def answered_directly(
    api: FastAPI, routes: Sequence[DirectRoute], scope: Scope, receive: Receive, send: Send
) -> bool:
    """Answer a request by the first route that is for it; whether one was."""
    path = scope["path"].removeprefix(scope["root_path"])
    for route in routes if scope["method"] == "GET" else ():
        match = route.pattern.fullmatch(path)
        if match is not None:
            response = await _response(route, Request({**scope, "app": api}), match[1])
            if response is not None:
                scope["route"] = route
                await response(scope, receive, send)
            return response is not None
    return False


async def _response(route: DirectRoute, request: Request, router_id: str) -> Response | None:
    try:
        return await route.answer(request, router_id)
    except GatewayError as error:
        return error_response(error)
