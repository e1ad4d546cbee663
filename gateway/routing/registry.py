"""The routers in memory: loaded from the database, and kept as it is, whoever changes it."""

import logging
import time
from collections.abc import Mapping

from bandit.budget import pace
from bandit.learning import learn_scores
from bandit.types import Arm, BudgetState, Deltas, Epoch, HalfLives, Scores, StatisticKey, Sums
from gateway.catalog.catalog import Catalog, Model
from gateway.routing.daily_spend import DailySpend, day_of
from gateway.routing.objectives import objective_of
from gateway.routing.priors import ArmPriors
from gateway.routing.router import LiveRouter
from gateway.settings.router_options import RouterOptions, bandit_settings
from storage.database.engine import Database
from storage.records import RouterModel, RouterRecord
from storage.replication.changes import Changed
from storage.stores.arms import Arms
from storage.stores.ledger import Ledger
from storage.stores.routers import Routers
from storage.writing.writer import Committed

log = logging.getLogger(__name__)


class Registry:
    """All routers by id. `routers` changes on the event loop alone; what is said to be for the writer's thread is
    called there, between transactions, and reads `routers` only by id.
    """

    def __init__(self, database: Database, catalog: Catalog) -> None:
        self._database = database
        self._catalog = catalog
        self.routers: dict[str, LiveRouter] = load_routers(database, catalog, Epoch(time.time()))

    def apply(self, committed: Committed) -> None:
        """Add what this process has committed."""
        by_router: dict[str, dict[StatisticKey, Sums]] = {}
        for key, sums in committed.deltas.items():
            by_router.setdefault(key.router_id, {})[key] = sums
        for router_id in by_router.keys() | committed.budgets.keys():
            live = self.routers.get(router_id)
            if live is not None:
                live.apply(by_router.get(router_id, {}), committed.budgets.get(router_id))

    def reloaded(self, changed: Changed) -> dict[str, LiveRouter] | None:
        """The routers made anew, where settings or scorecards have changed. For the writer's thread."""
        if changed.routers is None and changed.evals is None:
            return None
        return load_routers(self._database, self._catalog, Epoch(time.time()))

    def follow(self, changed: Changed, reloaded: Mapping[str, LiveRouter] | None) -> None:
        """Take over what other processes have changed."""
        if reloaded is not None:
            self.routers.clear()
            self.routers.update(reloaded)
        by_router: dict[str, dict[StatisticKey, Sums]] = {}
        for key, sums in changed.sums.items():
            by_router.setdefault(key.router_id, {})[key] = sums
        for router_id in by_router.keys() | changed.budgets.keys():
            live = self.routers.get(router_id)
            if live is not None:
                live.replace(by_router.get(router_id, {}), changed.budgets.get(router_id))
        for (router_id, day), spent_usd in changed.spend_usd.items():
            live = self.routers.get(router_id)
            if live is not None:
                live.spend.replace(day, spent_usd)

    def reprice(self, now: Epoch) -> None:
        """Ask the price list again if a price may have changed by `now`, such as that of an hour of the day."""
        changed = self._catalog.reprice(now)
        if changed:
            log.info("the price list has other prices now: %s", ", ".join(sorted(changed)))
            for live in self.routers.values():
                live.reprice(changed)

    def learn_scores(self, before: Scores, after: Scores) -> Deltas:
        """What a changed score adds to the statistics. For the writer's thread."""
        live = self.routers.get(before.router_id)
        half_lives = live.settings.half_lives if live else HalfLives()
        return learn_scores(before, after, half_lives.quality)

    def pace(self, router_id: str, state: BudgetState, cost_usd: float) -> BudgetState | None:
        """The next state of a router's budget; None without one. For the writer's thread."""
        live = self.routers.get(router_id)
        budget_usd = live.settings.budget_usd_per_request if live else None
        return None if budget_usd is None else pace(state, budget_usd, cost_usd)


def load_routers(database: Database, catalog: Catalog, now: Epoch) -> dict[str, LiveRouter]:
    """All routers of the database, each with what it has learned. Raises DatabaseUnavailable."""
    arms = Arms(database)
    everything = arms.sums()
    priors = ArmPriors(database, everything, now)
    sums: dict[str, dict[StatisticKey, Sums]] = {}
    for key, value in everything.items():
        sums.setdefault(key.router_id, {})[key] = value
    budgets = arms.budgets()
    ledger = Ledger(database)
    return {
        record.id: _live_router(
            record,
            catalog,
            priors,
            sums.get(record.id, {}),
            budgets.get(record.id, BudgetState()),
            DailySpend(_daily_limit(record), day_of(now), ledger.spend_today(record.id, now)),
        )
        for record in Routers(database).all()
    }


def _live_router(
    record: RouterRecord,
    catalog: Catalog,
    priors: ArmPriors,
    sums: dict[StatisticKey, Sums],
    budget: BudgetState,
    spend: DailySpend,
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
        settings=bandit_settings(record.id, options, objective_of(record, catalog)),
        secret=record.secret,
        models=models,
        arms=tuple(arms),
        sums=sums,
        budget=budget,
        spend=spend,
        created_at=record.created_at,
    )


def _by_id(entry: RouterModel) -> str:
    return entry.model_id


def _daily_limit(record: RouterRecord) -> float | None:
    return RouterOptions.from_json(record.settings).max_usd_per_day
