"""One decision: the distribution over candidates, the arm drawn from it, and its replay from the record alone."""

import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from bandit.buckets import bucketed
from bandit.exploration import explored
from bandit.policies import Policy, named
from bandit.posteriors.snapshot import Snapshot
from bandit.shares import feasible, project
from bandit.types import NO_STEERING, ArmView, Choice, Context, Draw, Steering
from bandit.value import Value, evaluate

__all__ = ["ALGORITHM", "Replay", "bucketed", "choose", "draw", "redraw", "replay"]

ALGORITHM = "2"
"""The version of the computation from a snapshot to probabilities; it is part of every choice."""

REPLAY_TOLERANCE = 1e-9
_U_SCALE = 2.0**-52
"""The top 52 bits, not 53: (2^53 - 0.5) / 2^53 is 1.0 in floating point."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What a decision gives when it is computed again from its record."""

    identical: bool
    model_id: str
    largest_difference: float  # between recorded and recomputed probabilities
    algorithm: str  # that recomputed it


def choose(
    snapshot: Snapshot,
    context: Context,
    candidates: tuple[str, ...],
    steering: Steering = NO_STEERING,
    left_out: tuple[tuple[str, str], ...] = (),
) -> Choice:
    """The router's policy as probabilities over the candidates, in any order, with all that made them.

    In this order: the policy's probabilities, over arms within limits where there are any; the exploration share
    (thompson alone); the traffic shares. Raises ValueError without candidates or with one that is no arm.
    """
    if not candidates:
        raise ValueError("candidates: at least one model is needed")
    try:
        rows = np.array(sorted({snapshot.rows[model_id] for model_id in candidates}))
    except KeyError as unknown:
        raise ValueError(f"candidates: {unknown.args[0]!r} is no model of router {snapshot.router_id}") from None
    settings = snapshot.settings
    policy = named(settings.policy)
    value = evaluate(snapshot, context, rows, steering)
    indexes, deviations = policy.compare(value)
    count = len(rows)
    limited = _limited(value) if policy.explores else [False] * count
    newcomers = _newcomers(value) if policy.explores else [False] * count
    exploration = settings.exploration if policy.explores else 0.0
    arms = [snapshot.arms[row] for row in rows.tolist()]
    highs = [
        min(arm.max_share, settings.newcomer_share) if new else arm.max_share
        for arm, new in zip(arms, newcomers, strict=True)
    ]
    low, high, relaxed = feasible([arm.min_share for arm in arms], highs)
    means_usd, quality_usd = value.mean_usd.tolist(), value.objective.quality_usd
    p_best, p_explored, p = _steps(policy, indexes, deviations, limited, exploration, means_usd, quality_usd, low, high)
    columns = zip(
        [arm.model_id for arm in arms],
        means_usd,
        value.deviation_usd.tolist(),
        value.quality.tolist(),
        value.quality_deviation.tolist(),
        snapshot.scores[rows].tolist(),
        value.success.tolist(),
        value.validity.tolist(),
        value.cost_usd.tolist(),
        value.seconds.tolist(),
        low,
        high,
        p_best,
        p_explored,
        p,
        indexes,
        deviations,
        limited,
        newcomers,
        strict=True,
    )
    return Choice(
        algorithm=ALGORITHM,
        policy=policy.name,
        router_id=snapshot.router_id,
        snapshot_at=snapshot.at,
        context=context,
        objective=value.objective,
        price_multiplier=value.price_multiplier,
        temperature=value.temperature,
        exploration=exploration,
        relaxed=relaxed,
        arms=tuple(ArmView(*column) for column in columns),
        left_out=left_out,
        steering=steering,
    )


def draw(choice: Choice, secret: bytes, decision_id: str) -> Draw:
    """The arm of a request's first attempt: the one whose interval of cumulated probability holds u.

    u = (n + 0.5) / 2^52 with n the top 52 bits of HMAC-SHA256(secret, decision id).
    """
    u = _uniform(secret, decision_id)
    arm = _holding(choice.arms, [arm.p for arm in choice.arms], u)
    return Draw(1, u, arm.model_id, arm.p, randomised=True)


