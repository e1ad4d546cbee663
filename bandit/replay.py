"""Replays a decision from its record alone."""

from dataclasses import dataclass

from bandit.decision import ALGORITHM
from bandit.draws import holding
from bandit.experiment import ExperimentView, part_at
from bandit.policies import named
from bandit.probabilities import Comparison, probabilities
from bandit.types import Choice, Draw

REPLAY_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Replay:
    """Result of computing a decision again from its record."""

    identical: bool
    model_id: str
    largest_difference: float  # between recorded and recomputed probabilities
    algorithm: str  # that recomputed it


def replay(choice: Choice, draw: Draw) -> Replay:
    """Recompute a decision from its record: probabilities from what was compared, the arm from the recorded u.

    Identical: every probability is within 1e-9 of the recorded one, and the recorded ones give the same arm, in the
    part of an experiment that the draw was assigned to. A draw that was not randomised keeps its arm: it was a re-draw
    after a failure, or that of a sticky conversation.
    """
    arms = choice.arms
    again = probabilities(
        Comparison(
            policy=named(choice.policy),
            exploration=choice.exploration,
            quality_usd=choice.objective.quality_usd,
            means_usd=[arm.mean_usd for arm in arms],
            indexes=[arm.index for arm in arms],
            deviations=[arm.index_deviation for arm in arms],
            limited=[arm.limited for arm in arms],
            low=[arm.low for arm in arms],
            high=[arm.high for arm in arms],
        )
    )
    difference = max(abs(arm.p - p) for arm, p in zip(arms, again.p, strict=True))
    model_id = holding(arms, [arm.p for arm in arms], draw.u).model_id if draw.randomised else draw.model_id
    identical = difference <= REPLAY_TOLERANCE and model_id == draw.model_id
    if choice.experiment is not None:
        parts, u = choice.experiment.parts, draw.assignment
        difference = max(difference, _parts_difference(choice, choice.experiment, draw))
        assigned = u is not None and part_at([part.share for part in parts], u) == choice.experiment.part
        identical = identical and assigned and difference <= REPLAY_TOLERANCE
    return Replay(identical, model_id, difference, ALGORITHM)


def _parts_difference(choice: Choice, view: ExperimentView, draw: Draw) -> float:
    """The largest difference between the probabilities of an experiment's parts as recorded and as recomputed."""
    largest = max(abs(arm.p - p) for arm, p in zip(choice.arms, view.parts[view.part].p, strict=True))
    for arm, p in zip(choice.arms, view.logged, strict=True):
        if draw.randomised and arm.model_id == draw.model_id:
            largest = max(largest, abs(draw.propensity - p))
    for part in view.parts:
        again = probabilities(
            Comparison(
                policy=named(part.policy),
                exploration=part.exploration,
                quality_usd=choice.objective.quality_usd,
                means_usd=[arm.mean_usd for arm in choice.arms],
                indexes=part.index,
                deviations=part.index_deviation,
                limited=part.limited,
                low=part.low,
                high=part.high,
            )
        )
        largest = max(largest, *(abs(p - q) for p, q in zip(part.p, again.p, strict=True)))
    return largest
