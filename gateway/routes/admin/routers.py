"""/admin/routers: list, create, show, change and delete routers."""

from typing import Annotated, Any

from fastapi import BackgroundTasks, Body
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from gateway.management.routers import (
    RouterModelView,
    RouterView,
    change_router,
    create_router,
    delete_router,
    get_router,
    list_routers,
    rebuild_router,
    restore_router,
)
from gateway.routes.admin.calls import (
    Administrator,
    IfMatch,
    Listed,
    Reader,
    answer,
    api_router,
    expected_revision,
    no_content,
)
from gateway.routes.admin.idempotency import IdempotentRoute

router = api_router("/admin", "routers", IdempotentRoute)


class ChangedRouter(RouterView):
    """The router after the change. `rebuilding`: its statistics are recomputed with the new half-lives meanwhile."""

    rebuilding: bool = False


class EvalIds(BaseModel):
    """The scorecards that count for a router; null: all that apply to it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    eval_ids: list[str] | None


class RouterModelEntry(RouterModelView):
    """An entry of a router's models: an arm as it is shown, or a model with all levels, tiers and a name to combine.

    Each combination of `thinking` and `tiers` is an arm of its own, called by `as` if that is given.
    """

    model_config = ConfigDict(extra="forbid")

    thinking: str | list[str] | None = None  # type: ignore[assignment]  # wider than what is shown
    tiers: list[str] | None = None
    named: str | None = Field(None, alias="as")


class RouterPatch(BaseModel):
    """The fields of a router. In a change, those that are left out stay, and null puts an option back to its default.

    Every option is described in docs/configuration.md; ranges are checked by the same rules as in the file.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [{"objective": "cheapest", "max_usd_per_day": 20.0, "enabled_models": ["simulated/swift"]}]
        },
    )

    name: str | None = Field(None, max_length=200)
    models: list[str | RouterModelEntry] | None = None
    enabled_models: list[str] | None = None
    eval_ids: list[str] | None = None
    policy: str | None = None
    policies: list[dict[str, JsonValue]] | None = None
    experiment_unit: str | None = None
    objective: str | dict[str, float] | None = None
    exploration: float | None = None
    temperature: float | None = None
    half_lives: dict[str, float] | None = None
    request_timeout_seconds: float | None = None
    max_attempts: int | None = None
    store_content: bool | None = None
    retention_days: int | str | None = None
    instructions: bool | None = None
    tasks: str | None = None
    call_site_names: bool | None = None
    task_metadata_key: str | None = None
    budget_usd_per_request: float | None = None
    max_usd_per_day: float | None = None
    latency_limit_seconds: float | None = None
    quality_floor: float | None = None
    newcomer_share: float | None = None
    newcomer_outcomes: int | None = None
    sticky_seconds: float | None = None
    automatic_models: bool | None = None
    feedback_scale: tuple[float, float] | None = None
    judge: dict[str, JsonValue] | None = None
    shadow: dict[str, JsonValue] | None = None
    rules: list[dict[str, JsonValue]] | None = None
    default: str | dict[str, JsonValue] | None = None


class NewRouter(RouterPatch):
    """A router to create. Without an `id` it gets one."""

    id: str | None = None


@router.get("/routers", response_model=Listed[RouterView])
def get_routers(management: Reader) -> Response:
    """All routers."""
    return answer(Listed(data=list_routers(management)))


@router.post("/routers", status_code=201, response_model=RouterView)
def post_router(management: Administrator, body: Annotated[NewRouter, Body()], background: BackgroundTasks) -> Response:
    """Create a router. One of the same id that was deleted is continued with what was learned."""
    made = create_router(management, _given(body))
    response = answer(made.router, 201, revision=made.router.revision, location=f"/admin/routers/{made.router.id}")
    return _rebuilding(response, background, management, made.router.id) if made.rebuild else response


@router.get("/routers/{router_id}", response_model=RouterView)
def get_one_router(management: Reader, router_id: str) -> Response:
    """One router; its ETag is its revision."""
    found = get_router(management, router_id)
    return answer(found, revision=found.revision)


@router.patch("/routers/{router_id}", response_model=ChangedRouter, responses={202: {"model": ChangedRouter}})
def patch_router(
    management: Administrator,
    router_id: str,
    body: Annotated[RouterPatch, Body()],
    background: BackgroundTasks,
    if_match: IfMatch = None,
) -> Response:
    """Change a router (a merge patch). 202: its statistics are being rebuilt, because its half-lives changed."""
    change = change_router(management, router_id, _given(body), expected=expected_revision(if_match))
    rebuilding = change.rebuild and not management.dry_run
    view = ChangedRouter(**change.router.model_dump(), rebuilding=rebuilding)
    if not rebuilding:
        return answer(view, revision=view.revision)
    return _rebuilding(answer(view, 202, revision=view.revision), background, management, router_id)


@router.delete("/routers/{router_id}", status_code=204)
def delete_one_router(management: Administrator, router_id: str, if_match: IfMatch = None) -> Response:
    """Delete a router. Its ledger stays for its `retention_days`, and `restore` brings it back."""
    delete_router(management, router_id, expected=expected_revision(if_match))
    return no_content()


@router.post("/routers/{router_id}/restore", response_model=RouterView)
def post_restoration(management: Administrator, router_id: str) -> Response:
    """Bring a deleted router back as it was, with what was learned."""
    restored = restore_router(management, router_id)
    return answer(restored, revision=restored.revision)


@router.put("/routers/{router_id}/evals", response_model=EvalIds)
def put_router_evals(
    management: Administrator, router_id: str, body: Annotated[EvalIds, Body()], if_match: IfMatch = None
) -> Response:
    """Choose the scorecards that count for a router."""
    change = change_router(management, router_id, {"eval_ids": body.eval_ids}, expected=expected_revision(if_match))
    return answer(EvalIds(eval_ids=change.router.eval_ids), revision=change.router.revision)


def _rebuilding(response: Response, background: BackgroundTasks, management: Administrator, router_id: str) -> Response:
    """The response, after which the router's statistics are rebuilt; a process that dies meanwhile leaves it marked."""
    background.add_task(rebuild_router, management, router_id)
    response.background = background
    return response


def _given(body: RouterPatch) -> dict[str, Any]:
    """The fields that the caller gave, null among them."""
    return body.model_dump(exclude_unset=True, by_alias=True)
