"""The snapshot: all arms of a router at one instant, and the expectations that follow from their statistics."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from bandit.objective import TYPICAL_COMPLETION_TOKENS, TYPICAL_PROMPT_TOKENS, validate
from bandit.posteriors.amounts import Amounts, expected_amounts, pooled_means
from bandit.posteriors.constants import CACHED, OUTPUT, REQUEST, Constants, constants_of
from bandit.posteriors.evidence import Sources, arrange, tasks_of
from bandit.posteriors.families import Families, families
from bandit.posteriors.latency import LogTime, log_time
from bandit.posteriors.priors import COMPLETION_TOKENS_WEIGHT
from bandit.posteriors.prompt import PromptRatios, prompt_ratios
from bandit.posteriors.quality import Quality, quality_posterior
from bandit.posteriors.scores import CountedScores
from bandit.posteriors.statistics import LATENCIES, Table, read
from bandit.quick import quick_dataclass
from bandit.statistics import Evidence, Signal, StatisticKey, Sums
from bandit.types import Arm, BudgetState, Context, Objective, RouterSettings

Floats = NDArray[np.float64]

SUCCESS_PRIOR = (0.98, 5.0)
VALIDITY_PRIOR = (0.95, 5.0)
"""Mean of the Beta prior, and how many attempts it is worth."""
UNKNOWN_COST_USD = 0.001
"""Expected dollars of an answer if no arm has a price and none was reported."""

KNOWN_WEIGHT = 0.5
"""Seconds are known if observations of this weight are behind them: a single one, until its half-life is over."""

NO_PARENTS: Mapping[str, str] = MappingProxyType({})

FIRST, EACH, WHOLE = 0, 1, 2
"""Rows of `Snapshot.times`."""


@dataclass(frozen=True, slots=True)
class Share:
    """A Beta posterior of a probability, per arm."""

    mean: Floats
    variance: Floats
    second_moment: Floats  # variance + mean²


@quick_dataclass(frozen=True, slots=True)
class InClass:
    """Means and variances per arm in one class: of the score, the completion tokens, and the dollars if not all arms
    have a price.
    """

    quality: Floats
    quality_variance: Floats
    tokens: Floats
    tokens_variance: Floats
    unpriced: tuple[Floats, Floats] | None


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Everything known of a router's arms at the instant `at`, which decisions take for their now. Immutable.

    Arrays are in the order of `arms`, which are sorted by model id; `rows` say where each stands. `constants` are their
    prices and priors, `sources` what evaluations say of them, `families` the call sites of each class, if there are
    any. What follows from the sums is computed when it is first asked for, and kept.
    """

    settings: RouterSettings
    arms: tuple[Arm, ...]
    rows: Mapping[str, int]
    table: Table
    budget: BudgetState
    at: float
    constants: Constants
    sources: Sources
    families: Families | None = None

    @property
    def router_id(self) -> str:
        """The router whose arms these are."""
        return self.settings.router_id

    @property
    def warnings(self) -> tuple[str, ...]:
        """The statistics that were broken and ignored, in words."""
        return self.table.warnings

    @property
    def objective(self) -> Objective:
        """What answers, seconds and failures are worth in dollars."""
        return self.settings.objective

    def in_class(self, task: str) -> InClass:
        """What is expected of the arms in a class, whatever is asked."""
        found = self._classes.get(task)
        if found is None:
            column, scored = self.table.column(task), self._quality is not self.constants.unscored
            quality, quality_variance = self._quality.of(column if scored else 0)
            tokens, tokens_variance = self._tokens.of(column)
            unpriced = None if self.constants.all_priced else self._dollars.of(column)
            found = InClass(quality, quality_variance, tokens, tokens_variance, unpriced)
            self._classes[task] = found
        return found

    @cached_property
    def _classes(self) -> dict[str, InClass]:
        """Those that were asked for."""
        return {}

    def quality(self, task: str) -> tuple[Floats, Floats]:
        """Mean and variance of the expected score in a class, per arm."""
        known = self.in_class(task)
        return known.quality, known.quality_variance

    @property
    def scores(self) -> Floats:
        """Weight of the scores behind each arm's quality, all classes together."""
        return self._quality.scores

    @cached_property
    def has_scores(self) -> bool:
        """Whether any answer has been scored at all."""
        return Signal.QUALITY in self.table.signals and np.count_nonzero(self.table.per_task(Signal.QUALITY)[0]) > 0

    @property
    def outcomes(self) -> Floats:
        """How many outcomes each arm has ever had."""
        outcomes: Floats = self.table.per_arm(Signal.OUTCOMES)[0]
        return outcomes

    @cached_property
    def outcomes_of_all(self) -> float:
        """How many all arms have ever had."""
        return float(self.outcomes.sum())

    @cached_property
    def all_rows(self) -> NDArray[np.int64]:
        """The rows of all arms, in order."""
        return np.arange(len(self.arms))

    @cached_property
    def attempts(self) -> float:
        """How many attempts of all arms are behind it; they fade within hours, as latencies do."""
        return float(self.table.per_arm(Signal.SUCCESS)[0].sum())

    @cached_property
    def success(self) -> Share:
        """Probability that an attempt ends in an answer."""
        return self._share(Signal.SUCCESS, *SUCCESS_PRIOR)

    @cached_property
    def validity(self) -> Share:
        """Probability that a structured answer is what was asked for."""
        return self._share(Signal.VALIDITY, *VALIDITY_PRIOR)

    @cached_property
    def prompt_ratios(self) -> PromptRatios:
        """Billed prompt tokens per estimated one, by part."""
        return prompt_ratios(self.table.prompt_parts(), self.table.prompt_pairs())

    def completion_tokens(self, task: str, max_tokens: int | None = None) -> tuple[Floats, Floats]:
        """Mean and variance of the expected completion tokens, the mean capped by `max_tokens`."""
        known = self.in_class(task)
        return known.tokens if max_tokens is None else np.minimum(known.tokens, max_tokens), known.tokens_variance

    def cost_usd(self, context: Context) -> tuple[Floats, Floats]:
        """Mean and variance of the expected dollars of an answer, per arm."""
        known, ratios = self.constants, self.prompt_ratios
        parts = context.parts
        if any(parts[1:]):
            expected = np.array(parts, dtype=float)[:, None] * ratios.mean
            prompt_tokens = expected.sum(axis=0)
            usd = known.usd_at(prompt_tokens)
            by_part = expected * usd[: len(parts)]
            prompt = by_part.sum(axis=0)
            prompt_variance = np.einsum("ja,ajk,ka->a", by_part, ratios.covariance, by_part)
        else:  # the same in less steps: plain text is what most requests are
            prompt_tokens = parts.text * ratios.mean[0]
            usd = known.usd_at(prompt_tokens)
            prompt = prompt_tokens * usd[0]
            prompt_variance = ratios.covariance[:, 0, 0] * (prompt * prompt)
        tokens, tokens_variance = self.completion_tokens(context.task, context.max_tokens)
        mean = prompt + tokens * usd[OUTPUT] + usd[REQUEST]
        variance = tokens_variance * (usd[OUTPUT] * usd[OUTPUT]) + prompt_variance
        row = None if context.cached_by is None else self.rows.get(context.cached_by)
        if row is not None:
            saved_usd = usd[0, row] - usd[CACHED, row]
            mean[row] -= min(context.cached_tokens, prompt_tokens[row]) * saved_usd
        unpriced = self.in_class(context.task).unpriced
        if unpriced is None:
            return mean, variance
        return np.where(known.priced, mean, unpriced[0]), np.where(known.priced, variance, unpriced[1])

    def costs_usd(self, context: Context) -> Mapping[str, float]:
        """Expected dollars of an answer by model id."""
        return dict(zip(self.rows, self.cost_usd(context)[0].tolist(), strict=True))

    def seconds(self, context: Context) -> tuple[Floats, Floats]:
        """Mean and variance of the expected seconds until the whole answer is there, at most the deadline."""
        tokens, _ = self.completion_tokens(context.task, context.max_tokens)
        times = self.times
        if context.stream:
            first, whole = times.mean[FIRST], tokens * times.mean[EACH]
            mean = first + whole
            variance = first * first * times.relative_variance[FIRST] + whole * whole * times.relative_variance[EACH]
        else:
            mean = (self.constants.offset_tokens + tokens) * times.mean[WHOLE]
            variance = mean * mean * times.relative_variance[WHOLE]
        deadline = self.settings.deadline_seconds
        if max(mean.tolist()) <= deadline:
            return mean, variance
        shortened = np.minimum(deadline / mean, 1.0)
        return mean * shortened, variance * shortened**2

    def wait_seconds(self, context: Context) -> Floats:
        """Expected seconds until something comes: a stream's first token, or a whole plain answer."""
        return self.times.mean[FIRST] if context.stream else self.seconds(context)[0]

    def seconds_known(self, stream: bool) -> NDArray[np.bool_]:
        """Whether an arm's expected seconds come from answers of its model, in this router or another."""
        plain, streamed = self._seconds_known
        return streamed if stream else plain

    @cached_property
    def _seconds_known(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        known = self.constants.times.own | (self.table.times()[0] >= KNOWN_WEIGHT)
        return known[WHOLE], known[FIRST] & known[EACH]

    @cached_property
    def times(self) -> LogTime:
        """Seconds to a stream's first token, per token after it, and per (a + tokens) of a plain answer."""
        known = self.constants
        if self.table.signals.isdisjoint(LATENCIES):
            return known.untried_times
        return log_time(self.table.times(), known.times)

    @cached_property
    def counted(self) -> CountedScores:
        """The scores of users, and those of other sources as they count."""
        return CountedScores(self.table, self.sources, self.settings.half_lives, self.at)

    @cached_property
    def _quality(self) -> Quality:
        counted = self.counted
        if Signal.QUALITY not in self.table.signals and not counted.sources:
            return self.constants.unscored
        scores = counted.by_users
        mean, weight = self.constants.quality, self.constants.quality_weight
        if counted.sources:
            scores = scores + counted.of_sources
            scores[:, :, 0] = 0.0
            of_no_task = counted.of_sources[:, :, 0]
            mean = (mean * weight + of_no_task[1]) / (weight + of_no_task[0])
            weight = weight + of_no_task[0]
        return quality_posterior(scores, self.table.windows(), mean, weight, self.families)

    def _amounts(self, signal: Signal) -> Floats:
        """The sums of an amount per arm and task, with what the sources tell of it."""
        sums = self.table.per_task(signal)
        return sums + self.counted.told(signal) if self.sources.evidence else sums

    @cached_property
    def _tokens(self) -> Amounts:
        sums, known = self._amounts(Signal.COMPLETION_TOKENS), self.constants
        prior = pooled_means(sums, known.completion_tokens, known.own_completion_tokens)
        return expected_amounts(sums, prior, COMPLETION_TOKENS_WEIGHT, self.families)

    @cached_property
    def _dollars(self) -> Amounts:
        sums = self._amounts(Signal.COST)
        return expected_amounts(sums, np.full(len(self.arms), self._typical_cost_usd), 1.0, self.families)

    @cached_property
    def _typical_cost_usd(self) -> float:
        """The arms' median cost of a typical request; an arm without a price by the mean of its reported dollars."""
        known = self.constants
        costs = TYPICAL_PROMPT_TOKENS * known.usd[0] + TYPICAL_COMPLETION_TOKENS * known.usd[OUTPUT]
        if known.all_priced:
            return float(median(costs.tolist()))
        weight, total, _ = self._amounts(Signal.COST).sum(axis=2)
        reported = ~known.priced & (weight > 0.0)
        each: list[float] = costs[known.priced].tolist() + (total[reported] / weight[reported]).tolist()
        return median(each) if each else UNKNOWN_COST_USD

    def _share(self, signal: Signal, prior_mean: float, prior_weight: float) -> Share:
        weight, total, _ = self.table.per_arm(signal)
        size = prior_weight + weight
        mean = (prior_weight * prior_mean + np.minimum(np.maximum(total, 0.0), weight)) / size
        variance = mean * (1.0 - mean) / (size + 1.0)
        return Share(mean, variance, variance + mean * mean)


def take_snapshot(
    settings: RouterSettings,
    arms: Sequence[Arm],
    sums: Mapping[StatisticKey, Sums],
    budget: BudgetState,
    at: float,
    former: Snapshot | None = None,
    evidence: tuple[Evidence, ...] = (),
    parents: Mapping[str, str] = NO_PARENTS,
) -> Snapshot:
    """The router's arms at the instant `at`, in O(arms × classes). `former` is an earlier one of the same arms, if any.

    `evidence` is what evaluations say of the arms, `parents` are the classes that call sites back off to.
    Broken statistics count as absent and are named in the snapshot's `warnings`. Raises ValueError for an objective
    that is not in sensible dollars, for two arms of one model, and for an instant that is not finite.
    """
    if not math.isfinite(at):
        raise ValueError(f"at: must be seconds since the epoch, not {at}")
    if former is None or former.settings is not settings:
        validate(settings.objective)
    if former is not None:
        ordered, rows, constants = former.arms, former.rows, former.constants
    else:
        ordered = tuple(sorted(arms, key=lambda arm: arm.model_id))
        rows = {arm.model_id: row for row, arm in enumerate(ordered)}
        if len(rows) < len(ordered):
            raise ValueError("arms: each model may be named once")
        constants = constants_of(ordered)
    named = tasks_of(evidence) | parents.keys() | set(parents.values())
    table = read(settings.router_id, rows, sums, at, named, None if former is None else former.table)
    sources = arrange(evidence, rows, table.task_columns, None if former is None else former.sources)
    found = families(parents, table.task_columns, None if former is None else former.families)
    return Snapshot(settings, ordered, rows, table, budget, at, constants, sources, found)
