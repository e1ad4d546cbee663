"""What is declared and kept becomes what runs: providers' adapters, and routers with their statistics."""

import logging
from collections.abc import Mapping

from bandit.types import Arm, BudgetState, StatisticKey, Sums
from gateway.arm_priors import ArmPriors
from gateway.catalog import Catalog, Model
from gateway.live import LiveRouter
from gateway.providers.anthropic import AnthropicProvider
from gateway.providers.call import Provider
from gateway.providers.client import HttpClient
from gateway.providers.openai import OpenAIProvider
from gateway.router_options import RouterOptions, bandit_settings
from gateway.settings import SIMULATED, ProviderSettings
from storage.arms import Arms
from storage.engine import Database
from storage.records import RouterModel, RouterRecord
from storage.routers import Routers

log = logging.getLogger(__name__)


def build_providers(
    declared: Mapping[str, ProviderSettings], client: HttpClient, simulated_url: str | None
) -> dict[str, Provider]:
    """An adapter for each provider, by name."""
    providers: dict[str, Provider] = {}
    for settings in declared.values():
        adapter = AnthropicProvider if settings.kind == "anthropic" else OpenAIProvider
        providers[settings.name] = adapter(settings, client)
    if simulated_url is not None:
        providers[SIMULATED] = OpenAIProvider(ProviderSettings(SIMULATED, "openai", simulated_url), client)
    return providers


def load_routers(database: Database, catalog: Catalog, now: float) -> dict[str, LiveRouter]:
    """All routers of the database, each with what it has learned. Raises DatabaseUnavailable."""
    arms = Arms(database)
    everything = arms.sums()
    priors = ArmPriors(database, everything, now)
    sums: dict[str, dict[StatisticKey, Sums]] = {}
    for key, value in everything.items():
        sums.setdefault(key.router_id, {})[key] = value
    budgets = arms.budgets()
    return {
        record.id: live_router(record, catalog, priors, sums.get(record.id, {}), budgets.get(record.id, BudgetState()))
        for record in Routers(database).all()
    }


def live_router(
    record: RouterRecord, catalog: Catalog, priors: ArmPriors, sums: dict[StatisticKey, Sums], budget: BudgetState
) -> LiveRouter:
    """One router as it runs. A model that the catalog does not know any more is left out, loudly."""
    options = RouterOptions.from_json(record.settings)
    models: dict[str, Model] = {}
    arms: list[Arm] = []
    for entry in sorted(record.models, key=_by_id):
        if not entry.enabled:
            continue
        model = catalog.get(entry.model_id)
        if model is None:
            log.warning("router %s: the model %s is not configured any more; left out", record.id, entry.model_id)
            continue
        models[model.id] = model
        prior = priors.of(record.id, model.id)
        arms.append(Arm(model.id, model.price, prior, min_share=entry.min_share, max_share=entry.max_share))
    return LiveRouter(
        options=options,
        settings=bandit_settings(record.id, options),
        secret=record.secret,
        models=models,
        arms=tuple(arms),
        sums=sums,
        budget=budget,
        created_at=record.created_at,
    )


def _by_id(entry: RouterModel) -> str:
    return entry.model_id
