"""An experiment's parts beside one another, by what happened: figures, differences, and whether enough is known."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
from pydantic import BaseModel

from bandit.experiment import Experiment, ExperimentView, Unit
from bandit.ope.estimates import Figure
from bandit.ope.parts import TERMS, Difference, PartSums, Told, Verdict, differences_of, figures_of
from bandit.policies import named
from bandit.types import Epoch
from gateway.choice_records import read_choice
from gateway.errors import NotFound
from gateway.management.context import Management
from gateway.routing.objectives import objective_of
from gateway.settings.router_options import RouterOptions
from storage.calendar import DAY
from storage.records import RouterRecord
from storage.stores.experiments import Experiments, UnitSums


class FigureView(BaseModel):
    """A mean per request and its 95 % interval; null: not known yet."""

    mean: float | None
    low: float | None
    high: float | None


class DifferenceView(FigureView):
    """A part's mean less the first one's. `verdict` is safe to be looked at again and again.

    `more_requests`: about so many of the router are needed until enough is known; null: it is, or nobody can tell.
    """

    verdict: Verdict
    more_requests: int | None


class ComparedPart(BaseModel):
    """One policy: its share, how many units and requests it had, its figures, and the differences to the first part."""

    policy: str
    share: float
    units: int
    requests: int
    scored: float
    figures: dict[str, FigureView]
    differences: dict[str, DifferenceView]


class ComparedExperiment(BaseModel):
    """An experiment by what happened since an instant.

    `others` are requests of the router in another experiment, such as before its shares were changed. `enough`: of
    every part it is known whether its worth (`utility_usd`, by the present objective) is higher, lower or level.
    """

    id: str
    unit: Unit
    running: bool
    since: float
    requests: int
    others: int
    enough: bool
    parts: list[ComparedPart]


def compare_experiment(management: Management, router_id: str, days: float) -> ComparedExperiment:
    """The router's experiment, else its latest one, in the last `days`. Raises NotFound."""
    record = management.existing_router(router_id)
    ledger, since = Experiments(management.database), Epoch(max(management.now - days * DAY, 0.0))
    running = _running(record)
    known = running or _latest(ledger, router_id, since)
    if known is None:
        raise NotFound(f"{router_id} had no experiment in the last {days:g} days", code="experiment_not_found")
    id_, unit, shares = known
    found = {each.policy: _part(each) for each in ledger.sums(router_id, id_, since)}
    sums = [found.get(policy) or _part(UnitSums(policy, 0, (), ())) for policy in shares]
    objective, requests = objective_of(record, management.catalog()), sum(float(part.totals[0]) for part in sums)
    differences = [differences_of(part, sums[0], objective, requests) for part in sums[1:]]
    return ComparedExperiment(
        id=id_,
        unit=unit,
        running=running is not None,
        since=since,
        requests=int(requests),
        others=ledger.others(router_id, id_, since),
        enough=all(each[Figure.UTILITY].verdict is not Verdict.UNKNOWN for each in differences),
        parts=[
            ComparedPart(
                policy=part.policy,
                share=shares[part.policy],
                units=part.units,
                requests=int(part.totals[0]),
                scored=float(part.totals[4]),
                figures={figure.value: _figure(told) for figure, told in figures_of(part, objective).items()},
                differences={figure.value: _difference(each) for figure, each in apart.items()},
            )
            for part, apart in zip(sums, [{}, *differences], strict=True)
        ],
    )


def _running(record: RouterRecord) -> tuple[str, Unit, Mapping[str, float]] | None:
    options = RouterOptions.readable(record.settings)
    if not options.policies:
        return None
    experiment = Experiment(options.policies, Unit(options.experiment_unit))
    return experiment.id, experiment.unit, {named(part.policy).name: part.share for part in experiment.parts}


def _latest(ledger: Experiments, router_id: str, since: Epoch) -> tuple[str, Unit, Mapping[str, float]] | None:
    """The experiment of the router's latest request in one, from that request's choice."""
    raw = ledger.latest(router_id, since)
    view: ExperimentView | None = None if raw is None else read_choice(raw).experiment
    return None if view is None else (view.id, view.unit, {part.policy: part.share for part in view.parts})


def _part(sums: UnitSums) -> PartSums:
    size = len(TERMS)
    totals, products = np.zeros(size), np.zeros((size, size))
    if sums.units:
        totals[:] = sums.totals
        products[np.triu_indices(size)] = sums.products
        products = products + np.triu(products, 1).T
    return PartSums(sums.policy, sums.units, totals, products)


def _figure(told: Told) -> FigureView:
    if told.interval is None:
        return FigureView(mean=told.mean, low=None, high=None)
    return FigureView(**asdict(told.interval))


def _difference(apart: Difference) -> DifferenceView:
    bounds = dict.fromkeys(("mean", "low", "high")) if apart.estimate is None else asdict(apart.estimate)
    return DifferenceView(**bounds, verdict=apart.verdict, more_requests=apart.more_requests)


def in_words(figure: str, apart: DifferenceView, unit: Unit) -> str:
    """What is known of a difference, or how much is missing."""
    if apart.verdict is not Verdict.UNKNOWN:
        return f"enough is known: {apart.verdict}"
    if apart.more_requests is None:
        return f"not enough: too few {unit}s" + (" or scores" if figure in _OF_SCORES else "")
    return f"not enough: about {apart.more_requests:,} more requests"


_OF_SCORES: Sequence[str] = (Figure.QUALITY, Figure.UTILITY)