def redraw(choice: Choice, secret: bytes, decision_id: str, attempt: int, failed: Collection[str]) -> Draw | None:
    """The arm of a later attempt, from p_j / (1 - Σ failed p) with u from HMAC(secret, id‖attempt).

    Where the policy gave the others no probability, the one of highest expected value. None when nobody is left.
    """
    rest = [arm for arm in choice.arms if arm.model_id not in failed]
    if not rest:
        return None
    u = _uniform(secret, f"{decision_id}{attempt}")
    total = sum(arm.p for arm in rest)
    if total <= 0.0:
        best = max(rest, key=lambda arm: arm.mean_usd)
        return Draw(attempt, u, best.model_id, 1.0, randomised=False)
    shares = [arm.p / total for arm in rest]
    arm = _holding(rest, shares, u)
    return Draw(attempt, u, arm.model_id, arm.p / total, randomised=False)


def replay(choice: Choice, draw: Draw) -> Replay:
    """Recompute a decision from its record: probabilities from what was compared, the arm from the recorded u.

    Identical: every probability within 1e-9 of the recorded one, and the same arm from the recorded probabilities.
    A draw that was not randomised keeps its arm: it was a re-draw after a failure, or a conversation's.
    """
    arms = choice.arms
    _, _, p = _steps(
        named(choice.policy),
        [arm.index for arm in arms],
        [arm.index_deviation for arm in arms],
        [arm.limited for arm in arms],
        choice.exploration,
        [arm.mean_usd for arm in arms],
        choice.objective.quality_usd,
        [arm.low for arm in arms],
        [arm.high for arm in arms],
    )
    difference = max(abs(arm.p - again) for arm, again in zip(arms, p, strict=True))
    model_id = _holding(arms, [arm.p for arm in arms], draw.u).model_id if draw.randomised else draw.model_id
    identical = difference <= REPLAY_TOLERANCE and model_id == draw.model_id
    return Replay(identical, model_id, difference, ALGORITHM)


def _steps(
    policy: Policy,
    indexes: Sequence[float],
    deviations: Sequence[float],
    limited: Sequence[bool],
    exploration: float,
    means_usd: Sequence[float],
    quality_usd: float,
    low: Sequence[float],
    high: Sequence[float],
) -> tuple[list[float], list[float], list[float]]:
    """Probabilities after each step: best, explored, within shares."""
    count = len(indexes)
    p_best = policy.probabilities(indexes, deviations)
    kept = p_best
    if any(limited) and not all(limited):
        free = [k for k in range(count) if not limited[k]]
        within = policy.probabilities([indexes[k] for k in free], [deviations[k] for k in free])
        kept = [0.0] * count
        for k, share in zip(free, within, strict=True):
            kept[k] = share
    p_explored = explored(kept, exploration, means_usd, quality_usd)
    return p_best, p_explored, project(p_explored, low, high)


def _limited(value: Value) -> list[bool]:
    """Which candidates are over the latency limit or under the quality floor."""
    settings = value.snapshot.settings
    limited = [False] * len(value.rows)
    if settings.latency_limit_seconds is not None:
        limited = (value.seconds > settings.latency_limit_seconds).tolist()
    if settings.quality_floor is not None:
        floor = settings.quality_floor * float(value.quality.max())
        limited = [over or quality < floor for over, quality in zip(limited, value.quality.tolist(), strict=True)]
    return limited


def _newcomers(value: Value) -> list[bool]:
    """Which candidates are too little known for more than a newcomer's share; nobody where nobody is known."""
    needed = value.snapshot.settings.newcomer_outcomes
    new: list[bool] = (value.snapshot.outcomes[value.rows] < needed).tolist()
    return [False] * len(new) if all(new) else new


def _uniform(secret: bytes, message: str) -> float:
    # Not hmac.digest: that lets other threads run, and waits for its turn again.
    digest = hmac.new(secret, message.encode(), "sha256").digest()
    return ((int.from_bytes(digest[:8], "big") >> 12) + 0.5) * _U_SCALE


def _holding(arms: Sequence[ArmView], shares: Sequence[float], u: float) -> ArmView:
    """The arm whose interval of cumulated probability holds u; the last with any takes the remainder."""
    cumulated = 0.0
    last = arms[0]
    for arm, share in zip(arms, shares, strict=True):
        if share > 0.0:
            last = arm
            cumulated += share
            if u < cumulated:
                break
    return last
