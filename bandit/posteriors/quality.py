"""Quality by model and task class: a hierarchical Beta posterior, its strength estimated from the scores.

For arm k and class g, with N scores of sum S in the cell:

1. *Change detection.* If an arm's recent scores contradict its older ones, the older lose weight.
2. *Noise.* Graded scores tell more than coin flips: N and S are divided by the variance of scores within cells over
   that of flips with the same means.
3. *Backfitting* (Buja, Hastie and Tibshirani 1989). The arm effect m_k and the class effect b_g are computed in turn,
   each the shrunk mean of what the other leaves; three sweeps suffice. b_g, how hard a class is for all arms alike,
   ends Simpson's paradox: an arm is not worse for being asked the hard questions.
4. *Empirical Bayes.* κ, how many scores the effects are worth in a cell, by the method of moments: do cells really
   differ from arm + class?
5. *Cells.* t = clip(m_k + b_g, 0.02, 0.98), κ' = κ(n_k + κ_a)/(κ + n_k + κ_a), Beta(tκ' + S, (1 - t)κ' + N - S).
   A call site's t is moved, and its κ made larger, by what the others of its family say (`bandit.posteriors.families`).

Everything but the sums is a pure function of the sums, so replicas and rebuilt statistics agree. O(arms × classes).
Several routers with as many arms and classes can be computed at once, along axes before those of the arms.
"""

import math

import numpy as np
from numpy.typing import NDArray

from bandit.posteriors.families import Families
from bandit.posteriors.margins import of_arms, of_tasks, over_arms, over_cells, over_tasks, product
from bandit.quick import quick_dataclass
from bandit.statistics import Signal

Floats = NDArray[np.float64]

WINDOWS = (
    Signal.QUALITY_4,
    Signal.RECENT_QUALITY,
    Signal.QUALITY_64,
    Signal.QUALITY_256,
    Signal.LATEST_QUALITY,
    Signal.QUALITY_4096,
    Signal.QUALITY_16384,
)
"""The scores in windows of falling length: each fades four times as fast as the one before, the first as quality."""

CLASS_WEIGHT = 5.0
"""The class effect is shrunk to 0 by this many pseudo-scores."""
SWEEPS = 3
SMALLEST_MEAN, LARGEST_MEAN = 0.02, 0.98

SMALLEST_KAPPA, LARGEST_KAPPA = 4.0, 400.0
EXPECTED_KAPPA, EXPECTED_KAPPA_PAIRS = 40.0, 100.0
"""The prior of κ, and how many pairs of scores within cells it is worth."""
LARGE_CELL = 40.0
"""A cell's pairs of scores count 1/(1 + N/40)² in the estimate of κ, so that large cells do not dominate it."""

COIN_VARIANCE, COIN_SCORES = 0.2, 5.0
"""The prior of scores' spread is that of coin flips: their variance, and how many scores it is worth."""
SMALLEST_NOISE = 0.05
SMALLEST_WEIGHT = 1e-9

WINDOW_SCORES = 3.0
"""A window that holds fewer scores of an arm says nothing: their number counts, not their age."""
CELL_WEIGHT = 4.0
"""In a cell older scores are expected to be like those of the arm in all classes: that is worth this many scores."""
ALARM = 2.25
"""Deviations between recent and older scores beyond which the older ones lose weight."""
SMALLEST_SPREAD, SMALLEST_EVIDENCE = 0.01, 0.1
"""Floors of the variance of one score and of the recent scores' sum: one or two scores never raise the alarm."""


@quick_dataclass(frozen=True, slots=True)
class Quality:
    """Posterior of the expected score: in a cell Beta(t·κ' + S, (1 - t)·κ' + N - S).

    `t` and the scores `n` (N) and `s` (S) have shape (…, arms, tasks), `strength` (κ') as well or (…, arms, 1),
    `scores`, their weight over all classes, is per arm.
    """

    t: Floats
    strength: Floats
    n: Floats
    s: Floats
    scores: Floats

    def of(self, column: int) -> tuple[Floats, Floats]:
        """Mean and variance per arm in one class, for choosing among the arms: what is unsure about the class alone
        moves all arms alike and is left out.
        """
        strength, s = self.strength[..., column if self.strength.shape[-1] > 1 else 0], self.s[..., column]
        size = strength + self.n[..., column]
        mean = (self.t[..., column] * strength + s) / size
        return mean, mean * (1.0 - mean) / (size + 1.0)


