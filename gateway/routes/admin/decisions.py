"""/admin/decisions: recorded decisions, filtered, and one in full with its replay."""

from datetime import UTC, datetime
from typing import Annotated, TypeAlias

from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BeforeValidator, Field

from bandit.types import Epoch
from gateway.management.decision_details import decision_view, find_decision
from gateway.management.decision_views import DecisionView
from gateway.management.decisions import DecisionsView, list_decisions
from gateway.routes.admin.calls import Cursor, PageSize, Reader, answer, api_router
from gateway.routes.authentication import authorization_of
from gateway.routes.services import services_of
from storage.records import Status
from storage.stores.decisions import DecisionFilter

Id: TypeAlias = Annotated[str | None, Query(max_length=200)]
Seconds: TypeAlias = Annotated[float, Field(ge=0, le=1e11, allow_inf_nan=False)]


def _written(value: object) -> object:
    # Pydantic takes large numbers for milliseconds.
    if isinstance(value, str) and value.strip().replace(".", "", 1).isdecimal():
        raise ValueError("must be seconds since the epoch, or RFC 3339")
    return value


Moment: TypeAlias = Annotated[AwareDatetime, Field(ge=datetime.fromtimestamp(0, UTC)), BeforeValidator(_written)]
Instant: TypeAlias = Annotated[
    Annotated[Seconds | Moment, Field(union_mode="left_to_right")] | None,
    Query(description="Seconds since the epoch, or RFC 3339."),
]

CURSOR_PATTERN = r"^\d{1,11}(\.\d{1,20})?~req_[0-9a-f]{1,64}$"
"""An instant and an id, as `storage.stores.decisions` writes them."""

router = api_router("/admin", "decisions")


@router.get("/decisions", response_model=DecisionsView)
def get_decisions(
    management: Reader,
    router_id: Annotated[str | None, Query(max_length=80, description="Default: all that the key may see.")] = None,
    model: Annotated[str | None, Query(max_length=200, description="That was drawn, or answered.")] = None,
    task: Id = None,
    status: Annotated[list[Status], Query(max_length=5, description="May be repeated.")] = [],  # noqa: B006
    api_key_id: Id = None,
    explored: bool | None = None,
    conversation: Annotated[
        str | None, Query(pattern=r"^[0-9a-f]{16}$", description="All turns of one, as a decision names it.")
    ] = None,
    score_max: Annotated[float | None, Query(ge=0, le=1)] = None,
    since: Annotated[Instant, Query(alias="from")] = None,
    until: Annotated[Instant, Query(alias="to", description="Exclusive.")] = None,
    cursor: Annotated[Cursor, Query(pattern=CURSOR_PATTERN)] = None,
    limit: PageSize = 50,
) -> Response:
    """A page of requests, the latest first.

    Filters that no index serves are compared with up to 2,500 requests a call, fewer if they wait for a disk:
    `searched_to` says how far back that went.
    """
    wanted = DecisionFilter(
        router_ids=None if router_id is None else [router_id],
        key_id=api_key_id,
        model_id=model,
        task=task,
        statuses=status,
        explored=explored,
        conversation=conversation,
        score_max=score_max,
        since=_seconds(since),
        until=_seconds(until),
    )
    return answer(list_decisions(management, wanted, cursor, limit))


@router.get("/decisions/{completion_id}")
def get_decision(request: Request, management: Reader, completion_id: str) -> DecisionView:
    """One decision in full: what was known, drawn and learned, its attempts and feedback, and its replay.

    `content` is for keys with the scope `admin` alone.
    """
    services = services_of(request)
    may_read_content = services.keyring.has_scope(authorization_of(request), ("admin",), services.clock())
    return decision_view(management, find_decision(management, completion_id), with_content=may_read_content)


def _seconds(instant: "float | AwareDatetime | None") -> Epoch | None:
    if instant is None or isinstance(instant, float):
        return instant if instant is None else Epoch(instant)
    return Epoch(instant.timestamp())
