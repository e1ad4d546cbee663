"""One decision: a distribution over candidates, the arm drawn from it, and its replay from the record alone."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bandit.experiment import Experiment, ExperimentView, PartView, part_at
from bandit.policies import Policy, named
from bandit.posteriors.snapshot import Snapshot
from bandit.probabilities import Comparison, probabilities
from bandit.shares import feasible
from bandit.types import (
    NO_STEERING,
    AppliedRule,
    ArmView,
    Choice,
    Context,
    Draw,
    RuleMode,
    Steering,
    Unpreferred,
    rule_in_force,
)
from bandit.value import Value, evaluate

ALGORITHM = "3"
"""The version of the computation from a snapshot to probabilities; it is part of every choice."""

REPLAY_TOLERANCE = 1e-9
_U_SCALE = 2.0**-52
# 52 bits, not 53: (2^53 - 0.5) / 2^53 is 1.0 in floating point, and u must be below 1.
_BLOCK_BYTES = 64  # of SHA-256
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))


@dataclass(frozen=True, slots=True)
class Replay:
    """Result of computing a decision again from its record."""

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
    rules: tuple[AppliedRule, ...] = (),
    part: int | None = None,
) -> Choice:
    """The router's policy as probabilities over the candidates (model ids, in any order), with all they follow from.

    With `part` it is the policy of this part of the router's experiment, beside what the others would do.

    Steps: expected values of each candidate for this context; what the policy compares of them; its probabilities,
    exploration and traffic shares (`bandit.probabilities`). Limits, floors, exploration and newcomers' caps are
    thompson's alone. Of the router's `rules` that fit, the first that chooses is in force: `always` bounds the traffic
    shares to its model, under every policy; `prefer` is part of the expected values. Raises ValueError without
    candidates or with one that is no arm of the snapshot.
    """
    if not candidates:
        raise ValueError("candidates: at least one model is needed")
    try:
        places = sorted({snapshot.rows[model_id] for model_id in candidates})
    except KeyError as unknown:
        raise ValueError(f"candidates: {unknown.args[0]!r} is no model of router {snapshot.router_id}") from None
    rows = snapshot.all_rows if len(places) == len(snapshot.arms) else np.array(places)
    settings = snapshot.settings
    experiment = settings.experiment if part is not None else None
    policy = named(settings.policy if experiment is None or part is None else experiment.parts[part].policy)
    value, rule, unpreferred = evaluate(snapshot, context, rows, steering), rule_in_force(rules), None
    if rule is not None and rule.mode is RuleMode.PREFER:
        unpreferred = _unpreferred(value, rule)
        value = evaluate(snapshot, context, rows, steering, rule)
    compared, newcomers, relaxed = _compared(value, policy, rule)
    return Choice(
        algorithm=ALGORITHM,
        policy=policy.name,
        router_id=snapshot.router_id,
        snapshot_at=snapshot.at,
        context=context,
        objective=value.objective,
        price_multiplier=value.price_multiplier,
        temperature=value.temperature,
        exploration=compared.exploration,
        relaxed=relaxed,
        arms=_views(value, compared, newcomers),
        left_out=left_out,
        steering=steering,
        doubted=snapshot.doubted if policy.explores else (),
        rules=rules,
        unpreferred=unpreferred,
        experiment=None
        if experiment is None or part is None
        else _experiment_view(value, rule, experiment, part, compared),
    )


def draw(choice: Choice, secret: bytes, completion_id: str) -> Draw:
    """Draw the arm of a request's first attempt: the one whose interval of cumulated probability holds u.

    u = (n + 0.5) / 2^52 with n the top 52 bits of HMAC-SHA256(secret, completion id): uniform, the same whenever it is
    computed again, and not for a caller to guess. No generator is shared between requests.
    """
    u = _uniform(secret, completion_id)
    arm = _holding(choice.arms, [arm.p for arm in choice.arms], u)
    return Draw(1, u, arm.model_id, arm.p, randomised=True)


def redraw(choice: Choice, secret: bytes, completion_id: str, attempt: int, failed: Collection[str]) -> Draw | None:
    """Draw the arm of a later attempt from p_j / (1 - Σ p of the failed), with u from HMAC(secret, id‖attempt).

    If the policy gave the others no probability, it is the one of highest expected value. None if none is left.
    """
    rest = [arm for arm in choice.arms if arm.model_id not in failed]
    if not rest:
        return None
    u = _uniform(secret, f"{completion_id}{attempt}")
    total = sum(arm.p for arm in rest)
    if total <= 0.0:
        best = max(rest, key=lambda arm: arm.mean_usd)
        return Draw(attempt, u, best.model_id, 1.0, randomised=False)
    shares = [arm.p / total for arm in rest]
    arm = _holding(rest, shares, u)
    return Draw(attempt, u, arm.model_id, arm.p / total, randomised=False)


def drawn_beside(secret: bytes, purpose: str, completion_id: str) -> float:
    """A uniform number in (0, 1) for something else than the arm, such as whether an answer is judged.

    HMAC-SHA256(secret, purpose, NUL, completion id): as good as independent of the arm's draw, and of other purposes.
    """
    return _uniform(secret, f"{purpose}\0{completion_id}")


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
    model_id = _holding(arms, [arm.p for arm in arms], draw.u).model_id if draw.randomised else draw.model_id
    identical = difference <= REPLAY_TOLERANCE and model_id == draw.model_id
    if choice.experiment is not None:
        parts, u = choice.experiment.parts, draw.assignment
        difference = max(difference, _parts_difference(choice, choice.experiment, draw))
        assigned = u is not None and part_at([part.share for part in parts], u) == choice.experiment.part
        identical = identical and assigned and difference <= REPLAY_TOLERANCE
    return Replay(identical, model_id, difference, ALGORITHM)


def _compared(value: Value, policy: Policy, rule: AppliedRule | None) -> tuple[Comparison, list[bool], bool]:
    """What a policy compares, which candidates are newcomers for it, and whether bounds of shares were relaxed."""
    settings, nobody = value.snapshot.settings, [False] * len(value.rows)
    indexes, deviations = policy.compare(value)
    newcomers = _newcomers(value) if policy.explores else nobody
    low, high, relaxed = feasible(*_bounds(value, newcomers))
    if rule is not None and rule.mode is RuleMode.ALWAYS:
        low = [float(arm.model_id == rule.model_id) for arm in value.arms]
        high, relaxed = low, False
    compared = Comparison(
        policy=policy,
        exploration=settings.exploration if policy.explores else 0.0,
        quality_usd=value.objective.quality_usd,
        means_usd=value.mean_usd.tolist(),
        indexes=indexes,
        deviations=deviations,
        limited=_limited(value) if policy.explores else nobody,
        low=low,
        high=high,
    )
    return compared, newcomers, relaxed


def _experiment_view(
    value: Value, rule: AppliedRule | None, experiment: Experiment, part: int, own: Comparison
) -> ExperimentView:
    """What every part of the experiment compares and would choose; `own` is what the chosen one does."""
    views: list[PartView] = []
    for number, each in enumerate(experiment.parts):
        compared = own if number == part else _compared(value, named(each.policy), rule)[0]
        view = PartView(
            policy=compared.policy.name,
            share=each.share,
            exploration=compared.exploration,
            index=tuple(compared.indexes),
            index_deviation=tuple(compared.deviations),
            limited=tuple(compared.limited),
            low=tuple(compared.low),
            high=tuple(compared.high),
            p=tuple(probabilities(compared).p),
        )
        views.append(view)
    return ExperimentView(experiment.id, experiment.unit, part, tuple(views))


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


def _views(value: Value, compared: Comparison, newcomers: Sequence[bool]) -> tuple[ArmView, ...]:
    """The candidates as the choice records them."""
    steps = probabilities(compared)
    deviations_usd = value.deviation_usd.tolist()
    quality, quality_deviations = value.quality.tolist(), value.quality_deviation.tolist()
    scores = value.snapshot.scores[value.rows].tolist()
    success, validity = value.success.tolist(), value.validity.tolist()
    cost_usd, seconds = value.cost_usd.tolist(), value.seconds.tolist()
    seconds_known = value.snapshot.seconds_known(value.context.stream)[value.rows].tolist()
    return tuple(
        [
            ArmView(
                model_id=arm.model_id,
                mean_usd=compared.means_usd[k],
                deviation_usd=deviations_usd[k],
                quality=quality[k],
                quality_deviation=quality_deviations[k],
                scores=scores[k],
                success=success[k],
                validity=validity[k],
                cost_usd=cost_usd[k],
                seconds=seconds[k],
                low=compared.low[k],
                high=compared.high[k],
                p_best=steps.p_best[k],
                p_explored=steps.p_explored[k],
                p=steps.p[k],
                index=compared.indexes[k],
                index_deviation=compared.deviations[k],
                limited=compared.limited[k],
                newcomer=newcomers[k],
                seconds_known=seconds_known[k],
            )
            for k, arm in enumerate(value.arms)
        ]
    )


def _unpreferred(value: Value, rule: AppliedRule) -> Unpreferred:
    """What is expected of a rule's model before it is preferred."""
    k = value.model_ids.index(rule.model_id)
    return Unpreferred(
        quality=float(value.quality[k]),
        quality_deviation=float(value.quality_deviation[k]),
        mean_usd=float(value.mean_usd[k]),
        deviation_usd=float(value.deviation_usd[k]),
    )


