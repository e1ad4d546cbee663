"""…/routing/activity: what happened, by time, model and API key."""

from collections.abc import Callable
from typing import Annotated, Literal, TypeAlias

from fastapi import Depends, Query
from fastapi.responses import Response
from pydantic import BaseModel, StringConstraints

from gateway.errors import BadRequest
from gateway.management.activity import ActivityQuestion, filter_options, of_keys, of_models, overview
from gateway.management.activity_views import ActivityView, KeyActivityView, ModelActivityView, NamedOption
from gateway.management.activity_window import Window
from gateway.management.api_keys import last_uses
from gateway.management.context import Management
from gateway.routes.admin.calls import Reader, answer
from gateway.routes.organizations.calls import organization_router
from gateway.routes.organizations.values import dollars, instant, instant_if

router = organization_router("/routing/activity")

_Id: TypeAlias = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]+$")]
_Ids: TypeAlias = Annotated[list[_Id], Query(max_length=50, description="May be given several times.")]
_When: TypeAlias = Annotated[str | None, Query(max_length=40, description="RFC 3339.")]
_NO_PEOPLE = "there are no people here, and no keys of providers but the gateway's: leave out `{}`"


class OrganizationCounts(BaseModel):
    """What happened. A step is a request; `non_completion_rate` is of them; null: there were none."""

    model_steps: int
    completed: int
    provider_errors: int
    selector_errors: int
    aborted: int
    non_completion_rate: float | None
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    provider_cost_usd: str
    provider_cost_per_step_usd: str | None


class OrganizationBucket(OrganizationCounts):
    """One bucket of time, which begins at `at`."""

    at: str


class OrganizationModel(OrganizationCounts):
    """What happened to one model."""

    model: str
    share: float


class OrganizationOverview(BaseModel):
    """Activity over time."""

    from_at: str
    to_at: str
    bucket_seconds: int
    summary: OrganizationCounts
    series: list[OrganizationBucket]


class Transition(BaseModel):
    """A change of models within a conversation: none are told."""


class OrganizationModels(BaseModel):
    """Activity by model, most steps first."""

    from_at: str
    to_at: str
    summary: OrganizationCounts
    models: list[OrganizationModel]
    transitions: list[Transition] = []


class OrganizationIdentity(BaseModel):
    """What one API key used."""

    api_key_id: str
    label: str | None
    messages: int
    tokens: int
    spend_usd: str
    last_active_at: str | None


class OrganizationIdentities(BaseModel):
    """Usage by API key: `total` of them, of which `items` are those from `offset` on."""

    from_at: str
    to_at: str
    total: int
    items: list[OrganizationIdentity]


class OrganizationOptions(BaseModel):
    """What activity can be filtered by."""

    users: list[NamedOption]
    api_keys: list[NamedOption]
    routers: list[NamedOption]
    models: list[str]
    providers: list[str]


async def _window(from_: Annotated[_When, Query(alias="from")] = None, to: _When = None) -> Window:
    return Window(from_=from_, to=to)


async def _question(
    router_id: Annotated[str | None, Query(max_length=80)] = None,
    model: _Ids = [],  # noqa: B006 - FastAPI's way
    provider: Annotated[str | None, Query(max_length=200)] = None,
    status: Annotated[str | None, Query(max_length=40)] = None,
    user_id: _Ids = [],  # noqa: B006 - FastAPI's way
    key_source: Annotated[str | None, Query(max_length=40)] = None,
    source_scope: Annotated[str | None, Query(max_length=200)] = None,
) -> ActivityQuestion:
    for name, given in (("user_id", user_id), ("key_source", key_source), ("source_scope", source_scope)):
        if given:
            raise BadRequest(_NO_PEOPLE.format(name), param=name)
    return ActivityQuestion(router_id=router_id, model=tuple(model), provider=provider, status=status)


_Window: TypeAlias = Annotated[Window, Depends(_window)]
_Question: TypeAlias = Annotated[ActivityQuestion, Depends(_question)]


@router.get("/filter-options", response_model=OrganizationOptions)
def get_filter_options(management: Reader, _: _Window) -> Response:
    """What activity can be filtered by, whenever that was."""
    found = filter_options(management)
    return answer(
        OrganizationOptions(
            users=[], api_keys=found.api_keys, routers=found.routers, models=found.models, providers=found.providers
        )
    )


