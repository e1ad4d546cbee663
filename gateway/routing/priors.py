"""Priors of a router's models: latency and tokens from other routers' statistics.

They are borrowed once, when a model joins a router, and never changed: observations are capped and clipped by
them, so they must not move while sums are added.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from bandit.posteriors.priors import are_of_one_class, model_prior, price_class_prior
from bandit.statistics import Signal, StatisticKey, Sums
from bandit.types import ArmPrior
from gateway.catalog.catalog import Catalog
from storage.database.engine import Database
from storage.stores.arms import Arms
from storage.stores.priors import ArmKey

BORROWED = (Signal.FIRST_TOKEN, Signal.PER_TOKEN, Signal.TOTAL, Signal.COMPLETION_TOKENS)
"""Signals that depend on the model more than on the router."""


def borrow_priors(
    database: Database, catalog: Catalog, keys: set[ArmKey], models: Mapping[str, str]
) -> dict[ArmKey, ArmPrior]:
    """Priors of arms that have none yet, from what other routers saw of them, or of models at similar prices.

    `models` are the ids of the arms' models. A variant of a model is another one of its price class.
    An arm that has statistics already was learned under the default prior, and keeps it. An arm whose router has
    statistics of other models joined late. Raises DatabaseUnavailable.
    """
    arms = Arms(database)
    started = arms.started({router_id for router_id, _ in keys})
    with_traffic = {router_id for router_id, _ in started}
    joining = keys - started
    seen = _seen(arms, {model_id for _, model_id in joining})
    unseen = [key for key in joining if not _has_times(seen[key[1]])]
    classes = {
        arm_id: _price_class(catalog, models[arm_id]) | ({models[arm_id]} - {arm_id})
        for arm_id in {arm_id for _, arm_id in unseen}
    }
    of_class = _seen(arms, set().union(*classes.values()))
    priors = {key: ArmPrior() if key in started else seen[key[1]] for key in keys}
    for router_id, model_id in unseen:
        # Models that this router has tried itself are pooled in its snapshots.
        others = [of_class[other] for other in classes[model_id] if (router_id, other) not in started]
        if any(map(_has_times, others)):
            tokens = seen[model_id].completion_tokens
            priors[router_id, model_id] = replace(price_class_prior(others), completion_tokens=tokens)
    late = {key for key in joining if key[0] in with_traffic}
    return {key: replace(prior, joined_late=key in late) for key, prior in priors.items()}


def _seen(arms: Arms, model_ids: Collection[str]) -> dict[str, ArmPrior]:
    """The priors of models from the statistics of all routers."""
    seen: dict[str, dict[StatisticKey, Sums]] = {model_id: {} for model_id in model_ids}
    for key, sums in arms.of_models(model_ids, BORROWED).items():
        seen[key.model_id][key] = sums
    return {model_id: model_prior(sums) for model_id, sums in seen.items()}


def _has_times(prior: ArmPrior) -> bool:
    return any((prior.first_token, prior.per_token, prior.total))


def _price_class(catalog: Catalog, model_id: str) -> set[str]:
    """The other models at a similar price."""
    model = catalog.get(model_id)
    if model is None:
        return set()
    return {other.id for other in catalog if other is not model and are_of_one_class(model.price, other.price)}
