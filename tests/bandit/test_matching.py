"""The probability of being the largest of several Normals: against an exact integral, in every scale."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_ndtr, ndtr

from bandit.matching import best_probabilities

TOLERANCE = 0.002


def exact(means: list[float], deviations: list[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Σ ΔF_k · Π_{j≠k} F_j on a grid fine around every mean, in logarithms."""
    mu, sigma = np.array(means), np.array(deviations)
    x = np.unique(np.concatenate([m + s * np.linspace(-8, 8, 1_501) for m, s in zip(mu, sigma, strict=True)]))
    x = x[x >= (mu - 8 * sigma).max()]
    steps = np.diff(ndtr((x[:, None] - mu) / sigma), axis=0)
    logs = log_ndtr(((x[1:] + x[:-1])[:, None] / 2 - mu) / sigma)
    p: np.ndarray[tuple[int], np.dtype[np.float64]] = (steps * np.exp(logs.sum(axis=1, keepdims=True) - logs)).sum(0)
    p /= p.sum()
    return p


@pytest.mark.parametrize("count", [2, 3, 5, 10, 30])
@pytest.mark.parametrize("spread", [0.0, 1.0, 3.0])
def test_the_error_is_below_two_thousandths_for_deviations_up_to_a_thousand_apart(count: int, spread: float) -> None:
    rng = np.random.default_rng([count, int(spread)])
    for _ in range(6):
        deviations = 10.0 ** rng.uniform(-spread, 0.0, count)
        means = rng.normal(0.0, 0.3, count)
        found = np.array(best_probabilities(means.tolist(), deviations.tolist()))
        assert np.abs(found - exact(means.tolist(), deviations.tolist())).max() < TOLERANCE


def test_two_arms_have_the_closed_form_whatever_their_scales() -> None:
    for ratio in (1.0, 10.0, 100.0, 1_000.0):
        for gap in (0.0, 0.1, 0.5, 2.0):
            p, _ = best_probabilities([gap, 0.0], [1.0, 1.0 / ratio])
            assert p == pytest.approx(float(ndtr(gap / np.hypot(1.0, 1.0 / ratio))), abs=1e-3)


@given(st.integers(1, 30), st.floats(-1e3, 1e3), st.floats(0.0, 1e3))
def test_equals_share_equally_even_without_uncertainty(count: int, mean: float, deviation: float) -> None:
    p = best_probabilities([mean] * count, [deviation] * count)
    assert p == pytest.approx([1.0 / count] * count, abs=1e-9)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(1e-4, 5)), min_size=2, max_size=10), st.randoms())
def test_the_order_does_not_matter(arms: list[tuple[float, float]], random: object) -> None:
    means, deviations = zip(*arms, strict=True)
    p = best_probabilities(means, deviations)
    backwards = best_probabilities(means[::-1], deviations[::-1])
    assert p == pytest.approx(backwards[::-1], abs=1e-9)


def test_a_better_mean_is_more_probably_the_best() -> None:
    p = best_probabilities([0.0, 0.1, 0.2, 0.3], [0.2] * 4)
    assert p == sorted(p)


def test_a_hopeless_arm_has_none() -> None:
    assert best_probabilities([0.0, -100.0, 0.1], [1.0, 1.0, 1.0])[1] == 0.0
