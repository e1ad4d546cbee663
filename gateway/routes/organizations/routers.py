"""…/routers: list, create, show, replace and delete routers, and the models that they may have."""

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import BackgroundTasks, Body
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from gateway.catalog.catalog import Catalog
from gateway.errors import BadRequest
from gateway.management.models import list_models
from gateway.management.routers import (
    RouterModelView,
    RouterView,
    change_router,
    create_router,
    delete_router,
    get_router,
    list_routers,
    rebuild_router,
)
from gateway.routes.admin.calls import Administrator, Reader, answer
from gateway.routes.organizations.calls import organization_router
from gateway.routes.organizations.thinking import arms_of, enabled_of
from gateway.routes.organizations.values import dollars, instant

router = organization_router()

STRATEGY = "slm"
"""What their strategies are called; whatever a router is sent, it learns."""


class EvalReference(BaseModel):
    """An evaluation that counts for a router."""

    id: str


class OrganizationRouter(BaseModel):
    """A router. `eval_ids` empty: all evaluations count that apply to it.

    `model_thinking_levels` are the levels that each model is called with, `fast_models` those that are called in their
    fast mode. `custom_config` are its rules; null: it has none.
    """

    id: str
    name: str
    endpoint: str
    enabled_models: list[str]
    model_providers: dict[str, str]
    provider_key_sources: dict[str, str]
    eval_ids: list[str]
    evals: list[EvalReference]
    routing_strategy: str = STRATEGY
    model_thinking_levels: dict[str, list[str]] = {}
    fast_models: list[str] = []
    custom_config: dict[str, JsonValue] | None = None
    created_at: str
    updated_at: str


class OrganizationRouters(BaseModel):
    """All routers."""

    routers: list[OrganizationRouter]


class DeletedRouter(BaseModel):
    """A router that was deleted."""

    id: str
    deleted_at: str


class CatalogModel(BaseModel):
    """A model. Prices are in dollars per million tokens; null: not known."""

    id: str
    provider: str
    default_provider: str
    input_usd_per_million: str | None
    output_usd_per_million: str | None
    context_window: int | None


class CatalogGroup(BaseModel):
    """The models of one provider."""

    provider: str
    models: list[CatalogModel]


class ModelCatalog(BaseModel):
    """The models that a router may have."""

    groups: list[CatalogGroup]


class CustomConfig(BaseModel):
    """Rules of a router, and the model for requests that fit none."""

    model_config = ConfigDict(extra="forbid", strict=True)

    rules: list[dict[str, JsonValue]] = []
    default: str | dict[str, JsonValue] | None = None


class OrganizationRouterBody(BaseModel):
    """A router as it is to be. Provider keys are the gateway's own: `managed` is all that they can be.

    Each level of a model is an arm of the router. `custom_config` holds `rules` and `default`, as our settings do.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(max_length=200)
    enabled_models: list[str]
    eval_ids: list[str] | None = None
    model_providers: dict[str, str] | None = None
    provider_key_sources: dict[str, Literal["managed"]] | None = None
    routing_strategy: Literal["slm", "dari", "custom"] | None = None
    model_thinking_levels: dict[str, str | list[str]] | None = None
    fast_models: list[str] | None = None
    custom_config: CustomConfig | None = None

    def fields(self, former: Mapping[str, RouterModelView], catalog: Catalog) -> dict[str, object]:
        """The fields of a router by our names; arms of `former` keep their shares. Raises BadRequest."""
        for model_id, provider in (self.model_providers or {}).items():
            if provider != model_id.partition("/")[0]:
                raise BadRequest(
                    f"`model_providers`: {model_id[:80]!r} is served by the provider that its id begins with",
                    param="model_providers",
                )
        evals: dict[str, object] = {} if self.eval_ids is None else {"eval_ids": self.eval_ids or None}
        models = arms_of(self.enabled_models, self.model_thinking_levels or {}, self.fast_models or (), former, catalog)
        rules = {} if self.custom_config is None else self.custom_config.model_dump()
        return {"name": self.name, "models": models, **evals, **rules}


@router.get("/routers")
def get_routers(management: Reader) -> OrganizationRouters:
    """All routers."""
    return OrganizationRouters(routers=[_shown(each) for each in list_routers(management)])


@router.get("/routers/model-catalog")
def get_model_catalog(management: Reader) -> ModelCatalog:
    """The models that a router may have, by provider."""
    groups: dict[str, list[CatalogModel]] = {}
    for model in list_models(management):
        provider = model.id.partition("/")[0]
        prices = [model.price.get(f"{name}_usd_per_million") for name in ("input", "output")]
        told = [dollars(price) if isinstance(price, float | int) else None for price in prices]
        groups.setdefault(provider, []).append(
            CatalogModel(
                id=model.id,
                provider=provider,
                default_provider=provider,
                input_usd_per_million=told[0],
                output_usd_per_million=told[1],
                context_window=model.context_window,
            )
        )
    return ModelCatalog(groups=[CatalogGroup(provider=name, models=models) for name, models in groups.items()])


@router.post("/routers", status_code=201, response_model=OrganizationRouter)
def post_router(management: Administrator, body: Annotated[OrganizationRouterBody, Body()]) -> Response:
    """Create a router."""
    return answer(_shown(create_router(management, body.fields({}, management.catalog())).router), 201)


@router.get("/routers/{router_id}")
def get_one_router(management: Reader, router_id: str) -> OrganizationRouter:
    """One router."""
    return _shown(get_router(management, router_id))


@router.put("/routers/{router_id}", response_model=OrganizationRouter)
def put_router(
    management: Administrator,
    router_id: str,
    body: Annotated[OrganizationRouterBody, Body()],
    background: BackgroundTasks,
) -> Response:
    """Replace name and models, and evaluations and rules if they are given; arms that stay keep their shares."""
    former = {model.id: model for model in get_router(management, router_id).models}
    change = change_router(management, router_id, body.fields(former, management.catalog()))
    response = answer(_shown(change.router))
    if change.rebuild and not management.dry_run:
        background.add_task(rebuild_router, management, router_id)
        response.background = background
    return response


@router.delete("/routers/{router_id}", response_model=DeletedRouter)
def delete_one_router(management: Administrator, router_id: str) -> Response:
    """Delete a router. Its ledger stays, and `POST /admin/routers/{router_id}/restore` brings it back."""
    delete_router(management, router_id)
    return answer(DeletedRouter(id=router_id, deleted_at=instant(management.now)))


def _shown(view: RouterView) -> OrganizationRouter:
    enabled, levels, fast = enabled_of(view.models)
    providers = {model_id: model_id.partition("/")[0] for model_id in enabled}
    eval_ids = view.eval_ids or []
    rules: dict[str, JsonValue] = {name: view.settings[name] for name in ("rules", "default") if view.settings[name]}
    return OrganizationRouter(
        id=view.id,
        name=view.name,
        endpoint=view.endpoint,
        enabled_models=enabled,
        model_thinking_levels=levels,
        fast_models=fast,
        custom_config=rules or None,
        model_providers=providers,
        provider_key_sources=dict.fromkeys(sorted(set(providers.values())), "managed"),
        eval_ids=eval_ids,
        evals=[EvalReference(id=eval_id) for eval_id in eval_ids],
        created_at=instant(view.created_at),
        updated_at=instant(view.updated_at),
    )