def _bounds(value: Value, newcomers: Sequence[bool]) -> tuple[list[float], list[float]]:
    """The smallest and largest traffic share that each candidate may have, a newcomer's capped."""
    cap = value.snapshot.settings.newcomer_share
    highs = [min(arm.max_share, cap) if new else arm.max_share for arm, new in zip(value.arms, newcomers, strict=True)]
    return [arm.min_share for arm in value.arms], highs


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
    """Which candidates joined late and have too few outcomes for more than a newcomer's share; none if all are new."""
    snapshot = value.snapshot
    if not snapshot.constants.any_joined_late:
        return [False] * len(value.rows)
    joined = snapshot.constants.joined_late & (snapshot.outcomes < snapshot.settings.newcomer_outcomes)
    new: list[bool] = joined[value.rows].tolist()
    return [False] * len(new) if all(new) else new


def _uniform(secret: bytes, message: str) -> float:
    inner, outer = _hmac_states(secret)
    inner, outer = inner.copy(), outer.copy()
    inner.update(message.encode())
    outer.update(inner.digest())
    return ((int.from_bytes(outer.digest()[:8], "big") >> 12) + 0.5) * _U_SCALE


@lru_cache(maxsize=1_024)
def _hmac_states(secret: bytes) -> "tuple[hashlib._Hash, hashlib._Hash]":
    """SHA-256 of the inner and of the outer key of HMAC (RFC 2104), to be copied and continued.

    Not hmac.new, which takes ten calls for each draw; not hmac.digest, which releases the GIL and, in a busy process,
    waits to get it back.
    """
    key = (secret if len(secret) <= _BLOCK_BYTES else hashlib.sha256(secret).digest()).ljust(_BLOCK_BYTES, b"\0")
    return hashlib.sha256(key.translate(_INNER)), hashlib.sha256(key.translate(_OUTER))


def _holding(arms: Sequence[ArmView], shares: Sequence[float], u: float) -> ArmView:
    """The arm whose interval of cumulated probability holds u.

    Rounding may leave the sum a hair below u: the last arm with any probability takes the remainder.
    """
    cumulated = 0.0
    last = arms[0]
    for arm, share in zip(arms, shares, strict=True):
        if share > 0.0:
            last = arm
            cumulated += share
            if u < cumulated:
                break
    return last
