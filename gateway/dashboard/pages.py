"""Renders pages, and turns errors into pages: the route class of the whole dashboard."""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from gateway.analyst.questions import InvalidQuestion
from gateway.dashboard.cross_site import refuse_cross_site
from gateway.dashboard.frame import Frame, frame_of
from gateway.dashboard.refreshes import HEADER, Page
from gateway.dashboard.rendering import html_of
from gateway.dashboard.visit import SignedOut, is_secure, last_router_cookie, session_key, visit_of
from gateway.errors import BadRequest, GatewayError, Unavailable
from gateway.reports.explanation import NotExplainable
from gateway.routes.services import services_of
from gateway.routes.unwritable import refuse_unwritable
from storage.errors import DatabaseUnavailable, InvalidCursor

HEADERS = {
    "content-security-policy": (
        "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'"
    ),
    "x-content-type-options": "nosniff",
    # `no-referrer` would make browsers send `Origin: null` with our own forms, which could not be told from others'.
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "x-dashboard": "1",  # a page's script tells a page that is gone from a proxy's error by it
}


LONGEST_SECONDS = 30.0
"""A page that takes longer is given up: a frozen database neither answers nor fails."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

TOLD = (
    GatewayError,
    HTTPException,
    RequestValidationError,
    DatabaseUnavailable,
    InvalidCursor,
    InvalidQuestion,
    NotExplainable,
)
"""Errors that become pages, rather than the JSON of the API's handlers."""


class PageRoute(APIRoute):
    """A route whose errors are pages, whose forms must be our own, and whose answers carry the security headers."""

    def get_route_handler(self) -> Handler:
        """The handler that FastAPI made, with what all pages have in common around it."""
        make = super().get_route_handler()

        async def handle(request: Request) -> Response:
            # A thread can't be cancelled: when the page is given up, it goes on alone, and nobody waits for it.
            response: Response = await asyncio.shield(asyncio.ensure_future(make(request)))
            return response

        async def handle_page(request: Request) -> Response:
            try:
                refuse_unwritable({**request.path_params, **request.query_params})
                if request.method == "POST":
                    refuse_cross_site(request)
                    response = await make(request)
                else:
                    async with asyncio.timeout(LONGEST_SECONDS):
                        response = await (_refreshed(request, handle) if HEADER in request.headers else handle(request))
            except SignedOut:
                response = _to_sign_in(request)
            except TimeoutError:
                response = await error_page(request, DatabaseUnavailable("it has not answered in time"))
            except TOLD as error:
                response = await error_page(request, error)
            return _with_headers(response)

        return handle_page


def page_router() -> APIRouter:
    """A router of pages, which the API's document leaves out."""
    return APIRouter(route_class=PageRoute, include_in_schema=False)


async def answered_as_page(
    request: Request, router_id: str, answer: Callable[[Request, str], Coroutine[Any, Any, Response | None]]
) -> Response | None:
    """What a `DirectRoute` answers, with what `PageRoute` has around it; it leaves to that who is not signed in."""
    try:
        refuse_unwritable(dict(request.query_params))
        response = await answer(request, router_id)
    except SignedOut:
        return None
    except TOLD as error:
        response = await error_page(request, error)
    return None if response is None else _with_headers(response)


def _with_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


async def _refreshed(request: Request, handle: Handler) -> Response:
    """What a page's script asks for. Raises SignedOut."""
    key, refreshes = session_key(request), request.app.state.refreshes
    if key is None or request.method != "GET":
        return await handle(request)
    last_router = request.cookies.get(last_router_cookie(request), "")
    page, tag = Page(key.id, str(request.url), last_router), request.headers.get("if-none-match")
    response: Response = await refreshes.answer(page, tag, lambda: handle(request))
    return response


def render(request: Request, template: str, frame: Frame, page: object, status: int = 200) -> Response:
    """A page from its view-model. A page that the browser has already is answered with 304."""
    root = request.scope.get("root_path", "")
    if request.method != "GET" or status not in {200, 503}:  # there is nothing to fetch again
        frame = replace(frame, topics="")
    if status == 503:
        frame = replace(frame, is_away=True)
    body = html_of(template, page, root, frame).encode()
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    if status == 200 and request.method == "GET" and request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"etag": tag})
    response = Response(body, status, headers={"etag": tag}, media_type="text/html; charset=utf-8")
    name = last_router_cookie(request) if frame.keeps_router else ""
    if name and frame.router is not None and request.cookies.get(name) != frame.router.id:
        secure = is_secure(request)
        response.set_cookie(name, frame.router.id, secure=secure, httponly=True, samesite="strict")
    return response


def see_other(request: Request, path: str) -> Response:
    """Send the browser to a page after a form was accepted."""
    return RedirectResponse(f"{request.scope.get('root_path', '')}{path}", 303)


def _to_sign_in(request: Request) -> Response:
    root = request.scope.get("root_path", "")
    path = request.url.path.removeprefix(root)
    there = path + (f"?{request.url.query}" if request.url.query else "")
    target = request.url.replace(path=f"{root}/sign-in", query="")
    if there != "/" and request.method == "GET":
        target = target.include_query_params(next=there)
    return RedirectResponse(f"{target.path}?{target.query}" if target.query else target.path, 303)


async def error_page(request: Request, error: Exception) -> Response:
    """An error as a page, with the navigation if somebody is signed in."""
    told, is_database = _told(request, error), isinstance(error, DatabaseUnavailable)
    visit, frame = visit_of(request), Frame("")
    if visit is not None:
        asked = str(request.path_params.get("router_id", "")) or None
        frame = await run_in_threadpool(frame_of, visit, "", router_id=asked, is_database_away=is_database)
    headers = {key.decode(): value.decode() for key, value in told.headers()}
    recorder = services_of(request).recorder
    page = {
        "status": told.status,
        "message": told.message,
        "is_database": is_database,
        "is_lost": told.status in {404, 405},
        "is_sent": request.method == "POST",
        "waiting": recorder.queued + recorder.spooled,
    }
    response = render(request, "error.html", frame, page, told.status)
    response.headers.update(headers)
    return _with_headers(response)


def _told(request: Request, error: Exception) -> GatewayError:
    match error:
        case GatewayError():
            return error
        case DatabaseUnavailable():
            return Unavailable("the database does not answer", code="ledger_unavailable", retry_after_seconds=2)
        case RequestValidationError():
            first = error.errors()[0]
            return BadRequest(f"`{'.'.join(str(part) for part in first['loc'][1:])}`: {first['msg']}")
        case HTTPException():
            is_lost = error.status_code in {404, 405}
            told = BadRequest(f"there is no page at {request.url.path[:200]}" if is_lost else str(error.detail))
            told.status = error.status_code
            return told
        case InvalidQuestion():
            return BadRequest(str(error), param=error.param)
        case InvalidCursor():
            return BadRequest(f"`cursor`: {error}", param="cursor")
        case _:
            told = BadRequest(str(error))
            told.status = 404
            return told
