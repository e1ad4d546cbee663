"""Answers to questions, as JSON: a proposal beside what was logged, and the frontier of quality and cost."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np

from bandit.ope.estimates import Estimate, Figure
from bandit.ope.estimators import Evaluation, compare, evaluate
from bandit.ope.logged import Floats
from bandit.ope.targets import Proposal, target_probabilities
from bandit.types import Objective
from gateway.analyst.log import Evidence, Sampled

SPAN = 32.0
"""The frontier's dollars of a perfect answer go from the present ones divided by this to those times this."""

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Answer:
    """A proposal's figures, those of the log by the same estimators, their difference, and the models' mean shares."""

    target: Evaluation
    logged: Evaluation
    difference: Mapping[Figure, Estimate]
    shares: Mapping[str, float]
    logged_shares: Mapping[str, float]
    objective: Objective
    sampled: Sampled
    left_out: Mapping[str, int]


def evaluation(evidence: Evidence, proposal: Proposal, pause: Callable[[], None] = lambda: None) -> Answer:
    """What a proposal would have done. `pause` is called about each millisecond."""
    objective = proposal.objective or evidence.objective
    target = target_probabilities(evidence.choices, proposal, pause)
    told = compare(evidence.fitted, target, objective, pause)
    return Answer(
        target=told.target,
        logged=told.logged,
        difference=told.difference,
        shares=_shares(evidence, target),
        logged_shares=_shares(evidence, evidence.choices.p),
        objective=objective,
        sampled=evidence.sampled,
        left_out=evidence.left_out,
    )


def to_json(answer: Answer) -> Json:
    """The answer as the API gives it."""
    return {
        "target": _side(answer.target),
        "logged": _side(answer.logged),
        "difference": _estimates(answer.difference),
        "shares": {"logged": dict(answer.logged_shares), "target": dict(answer.shares)},
        "objective": asdict(answer.objective),
        "sampled": asdict(answer.sampled),
        "left_out": dict(answer.left_out),
    }


def frontier(
    evidence: Evidence, proposal: Proposal, points: int, pause: Callable[[], None] = lambda: None
) -> Iterator[Json]:
    """The frontier as far as it is known, again after each step: its points, and always one model each.

    The points are the proposal with a perfect answer worth less and more; `now` is what was logged.
    """
    objective = proposal.objective or evidence.objective
    middle = objective.quality_usd or 0.01
    known: Json = {
        "objective": asdict(objective),
        "now": _point(evaluate(evidence.fitted, evidence.choices.p, objective)),
        "points": (curve := []),
        "fixed": (fixed := []),
        "sampled": asdict(evidence.sampled),
    }
    yield known
    for model_id in evidence.choices.models:
        target = target_probabilities(evidence.choices, Proposal(f"fixed:{model_id}"))
        fixed.append({"model": model_id, **_point(evaluate(evidence.fitted, target, objective))})
        yield known
    for quality_usd in np.geomspace(middle / SPAN, middle * SPAN, points).tolist():
        moved = replace(proposal, objective=replace(objective, quality_usd=quality_usd))
        target = target_probabilities(evidence.choices, moved, pause)
        curve.append({"quality_usd": quality_usd, **_point(evaluate(evidence.fitted, target, objective))})
        yield known


def _shares(evidence: Evidence, probabilities: Floats) -> dict[str, float]:
    """The mean probability of each model over the decisions that are used."""
    drawn = np.bincount(evidence.fitted.data.choice, minlength=len(probabilities))
    means = drawn @ probabilities / drawn.sum() if drawn.any() else np.zeros(len(evidence.choices.models))
    return dict(zip(evidence.choices.models, means.tolist(), strict=True))


def _point(told: Evaluation) -> Json:
    """The figures without utility, which depends on what an answer is worth; `refused` says why there are none."""
    figures: dict[Figure, Estimate] = {
        figure: each for figure, each in told.doubly_robust.items() if figure is not Figure.UTILITY
    }
    refused = {figure.value: why for figure, why in told.refused.items() if figure is not Figure.UTILITY}
    return {"figures": _estimates(figures), "refused": refused}


def _side(told: Evaluation) -> Json:
    return {
        "decisions": told.decisions,
        "ips": _estimates(told.ips),
        "snips": _estimates(told.snips),
        "doubly_robust": _estimates(told.doubly_robust),
        "effective_size": {figure.value: size for figure, size in told.effective_size.items()},
        "refused": {figure.value: why for figure, why in told.refused.items()},
        "left_out": dict(told.left_out),
        "notes": list(told.notes),
    }


def _estimates(estimates: Mapping[Figure, Estimate]) -> dict[str, Json]:
    return {figure.value: asdict(each) for figure, each in estimates.items()}
