"""Adds the dashboard to the API's application, with a page for URLs at which there is nothing."""

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from gateway.dashboard.pages import error_page
from gateway.dashboard.routes import router
from gateway.routes.joining import join


def add_to(api: FastAPI) -> None:
    """Add all pages. What has no route is a page for browsers, and the JSON error for all others, as before."""
    join(api.router, [router])
    answer_as_json = api.exception_handlers[HTTPException]

    async def answer(request: Request, error: Exception) -> Response:
        if _is_browser(request):
            return await error_page(request, error)
        answered = answer_as_json(request, error)
        return answered if isinstance(answered, Response) else await answered

    api.add_exception_handler(HTTPException, answer)


def _is_browser(request: Request) -> bool:
    """Whether somebody opens the URL in a browser: API clients accept JSON or anything, and never ask for HTML."""
    return request.method in {"GET", "HEAD"} and "text/html" in request.headers.get("accept", "")
