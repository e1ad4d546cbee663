"""What the routes of the management API have in common: authority, revisions, answers, errors in the documentation."""

from typing import Annotated, Any, Generic, Literal, TypeAlias, TypeVar

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from gateway.api_keys import READERS
from gateway.errors import BadRequest, RevisionConflict
from gateway.management.context import Management
from gateway.routes.admin.idempotency import NAME_PATTERN
from gateway.routes.authentication import BEARER, require_key
from gateway.routes.schemas import error
from gateway.routes.services import services_of
from gateway.routes.unwritable import refuse_unwritable
from storage.records import Actor, Via
from storage.stores.decisions import MOST_IN_A_PAGE

Item = TypeVar("Item")

NO_STORE = {"cache-control": "no-store"}


_TOLD = {
    400: "A field or parameter is wrong; `problems` names each",
    401: "No API key, or an unknown one",
    403: "The API key lacks the scope, or is for other routers",
    404: "There is no such object",
    409: "The state of the object does not allow this",
    412: "The object has changed since `If-Match` was read",
    413: "The body is too large",
    415: "The body is of another type than this call takes",
    422: "The `Idempotency-Key` was given to another request",
    431: "The request's headers, or its URL, are too large",
    500: "A defect of the gateway",
    503: "The database does not answer",
}
ERRORS: dict[int | str, dict[str, Any]] = {status: error(told) for status, told in _TOLD.items()}


def api_router(prefix: str, tag: str, route_class: type[APIRoute] = APIRoute) -> APIRouter:
    """A router of calls that want a key, with the errors that they may answer."""
    return APIRouter(
        prefix=prefix, tags=[tag], dependencies=[Depends(BEARER)], responses=ERRORS, route_class=route_class
    )


class Listed(BaseModel, Generic[Item]):
    """All of a kind that the key may see, or a page of them: then `next_cursor` asks for the next one."""

    object: Literal["list"] = "list"
    data: list[Item]
    next_cursor: str | None = None


Days: TypeAlias = Annotated[
    float, Query(gt=0, le=36_500, allow_inf_nan=False, description="How far back, in days.", examples=[30])
]
Cursor: TypeAlias = Annotated[
    str | None, Query(max_length=200, description="`next_cursor` of the page before; default: the first page.")
]
PageSize: TypeAlias = Annotated[int, Query(ge=1, le=MOST_IN_A_PAGE, description="How many at most.")]

IdempotencyKey: TypeAlias = Annotated[
    str | None,
    Header(
        description="A name of the caller's choice for this call. Sent again within 24 hours, it is not done again, "
        "and its answer is given again, with `Idempotency-Replayed: true` and without an API key's secret.",
        pattern=NAME_PATTERN,
    ),
]
"""For the documentation alone: `IdempotentRoute` reads it."""


async def _reader(request: Request) -> Management:  # not in a thread: a hop takes longer, and completions wait for it
    return _management(request, READERS, dry_run=False)


async def _fields(request: Request) -> object:
    """The body as JSON, if it is: Starlette keeps it once it was read."""
    try:
        return await request.json() if "json" in request.headers.get("content-type", "") else None
    except (ValueError, RecursionError):  # FastAPI refuses it, if it takes one
        return None


def _administrator(
    request: Request,
    fields: Annotated[object, Depends(_fields)],
    idempotency_key: IdempotencyKey = None,
    dry_run: Annotated[bool, Query(description="Check everything, change nothing, and answer what would be.")] = False,
) -> Management:
    management = _management(request, ("admin",), dry_run=dry_run)
    refuse_unwritable(fields)
    return management


IfMatch: TypeAlias = Annotated[
    str | None, Header(description="The ETag that was read: anything newer is not overwritten (412).")
]

Reader: TypeAlias = Annotated[Management, Depends(_reader)]
"""A call by a key that may read."""
Administrator: TypeAlias = Annotated[Management, Depends(_administrator)]
"""A call by a key that may change things."""


def _management(request: Request, scopes: tuple[str, ...], *, dry_run: bool) -> Management:
    services, key = services_of(request), require_key(request, scopes)
    return Management(
        database=services.database,
        catalog=lambda: services.configuration.configured.catalog,
        actor=Actor(Via.API, key.id, request.scope.get("request_id")),
        now=services.clock(),
        base_url=str(request.base_url).rstrip("/"),
        router_ids=key.routers,
        days=services.days,
        dry_run=dry_run,
    )


def expected_revision(if_match: str | None) -> int | None:
    """The revision in an `If-Match` header; None: any. Raises BadRequest, RevisionConflict."""
    tag = expected_tag(if_match)
    if tag is None:
        return None
    if tag.isascii() and tag.isdecimal():
        return min(int(tag[:19]), 2**63 - 1)
    raise RevisionConflict("`If-Match` names a revision that this object never had")


def expected_tag(if_match: str | None) -> str | None:
    """What is between the quotes of an `If-Match` header; None: any. Raises BadRequest."""
    if if_match is None or if_match.strip() == "*":
        return None
    tag = if_match.strip()
    if len(tag) > 2 and tag[0] == tag[-1] == '"':
        return tag[1:-1]
    raise BadRequest('`If-Match` must be an ETag as it was sent, such as "17"', param="If-Match")


def answer(
    view: BaseModel, status: int = 200, *, revision: int | str | None = None, location: str | None = None
) -> Response:
    """An answer as JSON, with the revision, or what else names this state of the object, as its ETag."""
    headers = dict(NO_STORE)
    if revision is not None:
        headers["etag"] = f'"{revision}"'
    if location is not None:
        headers["location"] = location
    return Response(view.model_dump_json(), status, headers=headers, media_type="application/json")


def no_content() -> Response:
    """The answer to a deletion."""
    return Response(status_code=204, headers=NO_STORE)