def quality_posterior(
    scores: Floats, windows: Floats, prior_mean: Floats, prior_weight: Floats, of_sites: Families | None = None
) -> Quality:
    """The Beta posterior of each cell; the module's docstring has the steps.

    `scores` hold weight, sum and sum of squares: shape (3, …, arms, tasks); `windows` weight and sum of scores that
    fade faster: shape (2, windows, …, arms, tasks). `prior_mean` and `prior_weight` (κ_a) of the arm effects have shape
    (…, arms).
    """
    # Corrections under way may leave a sum a hair outside of what scores in [0, 1] can add up to.
    weight = np.maximum(scores[0], 0.0)
    total = np.minimum(np.maximum(scores[1], 0.0), weight)
    noise = _noise(scores)
    prior = prior_weight * prior_mean
    if np.count_nonzero(windows[0, 0]):
        weight, total = _since_the_change(weight, total, windows, prior, prior_weight, noise)
    n, s = weight / noise, total / noise
    n_arm, n_class = over_tasks(n), over_arms(n)
    s_class, s_arm = over_arms(s), over_tasks(s) + prior
    arm_size, class_size = n_arm + prior_weight, n_class + CLASS_WEIGHT
    # Backfitting: each effect from what the other leaves, Σ (S - N·other) over its cells.
    arm = s_arm / arm_size
    for _ in range(SWEEPS):
        effect = (s_class - of_arms(arm, n)) / class_size
        arm_rest = s_arm - of_tasks(n, effect)
        arm = arm_rest / arm_size

    # Each cell's mean as the others predict it: effects without the cell, or κ would be flattered by its own scores.
    class_rest = s_class - of_arms(arm, n)
    arm, arm_rest, arm_size = arm[..., None], arm_rest[..., None], arm_size[..., None]
    effect, class_rest, class_size = effect[..., None, :], class_rest[..., None, :], class_size[..., None, :]
    other_arms, other_classes = class_size - n, arm_size - n
    center = _within((arm_rest - s + n * effect) / other_classes + (class_rest - s + n * arm) / other_arms)
    doubt = np.reciprocal(other_classes) + np.reciprocal(other_arms)
    kappa = _kappa(n, s, center, doubt)

    t = arm + effect
    if of_sites is None:
        strength = kappa * arm_size / (kappa + arm_size)
    else:
        deviation, kappas = of_sites.deviations(n, s - n * t, kappa)
        t, strength = t + deviation, kappas * arm_size / (kappas + arm_size)
    return Quality(_within(t), strength, n, s, over_tasks(weight))


def unscored_quality(prior_mean: Floats, prior_weight: Floats) -> Quality:
    """The posterior without any score, which is the same in every class: one column."""
    cells = np.zeros((3, len(WINDOWS), len(prior_mean), 1))
    return quality_posterior(cells[:, 0], cells[:2], prior_mean, prior_weight)


