"""/admin/activity: what happened over time, by model and by API key."""

from typing import Annotated, TypeAlias

from fastapi import Depends, Query
from fastapi.responses import Response
from pydantic import StringConstraints

from gateway.management.activity import ActivityQuestion, filter_options, of_keys, of_models, overview
from gateway.management.activity_views import FilterOptionsView, KeysActivityView, ModelsActivityView, OverviewView
from gateway.management.activity_window import Window
from gateway.routes.admin.calls import Reader, answer, api_router

router = api_router("/admin/activity", "activity")

_Id: TypeAlias = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]+$")]
_Instant: TypeAlias = Annotated[str | None, Query(max_length=40, description="Seconds since the epoch, or RFC 3339.")]


async def _window(
    from_: Annotated[
        str | None,
        Query(alias="from", max_length=40, description="Seconds since the epoch or RFC 3339; default: a day before."),
    ] = None,
    to: _Instant = None,
    bucket_seconds: Annotated[
        int | None, Query(description="60, 300, 900, 1800, 3600, 86400, 604800 or 2592000; up to 1,000 buckets.")
    ] = None,
) -> Window:
    return Window(from_=from_, to=to, bucket_seconds=bucket_seconds)


async def _question(
    router_id: Annotated[str | None, Query(max_length=80)] = None,
    model: Annotated[list[_Id], Query(max_length=50, description="May be given several times.")] = [],  # noqa: B006 - FastAPI's way
    provider: Annotated[str | None, Query(max_length=200)] = None,
    task: Annotated[str | None, Query(max_length=64, description="A class of requests.")] = None,
    status: Annotated[
        str | None,
        Query(
            max_length=40,
            description="Requests that ended so: completed, provider_error, selector_error, rejected or aborted.",
        ),
    ] = None,
) -> ActivityQuestion:
    return ActivityQuestion(router_id=router_id, model=tuple(model), provider=provider, task=task, status=status)


_Window: TypeAlias = Annotated[Window, Depends(_window)]
_Question: TypeAlias = Annotated[ActivityQuestion, Depends(_question)]


@router.get("/overview", response_model=OverviewView)
def get_overview(management: Reader, window: _Window, question: _Question) -> Response:
    """Requests, how they ended, waits, tokens, dollars and scores per bucket of time, beside the window before."""
    return answer(overview(management, window, question))


@router.get("/models", response_model=ModelsActivityView)
def get_models(management: Reader, window: _Window, question: _Question) -> Response:
    """The same by model."""
    return answer(of_models(management, window, question))


@router.get("/keys", response_model=KeysActivityView)
def get_keys(
    management: Reader,
    window: _Window,
    api_key_id: Annotated[list[_Id], Query(max_length=50, description="May be given several times.")] = [],  # noqa: B006 - FastAPI's way
) -> Response:
    """Requests, tokens and dollars by API key. A request has the tokens of its last call, and the dollars of all."""
    return answer(of_keys(management, window, api_key_id))


@router.get("/filter-options", response_model=FilterOptionsView)
def get_filter_options(management: Reader) -> Response:
    """What activity can be filtered by."""
    return answer(filter_options(management))
