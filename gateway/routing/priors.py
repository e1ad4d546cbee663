"""Priors of a router's models: pooled scorecards, and latency and tokens from other routers' statistics.

The latter are borrowed once, when a model joins a router, and never changed: observations are capped and clipped by
them, so they must not move while sums are added.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable

from bandit.posteriors.priors import model_prior, pooled
from bandit.types import ArmPrior, Signal, StatisticKey, Sums
from storage.database.engine import Database
from storage.stores.arms import Arms
from storage.stores.evals import EvalRecord
from storage.stores.priors import ArmKey

BORROWED = (Signal.FIRST_TOKEN, Signal.PER_TOKEN, Signal.TOTAL, Signal.COMPLETION_TOKENS)
"""Signals that depend on the model more than on the router."""


class Scorecards:
    """Scores of all scorecards, by model and the router that they apply to (None: all)."""

    def __init__(self, evals: Iterable[EvalRecord] = ()) -> None:
        self._scores: dict[tuple[str | None, str], list[float]] = defaultdict(list)
        for record in evals:
            for row in record.rows:
                self._scores[record.router_id, row.model_id].append(row.score)

    def pooled(self, router_id: str, model_id: str) -> float | None:
        """Return a model's mean score over the scorecards that apply to a router; None without any."""
        return pooled([*self._scores.get((None, model_id), ()), *self._scores.get((router_id, model_id), ())])


def borrow_priors(database: Database, keys: Collection[ArmKey]) -> dict[ArmKey, ArmPrior]:
    """Compute priors of new arms from other routers' statistics of their models. Raises DatabaseUnavailable.

    An arm that has statistics already was learned under the default prior, and keeps it.
    """
    arms = Arms(database)
    started = arms.started({router_id for router_id, _ in keys})
    joining = {model_id for router_id, model_id in keys if (router_id, model_id) not in started}
    seen: dict[str, dict[StatisticKey, Sums]] = {model_id: {} for model_id in joining}
    for (model_id, signal), sums in arms.of_models(joining, BORROWED).items():
        seen[model_id][StatisticKey("", model_id, "", signal)] = sums
    borrowed = {model_id: model_prior(sums) for model_id, sums in seen.items()}
    return {key: ArmPrior() if key in started else borrowed[key[1]] for key in keys}
