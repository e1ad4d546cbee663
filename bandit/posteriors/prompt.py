"""Prompt tokens by part: how many tokens a model bills for each one that was estimated, by ridge regression.

A request with z_j estimated tokens of each part j, s of them all, is billed y ≈ Σ r_j·z_j. The ratios r minimise
Σ (y − Σ r_j·z_j)²/s + Σ w_j·(r_j − 1)² (weighted ridge regression towards 1; Hoerl and Kennard 1970), so
(G + W)·r = v + w with G_jk = Σ z_j·z_k/s and v_j = Σ z_j·y/s.

These are sums, and few rows hold them. A part's row: weight Σ z_j, total v_j, squares G_jj (not the text's). The row of
two parts that are no text: weight G_jk. The text's products follow, as Σ_k G_jk = Σ z_j. So a request of plain text
writes one row: its estimated tokens, and the billed ones.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandit.statistics import Signal

Floats = NDArray[np.float64]

PART_SIGNALS = (
    Signal.PROMPT_RATIO,
    Signal.PROMPT_TOOLS,
    Signal.PROMPT_IMAGES,
    Signal.PROMPT_AUDIO,
    Signal.PROMPT_FILES,
)
"""The signals of the parts, in the order of `PromptParts`."""

PAIR_SIGNALS = {
    (1, 2): Signal.PROMPT_TOOLS_IMAGES,
    (1, 3): Signal.PROMPT_TOOLS_AUDIO,
    (1, 4): Signal.PROMPT_TOOLS_FILES,
    (2, 3): Signal.PROMPT_IMAGES_AUDIO,
    (2, 4): Signal.PROMPT_IMAGES_FILES,
    (3, 4): Signal.PROMPT_AUDIO_FILES,
}
"""The signals of two parts together, by their places."""

PRIOR_TOKENS = np.array([2_000.0, 200.0, 80.0, 80.0, 40.0])
"""The ridge: billed tokens are as estimated, with the weight of so many tokens of each part."""
NOISE = 20.0
"""Variance of a request's billed tokens per estimated token: a ratio's prior deviation is √(NOISE / PRIOR_TOKENS)."""
SMALLEST_RATIOS = np.full(len(PART_SIGNALS), 0.02)
"""Parts that always come together can't be told apart, and one of their ratios might come out below zero."""
LARGEST_RATIOS = np.array([4.0, np.inf, np.inf, np.inf, np.inf])
"""Four bytes of text are estimated as a token, and no tokenizer makes more than four of them.

What is billed beyond that is no text, such as what a provider adds to every request: it must not make long texts dear.
"""
SMALLEST_EIGENVALUE = 0.5 * float(PRIOR_TOKENS.min())
"""Sums of squares make the ridge no smaller. If it is, a row is missing, and the arm has its prior alone."""
_PRIOR_COVARIANCE = np.diag(NOISE / PRIOR_TOKENS)
HELD_TOKENS = 1e18
"""A ridge that lets a ratio move no more."""


@dataclass(frozen=True, slots=True)
class PromptRatios:
    """Billed tokens per estimated token: `mean` has the shape (parts, arms).

    `covariance`, shape (arms, parts, parts), is relative: of the ratios over their means.
    """

    mean: Floats
    covariance: Floats


def observe(parts: Sequence[int], billed_tokens: int) -> list[tuple[Signal, float, float, float]]:
    """The rows of one answer: signal, weight, total and squares."""
    estimated = float(sum(parts))
    if estimated == parts[0]:  # the usual prompt: nothing but text
        return [(PART_SIGNALS[0], estimated, estimated * billed_tokens / estimated, 0.0)] if estimated > 0.0 else []
    rows: list[tuple[Signal, float, float, float]] = []
    present = [(place, float(tokens)) for place, tokens in enumerate(parts) if tokens > 0]
    for nth, (place, tokens) in enumerate(present):
        squares = tokens * tokens / estimated if place else 0.0
        rows.append((PART_SIGNALS[place], tokens, tokens * billed_tokens / estimated, squares))
        if place:
            for other, others in present[nth + 1 :]:
                rows.append((PAIR_SIGNALS[place, other], tokens * others / estimated, 0.0, 0.0))
    return rows


def prompt_ratios(parts: Floats, pairs: Floats) -> PromptRatios:
    """The ratios from weight, total and squares of the parts' rows, shape (3, parts, arms), and the pairs' weights.

    Rows that can't be sums of the same requests, because one was broken and is left out, count as none.
    """
    estimated, count = parts[0], parts.shape[2]
    mean = np.ones((len(PART_SIGNALS), count))
    covariance = np.empty((count, len(PART_SIGNALS), len(PART_SIGNALS)))
    covariance[:] = _PRIOR_COVARIANCE
    mean[0], covariance[:, 0, 0] = text_ratios(parts)
    mixed: list[int] = np.flatnonzero(estimated[1:].any(axis=0)).tolist()
    if mixed:
        others = np.flatnonzero(estimated[1:].any(axis=1)) + 1
        if len(others) == 1 and not pairs.any():  # such as tools
            mixed = _solve_two(parts, mixed, int(others[0]), mean, covariance)
        if mixed:
            mean[:, mixed], covariance[mixed] = _solve(parts[:, :, mixed], pairs[:, mixed])
    return PromptRatios(mean, covariance)


