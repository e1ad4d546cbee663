"""Models: list what the catalog knows, resume one that is parked or cools down."""

from pydantic import BaseModel

from gateway.catalog.catalog import Model
from gateway.errors import NotFound
from gateway.management.context import Management
from gateway.management.prices import long_prompts_of, rates_of, tiers_of
from gateway.management.routers import RouterView, change_router, get_router
from storage.records import RouterRecord
from storage.stores.resumptions import Resumptions
from storage.stores.routers import Routers


class ModelView(BaseModel):
    """A model of the catalog. Prices are in dollars per million tokens, by their names in the configuration file.

    `routers` are those in which it is enabled.
    """

    id: str
    object: str = "model"
    provider: str
    upstream_name: str
    price: dict[str, float | str]
    long_prompts: dict[str, dict[str, float]]
    service_tiers: dict[str, dict[str, float]]
    context_window: int | None
    output_limit: int | None
    reasoning: bool | None
    temperature: bool | None
    abilities: list[str]
    routers: list[str]


def list_models(management: Management) -> list[ModelView]:
    """All configured models, and those that the actor's routers name."""
    routers = [record for record in Routers(management.database).all() if management.sees(record.id)]
    return [_view(model, routers) for _, model in sorted(management.known_models(routers).items())]


def offered_models(management: Management) -> list[str]:
    """Ids of what the configured providers offer beyond the configured models: a router may name them, too."""
    catalog = management.catalog()
    configured = {model.id for model in catalog.configured()}
    return [model_id for model_id in catalog.offered() if model_id not in configured]


def add_model(management: Management, router_id: str, model_id: str) -> RouterView:
    """Enable a model in a router, whose other models stay as they are. Raises NotFound, OptionsError."""
    former = get_router(management, router_id).models
    models = [{**model.model_dump(), "enabled": model.enabled or model.id == model_id} for model in former]
    named = [] if any(model.id == model_id for model in former) else [model_id]
    return change_router(management, router_id, {"models": [*models, *named]}).router


def resume_model(management: Management, model_id: str) -> None:
    """Try a parked or cooling model again at once, in all processes: its cause is fixed. Raises NotFound."""
    routers = [record for record in Routers(management.database).all() if management.sees(record.id)]
    if not any(model.model_id == model_id and model.enabled for record in routers for model in record.models):
        raise NotFound(
            f"no router has an enabled model {model_id[:80]!r}; `routers list` shows which have what",
            code="model_not_found",
        )
    if not management.dry_run:
        Resumptions(management.database).announce(model_id, management.change("model.resume", model_id, {}, {}))


def _view(model: Model, routers: list[RouterRecord]) -> ModelView:
    return ModelView(
        id=model.id,
        provider=model.provider,
        upstream_name=model.upstream_name,
        price={**rates_of(model.price), "source": model.price_source},
        long_prompts=long_prompts_of(model),
        service_tiers=tiers_of(model),
        context_window=model.context_window,
        output_limit=model.output_limit,
        reasoning=model.reasoning,
        temperature=model.temperature,
        abilities=sorted(model.abilities),
        routers=[
            record.id for record in routers if any(each.model_id == model.id and each.enabled for each in record.models)
        ],
    )
