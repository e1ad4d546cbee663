"""The FastAPI application: routes, OpenAPI document, and the handlers that turn errors into OpenAI's shape."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.routing import Match, Mount

from gateway.analyst.questions import InvalidQuestion
from gateway.errors import (
    BASE_URL_ADVICE,
    BadRequest,
    GatewayError,
    MethodNotAllowed,
    NotFound,
    OurOwnFault,
    RequestTooLarge,
    Unavailable,
)
from gateway.management.problems import bad_fields
from gateway.reports.explanation import NotExplainable
from gateway.routes import admin, docs, feedback, health, models, organizations
from gateway.routes.joining import join
from gateway.routes.openapi import complete
from gateway.routes.services import error_response
from gateway.settings.router_options import OptionsError
from storage.errors import DatabaseUnavailable, InvalidCursor


def build_api(version: str) -> FastAPI:
    """All routes but completions, which are dispatched before this application. `gateway.api` sets its state."""
    api = FastAPI(title="Bandit Gateway", version=version, docs_url=None, redoc_url=None, openapi_url=None)
    parts = (admin, organizations, docs, feedback, health, models)
    join(api.router, (part.router for part in parts))
    api.mount(docs.ASSETS_PATH, docs.ASSETS)
    api.add_exception_handler(GatewayError, _gateway_error)
    api.add_exception_handler(DatabaseUnavailable, _database_unavailable)
    api.add_exception_handler(InvalidCursor, _invalid_cursor)
    api.add_exception_handler(InvalidQuestion, _invalid_question)
    api.add_exception_handler(NotExplainable, _not_explainable)
    api.add_exception_handler(OptionsError, _options_error)
    api.add_exception_handler(HTTPException, _http_error)
    api.add_exception_handler(RequestValidationError, _validation_error)
    api.add_exception_handler(Exception, _our_own_fault)
    ordinary = api.openapi
    api.openapi = lambda: complete(ordinary())  # type: ignore[method-assign]  # FastAPI's own way to extend the document
    return api


async def _gateway_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, GatewayError)  # noqa: S101 - registered for this class alone
    return error_response(error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    told: GatewayError
    if error.status_code == 405:
        told = MethodNotAllowed(f"{request.method} is not allowed on {request.url.path}", _methods_at(request))
    elif error.status_code == 404:
        advice = f"; {BASE_URL_ADVICE}" if request.url.path.endswith("/chat/completions") else ""
        told = NotFound(f"there is nothing at {request.method} {request.url.path}{advice}", should_retry=False)
    elif error.status_code == 413:
        told = RequestTooLarge(str(error.detail))
    else:
        told = BadRequest(str(error.detail))
        told.status = error.status_code
    return await _gateway_error(request, told)


def _methods_at(request: Request) -> set[str]:
    """The methods that the path of a request has: each is a route of its own. Mounted files are read alone."""
    routes = [route for route in request.app.routes if not isinstance(route, Mount)]
    there = {
        method
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    } or {"GET"}
    return there | ({"HEAD"} if "GET" in there else set())


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class alone
    problems = [(".".join(str(part) for part in each["loc"][1:]) or None, each["msg"]) for each in error.errors()]
    unknown = any(each["type"] == "extra_forbidden" for each in error.errors())
    told = BadRequest(
        "; ".join(f"`{param}`: {message}" if param else message for param, message in problems),
        param=problems[0][0],
        code="unknown_parameter" if unknown else None,
        problems=problems,
    )
    return await _gateway_error(request, told)


async def _options_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, OptionsError)  # noqa: S101 - registered for this class alone
    return await _gateway_error(request, bad_fields(error.problems))


async def _our_own_fault(request: Request, error: Exception) -> Response:
    return await _gateway_error(request, OurOwnFault())


async def _database_unavailable(request: Request, error: Exception) -> Response:
    told = "the database does not answer; try again shortly"
    return await _gateway_error(request, Unavailable(told, code="ledger_unavailable", retry_after_seconds=2))


async def _invalid_cursor(request: Request, error: Exception) -> Response:
    return await _gateway_error(request, BadRequest(f"`cursor`: {error}", param="cursor"))


async def _invalid_question(request: Request, error: Exception) -> Response:
    assert isinstance(error, InvalidQuestion)  # noqa: S101 - registered for this class alone
    return await _gateway_error(request, BadRequest(str(error), param=error.param))


async def _not_explainable(request: Request, error: Exception) -> Response:
    return await _gateway_error(request, NotFound(str(error), code="not_explainable"))
