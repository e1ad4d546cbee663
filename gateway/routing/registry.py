"""The routers in memory: the state of each, kept equal to the ledger, and those that are served."""

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping

from bandit.budget import pace
from bandit.learning import learn_scores
from bandit.statistics import Deltas, StatisticKey, Sums
from bandit.types import BudgetState, Epoch, HalfLives, Scores
from gateway.catalog.catalog import Catalog
from gateway.routing.loader import Loaded
from gateway.routing.router import LiveRouter, RouterState
from gateway.settings.router_options import DEFAULT_OPTIONS
from storage.pending_events import part_of
from storage.replication.changes import Changed
from storage.writing.writer import Committed

log = logging.getLogger(__name__)


class Registry:
    """The state of every router of the ledger, and the routers that are served, by id.

    `routers` changes on the event loop alone. Methods for the writer's thread are called there, between transactions,
    and read `routers` only by id. States are kept of routers that are not served too: whenever one is added, all that
    its statistics add up to is in memory, and nothing has to be read beside the commits.
    """

    def __init__(self, everything: Changed, catalog: Catalog) -> None:
        self.routers: dict[str, LiveRouter] = {}
        self.unreadable: dict[str, str] = {}  # why settings can't be read: such a router is served as it was, if it was
        self.scales = {DEFAULT_OPTIONS.feedback_scale}  # of all feedback that a router has asked for
        self._catalog = catalog
        self._states: dict[str, RouterState] = {}
        self._deleted: dict[str, HalfLives] = {}
        self.follow(everything)

    def apply(self, committed: Committed) -> Collection[str]:
        """Apply what this process has committed. Returns the routers whose statistics or budget have changed."""
        by_router = _by_router(committed.deltas)
        changed = by_router.keys() | committed.budgets.keys()
        for router_id in changed:
            self._state(router_id).add(by_router[router_id], committed.budgets.get(router_id))
        for (router_id, day), spent_usd in committed.spend_usd.items():
            self._state(router_id).spend.commit(day, spent_usd)
        for (router_id, purpose, day), spent_usd in committed.judging_usd.items():
            self._state(router_id).spend_beside(purpose).commit(day, spent_usd)
        return changed

    def follow(self, changed: Changed) -> Collection[str]:
        """Apply statistics, budgets and spend that other processes have changed. Returns the routers as `apply`."""
        by_router = _by_router(changed.sums)
        if changed.everything:
            for state in self._states.values():
                state.forget()
        router_ids = by_router.keys() | changed.budgets.keys()
        for router_id in router_ids:
            self._state(router_id).replace(by_router[router_id], changed.budgets.get(router_id))
        for (router_id, day), spent_usd in changed.spend_usd.items():
            self._state(router_id).spend.replace(day, spent_usd)
        for (router_id, purpose, day), spent_usd in changed.judging_usd.items():
            self._state(router_id).spend_beside(purpose).replace(day, spent_usd)
        if changed.folded:
            for router_id, state in self._states.items():
                if part_of(router_id) in changed.folded:
                    state.settled = state.revision
        return router_ids

    def adopt(self, catalog: Catalog, loaded: Loaded) -> None:
        """Use another catalog, with all routers as they were loaded by it."""
        self._catalog = catalog
        self.replace(loaded)

    def replace(self, loaded: Loaded) -> None:
        """Replace the routers that were loaded. Each keeps its state; the others are not touched."""
        named = self._states.keys() | loaded.tasks.keys() if loaded.task_router_ids is None else loaded.task_router_ids
        for router_id in named:
            self._state(router_id).tasks.replace(loaded.tasks.get(router_id, {}), loaded.at)
        self._deleted.update(loaded.deleted)
        every = self.routers.keys() | self.unreadable.keys() | loaded.definitions.keys()
        ids = every if loaded.router_ids is None else loaded.router_ids
        self.unreadable.update(loaded.unreadable)
        for router_id in ids - loaded.unreadable.keys():
            self.unreadable.pop(router_id, None)
            definition, former = loaded.definitions.get(router_id), self.routers.get(router_id)
            if definition is None:
                self.routers.pop(router_id, None)
                continue
            self.scales.add(definition.options.feedback_scale)
            definition = definition.repriced(self._catalog)  # a price may have changed since they were loaded
            if former is None or former.definition != definition:
                self.routers[router_id] = LiveRouter(definition, self._state(router_id), former)

    def reprice(self, now: Epoch) -> None:
        """Update prices if one may have changed by `now`, such as that of an hour of the day."""
        if now < self._catalog.priced_until:
            return
        changed = self._catalog.reprice(now)
        if changed:
            log.info("the price list has other prices now: %s", ", ".join(sorted(changed)))
            for live in self.routers.values():
                live.reprice(self._catalog)

    def learn_scores(self, before: Scores, after: Scores) -> Deltas:
        """Return the deltas of a changed score. For the writer's thread."""
        live = self.routers.get(before.router_id)
        half_lives = live.settings.half_lives if live else self._deleted.get(before.router_id, HalfLives())
        return learn_scores(before, after, half_lives.quality)

    def scale_of(self, router_id: str) -> tuple[float, float]:
        """Return the worst and the best score of a router's feedback. For the writer's thread."""
        live = self.routers.get(router_id)
        return DEFAULT_OPTIONS.feedback_scale if live is None else live.options.feedback_scale

    def pace(self, router_id: str, state: BudgetState, cost_usd: float) -> BudgetState | None:
        """Return the next state of a router's budget; None without one. For the writer's thread."""
        live = self.routers.get(router_id)
        budget_usd = live.settings.budget_usd_per_request if live else None
        return None if budget_usd is None else pace(state, budget_usd, cost_usd)

    def _state(self, router_id: str) -> RouterState:
        state = self._states.get(router_id)
        if state is None:
            state = self._states[router_id] = RouterState()
        return state


def _by_router(sums: Mapping[StatisticKey, Sums]) -> defaultdict[str, dict[StatisticKey, Sums]]:
    by_router: defaultdict[str, dict[StatisticKey, Sums]] = defaultdict(dict)
    for key, value in sums.items():
        by_router[key[0]][key] = value  # by its place: this runs for each answer
    return by_router
