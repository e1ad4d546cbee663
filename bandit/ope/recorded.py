"""Recorded choices as arrays: what every policy's probabilities follow from, for many choices at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandit.types import AppliedRule, Choice, Unpreferred

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

_ARM_FIELDS = (
    "p",
    "own",
    "mean_usd",
    "deviation_usd",
    "quality",
    "quality_deviation",
    "success",
    "validity",
    "cost_usd",
    "seconds",
    "low",
    "high",
    "limited",
)


@dataclass(frozen=True, slots=True, eq=False)
class RecordedChoice:
    """One choice, in a tenth of the memory: its candidates' values and the terms that they share.

    Of the router's rules it has those that could decide: the one in force, and the next.
    """

    model_ids: tuple[str, ...]
    arms: Floats  # (candidates, values)
    terms: Floats
    rules: tuple[AppliedRule, ...] = ()
    unpreferred: Unpreferred | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RecordedChoices:
    """C choices as arrays of shape (C, K), with K the models of all, sorted by name.

    `candidate` tells who could be chosen; the values of the others are 0. `objective` has shape (C, 3): the dollars of
    a perfect answer, a second and a failure. `price_multiplier`, `temperature` and `exploration` are one per choice,
    and so is `thompson`: whether that was the policy, or that of a part of the router's experiment. `p` is the logged
    probability, `own` what the policy gave: thompson's, where it had part in an experiment. `rules` and `unpreferred`
    are those of each choice.
    """

    models: tuple[str, ...]
    candidate: Booleans
    p: Floats
    own: Floats
    mean_usd: Floats
    deviation_usd: Floats
    quality: Floats
    quality_deviation: Floats
    success: Floats
    validity: Floats
    cost_usd: Floats
    seconds: Floats
    low: Floats
    high: Floats
    limited: Booleans
    objective: Floats
    price_multiplier: Floats
    temperature: Floats
    exploration: Floats
    thompson: Booleans
    rules: tuple[tuple[AppliedRule, ...], ...]
    unpreferred: tuple[Unpreferred | None, ...]


def recorded_choice(choice: Choice) -> RecordedChoice:
    """What evaluation needs of a choice."""
    objective, experiment = choice.objective, choice.experiment
    arms: dict[str, Sequence[float]] = {
        name: [getattr(view, name) for view in choice.arms] for name in _ARM_FIELDS if name != "own"
    }
    arms["own"], exploration, is_thompson = arms["p"], choice.exploration, choice.policy == "thompson"
    if experiment is not None:
        arms["p"] = experiment.logged
        part = next((part for part in experiment.parts if part.policy == "thompson"), None)
        if part is not None:
            exploration, is_thompson = part.exploration, True
            arms |= {"own": part.p, "limited": part.limited, "low": part.low, "high": part.high}
    return RecordedChoice(
        model_ids=tuple(view.model_id for view in choice.arms),
        arms=np.array([arms[name] for name in _ARM_FIELDS], dtype=np.float64).T,
        terms=np.array(
            [
                objective.quality_usd,
                objective.second_usd,
                objective.failure_usd,
                choice.price_multiplier,
                choice.temperature,
                exploration,
                float(is_thompson),
            ]
        ),
        rules=tuple(rule for rule in choice.rules if rule.chooses),
        unpreferred=choice.unpreferred,
    )


def stack(choices: Sequence[RecordedChoice]) -> RecordedChoices:
    """Arrays of these choices, in their order."""
    models = tuple(sorted({model for model_ids in {each.model_ids for each in choices} for model in model_ids}))
    place = {model: k for k, model in enumerate(models)}
    columns = {ids: np.array([place[model] for model in ids]) for ids in {each.model_ids for each in choices}}
    values = np.zeros((len(choices), len(models), len(_ARM_FIELDS)))
    candidate = np.zeros((len(choices), len(models)), dtype=np.bool_)
    for row, each in enumerate(choices):
        values[row, columns[each.model_ids]] = each.arms
        candidate[row, columns[each.model_ids]] = True
    terms = np.array([each.terms for each in choices]).reshape(len(choices), 7)
    by_name = {name: np.ascontiguousarray(values[:, :, k]) for k, name in enumerate(_ARM_FIELDS)}
    limited = by_name.pop("limited") > 0.0
    return RecordedChoices(
        models=models,
        candidate=candidate,
        limited=limited,
        objective=terms[:, :3],
        price_multiplier=terms[:, 3],
        temperature=terms[:, 4],
        exploration=terms[:, 5],
        thompson=terms[:, 6] > 0.0,
        rules=tuple(each.rules for each in choices),
        unpreferred=tuple(each.unpreferred for each in choices),
        **by_name,
    )
