"""The snapshot: all arms of a router at one instant, and the expectations that follow from their statistics."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from bandit.objective import TYPICAL_COMPLETION_TOKENS, TYPICAL_PROMPT_TOKENS, validate
from bandit.posteriors.amounts import Amounts, expected_amounts, pooled_means
from bandit.posteriors.constants import CACHED, OUTPUT, REQUEST, Constants, Rates, constants_of
from bandit.posteriors.evidence import Sources, arrange, tasks_of
from bandit.posteriors.families import Families, families
from bandit.posteriors.latency import log_time
from bandit.posteriors.moments import InClass, Moments, Share, moments, share
from bandit.posteriors.priors import COMPLETION_TOKENS_WEIGHT
from bandit.posteriors.prompt import PART_SIGNALS, PromptRatios, prompt_ratios, text_ratios
from bandit.posteriors.quality import Quality, quality_posterior
from bandit.posteriors.scores import CountedScores, Scored
from bandit.posteriors.statistics import LATENCIES, Table, read
from bandit.quick import kept_property
from bandit.statistics import Evidence, Signal, StatisticKey, Sums
from bandit.types import Arm, BudgetState, Context, Objective, PromptParts, RouterSettings

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
"""Latency signals: seconds to a stream's first token, per token after it, and per (a + tokens) of a plain answer."""


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
            column, known = self.table.column(task), self.constants
            found = InClass(
                known.unscored_moments if self._quality is known.unscored else moments(*self._quality.of(column)),
                self._tokens.listed(column),
                None if known.all_priced else self._dollars.listed(column),
            )
            self._classes[task] = found
        return found

    @kept_property
    def _classes(self) -> dict[str, InClass]:
        """Those that were asked for."""
        return {}

    def quality(self, task: str) -> Moments:
        """Mean and variance of the expected score in a class, per arm."""
        return self.in_class(task).quality

    @kept_property
    def scores(self) -> Sequence[float]:
        """Weight of the scores behind each arm's quality, all classes together."""
        scores: list[float] = self._quality.scores.tolist()
        return scores

    @kept_property
    def has_scores(self) -> bool:
        """Whether any answer has been scored at all."""
        if Signal.QUALITY not in self.table.signals:
            return False
        return bool(np.count_nonzero(self.table.per_task(Signal.QUALITY)[0]))

    @property
    def outcomes(self) -> Floats:
        """How many outcomes each arm has ever had."""
        outcomes: Floats = self.table.per_arm(Signal.OUTCOMES)[0]
        return outcomes

    @kept_property
    def outcomes_of_all(self) -> float:
        """How many all arms have ever had."""
        return float(self.outcomes.sum())

    @kept_property
    def attempts(self) -> float:
        """How many attempts of all arms are behind it; they fade within hours, as latencies do."""
        return float(self.table.per_arm(Signal.SUCCESS)[0].sum())

    @kept_property
    def success(self) -> Share:
        """Probability that an attempt ends in an answer."""
        weight, total, _ = self.table.per_arm(Signal.SUCCESS)
        return share(weight, total, *SUCCESS_PRIOR)

    @kept_property
    def validity(self) -> Share:
        """Probability that a structured answer is what was asked for."""
        weight, total, _ = self.table.per_arm(Signal.VALIDITY)
        return share(weight, total, *VALIDITY_PRIOR)

    @kept_property
    def prompt_ratios(self) -> PromptRatios:
        """Billed prompt tokens per estimated one, by part."""
        return prompt_ratios(self.table.prompt_parts(), self.table.prompt_pairs())

    def completion_tokens(self, task: str, max_tokens: int | None = None) -> Moments:
        """Mean and variance of the expected completion tokens, the mean capped by `max_tokens`."""
        known = self.in_class(task).tokens
        if max_tokens is None or max(known[0]) <= max_tokens:
            return known
        return [min(tokens, max_tokens) for tokens in known[0]], known[1]

    def cost_usd(self, context: Context) -> Moments:
        """Mean and variance of the expected dollars of an answer, per arm."""
        known = self.constants
        prompt_tokens, usd, prompt, prompt_variance = self._prompt(context.parts)
        tokens, tokens_variance = self.completion_tokens(context.task, context.max_tokens)
        mean, variance = [], []
        for p, v, n, w, u in zip(prompt, prompt_variance, tokens, tokens_variance, usd, strict=True):
            output = u[OUTPUT]
            mean.append(p + n * output + u[REQUEST])
            variance.append(w * (output * output) + v)
        row = None if context.cached_by is None else self.rows.get(context.cached_by)
        if row is not None:
            saved_usd = usd[row][0] - usd[row][CACHED]
            mean[row] -= min(context.cached_tokens, prompt_tokens[row]) * saved_usd
        unpriced = self.in_class(context.task).unpriced
        if unpriced is not None:
            for row in np.flatnonzero(~known.priced).tolist():
                mean[row], variance[row] = unpriced[0][row], unpriced[1][row]
        return mean, variance

    def _prompt(self, parts: PromptParts) -> tuple[Sequence[float], Sequence[Rates], Sequence[float], Sequence[float]]:
        """Expected tokens of the prompt, the prices at that length, and mean and variance of its dollars, per arm."""
        if any(parts[1:]):
            ratios = self.prompt_ratios
            expected = np.array(parts, dtype=float)[:, None] * ratios.mean
            prompt_tokens: list[float] = expected.sum(axis=0).tolist()
            usd = self.constants.usd_at(prompt_tokens)
            by_part = expected * np.array(usd).T[: len(parts)]
            variance: list[float] = np.einsum("ja,ajk,ka->a", by_part, ratios.covariance, by_part).tolist()
            return prompt_tokens, usd, by_part.sum(axis=0).tolist(), variance
        # The same in less steps: plain text is what most requests are.
        mean_ratios, relative_variances = self._text_ratios
        text = parts.text
        prompt_tokens = [text * ratio for ratio in mean_ratios]
        usd = self.constants.usd_at(prompt_tokens)
        prompt, variance = [], []
        for tokens, u, v in zip(prompt_tokens, usd, relative_variances, strict=True):
            dollars = tokens * u[0]
            prompt.append(dollars)
            variance.append(v * (dollars * dollars))
        return prompt_tokens, usd, prompt, variance

    @kept_property
    def _text_ratios(self) -> Moments:
        if self.table.signals.isdisjoint(PART_SIGNALS[1:]):
            return moments(*text_ratios(self.table.prompt_parts()))
        ratios = self.prompt_ratios
        return moments(ratios.mean[0], ratios.covariance[:, 0, 0])

    def costs_usd(self, context: Context) -> Mapping[str, float]:
        """Expected dollars of an answer by model id."""
        return dict(zip(self.rows, self.cost_usd(context)[0], strict=True))

    def seconds(self, context: Context) -> Moments:
        """Mean and variance of the expected seconds until the whole answer is there, at most the deadline."""
        tokens, _ = self.completion_tokens(context.task, context.max_tokens)
        mean, variance = [], []
        if context.stream:
            streams = zip(*self.time(FIRST), *self.time(EACH), tokens, strict=True)
            for first, v, each, w, n in streams:
                rest = n * each
                mean.append(first + rest)
                variance.append(first * first * v + rest * rest * w)
        else:
            plain = zip(self.constants.offset_tokens, tokens, *self.time(WHOLE), strict=True)
            for a, n, each, v in plain:
                whole = (a + n) * each
                mean.append(whole)
                variance.append(whole * whole * v)
        deadline = self.settings.deadline_seconds
        if max(mean) > deadline:
            shortened = [deadline / m if m > deadline else 1.0 for m in mean]
            mean = [m * short for m, short in zip(mean, shortened, strict=True)]
            variance = [v * short**2 for v, short in zip(variance, shortened, strict=True)]
        return mean, variance

    def wait_seconds(self, context: Context) -> Sequence[float]:
        """Expected seconds until something comes: a stream's first token, or a whole plain answer."""
        return self.time(FIRST)[0] if context.stream else self.seconds(context)[0]

    def seconds_known(self, stream: bool) -> Sequence[bool]:
        """Whether an arm's expected seconds come from answers of its model, in this router or another."""
        plain, streamed = self._seconds_known
        return streamed if stream else plain

    @kept_property
    def _seconds_known(self) -> tuple[Sequence[bool], Sequence[bool]]:
        known = self.constants.own_times
        if not self.table.signals.isdisjoint(LATENCIES):
            known = known | (self.table.times()[0] >= KNOWN_WEIGHT)
        return known[WHOLE].tolist(), (known[FIRST] & known[EACH]).tolist()

    def time(self, signal: int) -> Moments:
        """Expected time per arm by one latency signal, and the variance of that over its square."""
        found = self._times.get(signal)
        if found is None:
            sums = self.table.per_arm(LATENCIES[signal]).tolist()
            found = self._times[signal] = log_time(sums, self.constants.times[signal])
        return found

    @kept_property
    def _times(self) -> dict[int, Moments]:
        """Those that were asked for."""
        return {}

    @kept_property
    def counted(self) -> CountedScores:
        """The scores of users, and those of other sources as they count."""
        return CountedScores(self.table, self.sources, self.settings.half_lives, self.at)

    @kept_property
    def _quality(self) -> Quality:
        known = self.scored
        if known is None:
            return self.constants.unscored
        return quality_posterior(known.scores, self.table.windows(), known.mean, known.weight, self.families)

    @kept_property
    def scored(self) -> Scored | None:
        """The scores as they count, and the prior of the arm effects; None as long as there are none."""
        counted = self.counted
        if Signal.QUALITY not in self.table.signals and not counted.sources:
            return None
        scores = counted.by_users
        mean, weight = self.constants.quality, self.constants.quality_weight
        if counted.sources:
            scores = scores + counted.of_sources
            scores[:, :, 0] = 0.0
            of_no_task = counted.of_sources[:, :, 0]
            mean = (mean * weight + of_no_task[1]) / (weight + of_no_task[0])
            weight = weight + of_no_task[0]
        return Scored(scores, mean, weight)

    def amounts(self, signal: Signal) -> Floats:
        """The sums of an amount per arm and task, with what the sources tell of it."""
        sums = self.table.per_task(signal)
        return sums + self.counted.told(signal) if self.sources.evidence else sums

    @kept_property
    def _tokens(self) -> Amounts:
        sums, known = self.amounts(Signal.COMPLETION_TOKENS), self.constants
        prior = pooled_means(sums, known.completion_tokens, known.own_completion_tokens)
        return expected_amounts(sums, prior, COMPLETION_TOKENS_WEIGHT, self.families)

    @kept_property
    def _dollars(self) -> Amounts:
        sums = self.amounts(Signal.COST)
        return expected_amounts(sums, np.full(len(self.arms), self.typical_cost_usd), 1.0, self.families)

    @kept_property
    def typical_cost_usd(self) -> float:
        """The arms' median cost of a typical request; an arm without a price by the mean of its reported dollars."""
        known = self.constants
        costs = np.array([TYPICAL_PROMPT_TOKENS * u[0] + TYPICAL_COMPLETION_TOKENS * u[OUTPUT] for u in known.usd])
        if known.all_priced:
            return float(median(costs.tolist()))
        weight, total, _ = self.amounts(Signal.COST).sum(axis=2)
        reported = ~known.priced & (weight > 0.0)
        each: list[float] = costs[known.priced].tolist() + (total[reported] / weight[reported]).tolist()
        return median(each) if each else UNKNOWN_COST_USD


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