def text_ratios(parts: Floats) -> tuple[Floats, Floats]:
    """The text's ratio and its relative variance for arms that have seen nothing but text, in closed form.

    This is what most routers are asked.
    """
    size = PRIOR_TOKENS[0] + parts[0, 0]
    ratios = (PRIOR_TOKENS[0] + parts[1, 0]) / size
    return np.maximum(np.minimum(ratios, LARGEST_RATIOS[0]), SMALLEST_RATIOS[0]), NOISE / size


def _solve_two(parts: Floats, arms: Sequence[int], part: int, mean: Floats, covariance: Floats) -> list[int]:
    """Set the ratios of arms that have seen text and one other part, in closed form: matrices take ten times as long.

    Returns the arms that need more than that: a row is missing, or a ratio comes out beyond its bounds.
    """
    left: list[int] = []
    text_prior, prior = PRIOR_TOKENS[[0, part]].tolist()
    text_most, most = LARGEST_RATIOS[[0, part]].tolist()
    least = float(SMALLEST_RATIOS[0])
    for arm, rows in zip(arms, parts[:, [0, part]][..., arms].transpose(2, 0, 1).tolist(), strict=True):
        (text_tokens, tokens), (text_billed, billed), (_, squares) = rows
        both = tokens - squares
        a, d = text_tokens - both + text_prior, squares + prior
        determinant = a * d - both * both
        v, w = text_billed + text_prior, billed + prior
        if (a + d) / 2.0 - math.hypot((a - d) / 2.0, both) >= SMALLEST_EIGENVALUE:
            text_ratio, ratio = (d * v - both * w) / determinant, (a * w - both * v) / determinant
            if least <= text_ratio <= text_most and least <= ratio <= most:
                mean[0, arm], mean[part, arm] = text_ratio, ratio
                scale = NOISE / determinant
                covariance[arm, 0, 0], covariance[arm, part, part] = scale * d, scale * a
                covariance[arm, 0, part] = covariance[arm, part, 0] = -scale * both
                continue
        left.append(arm)
    return left


def _solve(parts: Floats, pairs: Floats) -> tuple[Floats, Floats]:
    """Means and relative covariances of arms that have seen more than text."""
    estimated, billed, squares = parts
    count = parts.shape[2]
    gram = np.zeros((count, len(PART_SIGNALS), len(PART_SIGNALS)))
    for place in range(1, len(PART_SIGNALS)):
        gram[:, place, place] = squares[place]
    for (one, other), products in zip(PAIR_SIGNALS, pairs, strict=True):
        gram[:, one, other] = gram[:, other, one] = products
    with_text = estimated[1:].T - gram[:, 1:, 1:].sum(axis=2)
    gram[:, 0, 1:] = gram[:, 1:, 0] = with_text
    gram[:, 0, 0] = estimated[0] - with_text.sum(axis=1)
    sound = np.linalg.eigvalsh(gram + np.diag(PRIOR_TOKENS))[:, 0] >= SMALLEST_EIGENVALUE
    gram[~sound] = 0.0
    billed = np.where(sound, billed, 0.0).T
    covariance = NOISE * np.linalg.inv(gram + np.diag(PRIOR_TOKENS))
    held = np.full(billed.shape, np.nan)
    for _ in PART_SIGNALS:
        # Ratios that came out beyond their bounds are held there, and the others fitted again; those that are too large
        # come first, as they may have made others too small.
        free = np.isnan(held)
        ridge = np.where(free, PRIOR_TOKENS, HELD_TOKENS)
        towards = np.where(free, 1.0, held)
        matrix = gram + ridge[:, :, None] * np.eye(len(PART_SIGNALS))
        mean = np.linalg.solve(matrix, (billed + ridge * towards)[:, :, None])[:, :, 0]
        above = free & (mean > LARGEST_RATIOS)
        beyond = np.where(above.any(axis=1, keepdims=True), above, free & (mean < SMALLEST_RATIOS))
        if not beyond.any():
            break
        held = np.where(beyond, np.clip(mean, SMALLEST_RATIOS, LARGEST_RATIOS), held)
    mean = np.clip(mean, SMALLEST_RATIOS, LARGEST_RATIOS)
    return mean.T.astype(np.float64, copy=False), covariance.astype(np.float64, copy=False)
