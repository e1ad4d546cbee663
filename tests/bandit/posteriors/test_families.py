"""A call site starts from what is known of its built-in class, and is known by its own scores later."""

from collections.abc import Mapping

import numpy as np
import pytest

from bandit.posteriors.snapshot import Snapshot, take_snapshot
from bandit.price import Price
from bandit.statistics import Signal, StatisticKey, Sums
from bandit.types import Arm, BudgetState, Context, RouterSettings

START = 1_700_000_000.0
SETTINGS = RouterSettings("rtr_a")
ARMS = [Arm(name, Price(1e-6, 2e-6, 1e-6)) for name in ("p/a", "p/b")]
SITES = {"site:1": "code", "site:2": "code", "site:3": "math"}

Cells = Mapping[tuple[str, str], tuple[float, float]]
KNOWN: Cells = {
    ("p/a", "code"): (200.0, 180.0),
    ("p/b", "code"): (200.0, 80.0),
    ("p/a", "math"): (200.0, 80.0),
    ("p/b", "math"): (200.0, 180.0),
}


def known(cells: Cells, sites: Mapping[str, str], signal: Signal = Signal.QUALITY) -> Snapshot:
    """What is known after so many observations with such sums, by model and class."""
    sums = {
        StatisticKey("rtr_a", model_id, task, signal): Sums(START, 1e9, number, total, total * total / number)
        for (model_id, task), (number, total) in cells.items()
    }
    return take_snapshot(SETTINGS, ARMS, sums, BudgetState(), START, parents=sites)


def lead(snapshot: Snapshot, task: str) -> float:
    """How much better the first model is expected to be."""
    mean = snapshot.quality(task)[0]
    return float(mean[0] - mean[1])


def test_a_new_call_site_starts_from_its_built_in_class() -> None:
    snapshot = known(KNOWN, SITES)
    assert lead(snapshot, "code") > 0.4
    assert lead(snapshot, "site:1") > 0.15
    assert lead(snapshot, "site:3") < -0.15
    assert abs(lead(snapshot, "unheard of")) < 0.01


def test_a_new_call_site_is_less_sure_than_its_class_and_surer_than_a_class_of_no_family() -> None:
    snapshot = known(KNOWN, SITES)
    code, site, unheard = (float(snapshot.quality(task)[1][0]) for task in ("code", "site:1", "unheard of"))
    assert code < site < unheard


def test_a_call_site_with_scores_is_known_by_its_own() -> None:
    own: Cells = {("p/a", "site:1"): (200.0, 60.0), ("p/b", "site:1"): (200.0, 160.0)}
    snapshot = known({**KNOWN, **own}, SITES)
    assert lead(snapshot, "site:1") < -0.4
    assert lead(snapshot, "code") > 0.35


def test_the_call_sites_of_a_class_tell_of_it_and_of_one_another() -> None:
    told: Cells = {
        ("p/a", "site:1"): (200.0, 180.0),
        ("p/b", "site:1"): (200.0, 80.0),
        **{cell: sums for cell, sums in KNOWN.items() if cell[1] == "math"},
    }
    snapshot = known(told, SITES)
    for task in ("code", "site:2"):
        assert lead(snapshot, task) > 0.1, task


def test_classes_without_call_sites_are_as_before() -> None:
    for signal in (Signal.QUALITY, Signal.COMPLETION_TOKENS):
        before, after = known(KNOWN, {}, signal), known(KNOWN, {"site:9": "chat"}, signal)
        for task in ("code", "math", "unheard of"):
            assert np.allclose(before.quality(task), after.quality(task), rtol=0, atol=1e-12)
            assert np.allclose(before.completion_tokens(task), after.completion_tokens(task))


def test_the_order_of_call_sites_does_not_matter() -> None:
    backwards = dict(reversed(SITES.items()))
    one, other = known(KNOWN, SITES), known(KNOWN, backwards)
    assert all(np.array_equal(one.quality(task), other.quality(task)) for task in (*SITES, "code", "math"))


def test_answers_of_a_new_call_site_are_expected_to_be_as_long_as_those_of_its_class() -> None:
    seen: Cells = {("p/a", "code"): (100.0, 100_000.0), ("p/a", "math"): (100.0, 1_000.0)}
    snapshot = known(seen, SITES, Signal.COMPLETION_TOKENS)
    tokens = {task: float(snapshot.completion_tokens(task)[0][0]) for task in ("code", "math", "site:1", "site:3")}
    assert tokens["site:1"] == pytest.approx(tokens["code"], rel=0.1)
    assert tokens["site:3"] < 0.1 * tokens["site:1"]
    costs = [snapshot.costs_usd(Context(task, 100))["p/a"] for task in ("site:1", "site:3")]
    assert costs[0] > 5 * costs[1]


def test_without_a_score_a_class_and_a_call_site_are_what_scores_that_were_taken_back_would_leave() -> None:
    taken_back = dict.fromkeys(KNOWN, (1e-12, 1e-12))  # a row that weighs nothing is no score, but is a row
    for sites in ({}, SITES):
        bare, computed = known({}, sites), known(taken_back, sites)
        for task in ("code", "site:1", "unheard of"):
            assert np.allclose(bare.quality(task), computed.quality(task), rtol=1e-14, atol=0)
        assert bare.scores == computed.scores == [0.0, 0.0]