@router.get("/overview", response_model=OrganizationOverview)
def get_overview(
    management: Reader,
    window: _Window,
    question: _Question,
    bucket_seconds: Annotated[
        int | None, Query(description="60, 300, 900, 1800, 86400, 604800 or 2592000; up to 1,000 buckets.")
    ] = None,
    api_key_id: _Ids = [],  # noqa: B006 - FastAPI's way
) -> Response:
    """Steps, how they ended, tokens and dollars over time."""
    _refuse_keys(api_key_id)
    found = overview(management, window.model_copy(update={"bucket_seconds": bucket_seconds}), question)
    return answer(
        OrganizationOverview(
            from_at=instant(found.from_at),
            to_at=instant(found.to_at),
            bucket_seconds=found.bucket_seconds,
            summary=_counts(found.summary),
            series=[OrganizationBucket(at=instant(each.at), **_counts(each).model_dump()) for each in found.series],
        )
    )


@router.get("/models", response_model=OrganizationModels)
def get_models(
    management: Reader,
    window: _Window,
    question: _Question,
    api_key_id: _Ids = [],  # noqa: B006 - FastAPI's way
) -> Response:
    """The same by model."""
    _refuse_keys(api_key_id)
    found, whole = of_models(management, window, question), overview(management, window, question)
    return answer(
        OrganizationModels(
            from_at=instant(found.from_at),
            to_at=instant(found.to_at),
            summary=_counts(whole.summary),
            models=[_model(each) for each in found.models],
        )
    )


@router.get("/people-keys", response_model=OrganizationIdentities)
def get_people_keys(
    management: Reader,
    window: _Window,
    question: _Question,
    api_key_id: _Ids = [],  # noqa: B006 - FastAPI's way
    search: Annotated[str | None, Query(max_length=200)] = None,
    identity_scope: Literal["all", "people", "keys"] = "all",
    sort_by: Literal["identity", "keys", "conversations", "messages", "tokens", "spend", "last_active"] = "last_active",
    sort_direction: Literal["asc", "desc"] = "desc",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Response:
    """Usage by API key. There are no people: a scope of `people` has nobody."""
    if question != ActivityQuestion():
        raise BadRequest("the usage of API keys is of all routers and models together", param="router_id")
    found = of_keys(management, window, api_key_id)
    identities = [] if identity_scope == "people" else _identities(management, found.keys, search)
    identities.sort(key=_ORDERS.get(sort_by, _last_active), reverse=sort_direction == "desc")
    return answer(
        OrganizationIdentities(
            from_at=instant(found.from_at),
            to_at=instant(found.to_at),
            total=len(identities),
            items=identities[offset : offset + limit],
        )
    )


def _last_active(identity: OrganizationIdentity) -> str:
    return identity.last_active_at or ""


_ORDERS: dict[str, Callable[[OrganizationIdentity], str | float]] = {
    "identity": lambda each: each.label or "",
    "messages": lambda each: each.messages,
    "tokens": lambda each: each.tokens,
    "spend": lambda each: float(each.spend_usd),
}
"""By what identities are sorted; by anything else that was asked for: as they were active."""


def _identities(management: Management, keys: list[KeyActivityView], search: str | None) -> list[OrganizationIdentity]:
    used_at = last_uses(management)
    return [
        OrganizationIdentity(
            api_key_id=each.api_key_id,
            label=each.label,
            messages=each.requests,
            tokens=each.tokens,
            spend_usd=dollars(each.cost_usd),
            last_active_at=instant_if(used_at.get(each.api_key_id)),
        )
        for each in keys
        if search is None or search.lower() in f"{each.label or ''} {each.api_key_id}".lower()
    ]


def _refuse_keys(api_key_ids: list[str]) -> None:
    if api_key_ids:
        raise BadRequest(
            "activity is kept by router and model, and usage by API key in `people-keys`: leave out `api_key_id`",
            param="api_key_id",
        )


def _model(view: ModelActivityView) -> OrganizationModel:
    return OrganizationModel(model=view.model, share=view.share, **_counts(view).model_dump())


def _counts(view: ActivityView) -> OrganizationCounts:
    ended = view.answered + view.failed + view.rejected + view.client_gone
    return OrganizationCounts(
        model_steps=view.requests,
        completed=view.answered,
        provider_errors=view.failed_provider,
        selector_errors=view.failed_own,
        aborted=view.client_gone,
        non_completion_rate=(ended - view.answered) / ended if ended else None,
        input_tokens=view.prompt_tokens,
        cached_tokens=view.cached_tokens,
        output_tokens=view.completion_tokens,
        provider_cost_usd=dollars(view.cost_usd),
        provider_cost_per_step_usd=dollars(view.cost_usd / view.requests) if view.requests else None,
    )
