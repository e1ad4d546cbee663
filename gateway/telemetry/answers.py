"""Tells the observer of each answer that FastAPI gives: completions tell of themselves."""

from time import perf_counter

from gateway.asgi import Message, Scope, Send
from gateway.telemetry.observer import Observer

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
"""Methods that are told apart in metrics and logs; others are `""`."""


def observed(observer: Observer, scope: Scope, send: Send, request_id: str) -> Send:
    """Tell of an answer when it starts, and add the request's id to its headers."""
    started = perf_counter()

    async def observed_send(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            method = scope["method"] if scope["method"] in METHODS else ""
            observer.answered(request_id, method, _route_of(scope), message["status"], perf_counter() - started)
        await send(message)

    return observed_send


def _route_of(scope: Scope) -> str:
    """The template of the route that answered, such as `/admin/decisions/{completion_id}`; "" if there is none."""
    return getattr(scope.get("route"), "path", "")