def _since_the_change(
    weight: Floats, total: Floats, windows: Floats, prior: Floats, prior_weight: Floats, noise: Floats | float
) -> tuple[Floats, Floats]:
    """Weight and sum of the scores, the older ones reduced if an arm's recent scores contradict them.

    1. Split each cell into a window (fresh) and the rest (old); both parts stay sums of scores in [0, 1].
    2. z = Σ_g (S_fresh - N_fresh · mean) / √(½ Σ_g N_fresh · variance), per arm over all classes: a single class has
       too few scores. The ½: the squared weights of an exponentially fading sum add up to half its weight. A cell's
       mean leans on the arm's: if it leaned on the prior's, an arm that falls to that would not be noticed.
    3. Windows that hold too few scores say nothing. The largest |z| of an arm's windows says whether it has changed;
       the shortest one beyond 2.25 says what came after, as it holds the least of what came before.
    4. Beyond |z| = 2.25 the old scores keep e^(-(z² - 2.25²)/2) of their weight: no step, so no flutter at the border.
    """
    # Both at once: weight and sum of the fresh scores, shape (2, windows, …, arms, tasks).
    parts = np.minimum(windows, np.array([weight, total])[:, None])
    np.maximum(parts, 0.0, out=parts)
    fresh, fresh_total = parts
    np.minimum(fresh_total, fresh, out=fresh_total)
    np.maximum(fresh_total, fresh - (weight - total), out=fresh_total)
    held, found = over_tasks(parts)
    arm = (over_tasks(total) + prior) / (over_tasks(weight) + prior_weight)
    mean = (total + CELL_WEIGHT * arm[..., None]) / (weight + CELL_WEIGHT)
    spread = np.maximum(mean - mean * mean, SMALLEST_SPREAD) * (0.5 * noise)
    # Both are Σ_g fresh · what is expected of a score, per window and arm.
    expected, uncertain = np.einsum("w...g,k...g->kw...", fresh, np.array([mean, spread]))
    contradiction = found - expected
    squared = contradiction * contradiction / np.maximum(uncertain, SMALLEST_EVIDENCE) * (held >= WINDOW_SCORES)
    if squared.max() <= ALARM * ALARM:
        return weight, total
    alarmed = squared > ALARM * ALARM
    shortest = len(alarmed) - 1 - alarmed[::-1].argmax(axis=0)
    since = np.take_along_axis(parts, shortest[None, None, ..., None], axis=1)
    fresh, fresh_total = since[:, 0]
    kept = np.exp(-0.5 * np.maximum(squared.max(axis=0) - ALARM * ALARM, 0.0))[..., None]
    return fresh + (weight - fresh) * kept, fresh_total + (total - fresh_total) * kept


def _noise(scores: Floats) -> Floats | float:
    """Variance of scores within cells over that of coin flips with the same means, in [0.05, 1]."""
    explained = product(scores[1], scores[1] / np.maximum(scores[0], SMALLEST_WEIGHT))
    total, squares = over_cells(scores[1:])
    flips = _bounded(total - explained, 0.0, math.inf) + COIN_SCORES * COIN_VARIANCE
    within = _bounded(squares - explained, 0.0, math.inf) + COIN_SCORES * COIN_VARIANCE
    return _bounded(within / flips, SMALLEST_NOISE, 1.0)


def _bounded(value: Floats | float, lowest: float, highest: float) -> Floats | float:
    if isinstance(value, float):
        return min(max(value, lowest), highest)  # a tenth of what it takes numpy
    return np.minimum(np.maximum(value, lowest), highest)


def _within(t: Floats) -> Floats:
    return np.minimum(np.maximum(t, SMALLEST_MEAN), LARGEST_MEAN)


def _kappa(n: Floats, s: Floats, t: Floats, doubt: Floats) -> Floats | float:
    """κ from E(S - N t)² = t(1 - t)·(N + N(N - 1)/(κ + 1) + N²·doubt), the moments of a beta-binomial (Kleinman 1973).

    `doubt` is the variance of the effects that t is made of, over t(1 - t). Solved for 1/(κ + 1) over all cells at
    once, with a prior; cells of one score or less say nothing and are left out.
    """
    several = np.maximum(n - 1.0, 0.0)
    shrink = 1.0 + n / LARGE_CELL
    importance = (several > 0.0) / (shrink * shrink)
    residual = s - n * t
    excess = product(importance, residual * residual / (t - t * t) - n * (1.0 + n * doubt))
    pairs = product(importance, n * several)
    share = (excess + EXPECTED_KAPPA_PAIRS / EXPECTED_KAPPA) / (pairs + EXPECTED_KAPPA_PAIRS)
    return _bounded(1.0 / _bounded(share, 1.0 / (LARGEST_KAPPA + 1.0), math.inf) - 1.0, SMALLEST_KAPPA, LARGEST_KAPPA)
