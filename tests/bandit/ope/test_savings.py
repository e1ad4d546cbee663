"""Savings from sums: exact if one model serves alone, else right in about 95 of 100 logs, or told as unknown."""

import numpy as np
import pytest

from bandit.ope.savings import Always, Evidence, Floats, actual_of, always, daily_costs, evidence_of
from bandit.ope.sums import Sums
from bandit.types import Objective

OBJECTIVE = Objective(quality_usd=0.02, second_usd=0.001, failure_usd=0.01)
TASKS = ("chat", "code", "maths")
MODELS = ("m/cheap", "m/dear", "m/rare")
DAYS = 6


class Log:
    """Requests of some days and classes, and what each model would do with them; draws have probabilities `p`."""

    def __init__(self, seed: int, requests: int = 3_000) -> None:
        rng = np.random.default_rng(seed)
        self.task = rng.integers(0, len(TASKS), requests)
        self.day = np.arange(requests) * DAYS // requests
        hard = rng.random((requests, 1)) * (1.0 + self.task[:, None])
        self.cost = np.array([0.001, 0.01, 0.004]) * (0.2 + hard) * rng.lognormal(0.0, 0.4, (requests, 3))
        self.seconds = np.array([1.0, 3.0, 2.0]) * rng.lognormal(0.0, 0.6, (requests, 3))
        self.failed = (rng.random((requests, 3)) < np.array([0.05, 0.01, 0.02])).astype(float)
        self.quality = np.clip(np.array([0.6, 0.9, 0.7]) - 0.1 * hard + rng.normal(0.0, 0.2, (requests, 3)), 0.0, 1.0)
        # Hard requests go to the dear model: a plain mean of its draws would be too high.
        lean = np.clip(0.15 + 0.25 * hard[:, 0], 0.1, 0.85)
        self.p = np.stack([0.97 - lean, lean, np.full(requests, 0.03)], axis=1)

    def draw(self, seed: int, scored: float = 1.0) -> Sums:
        """Draw each request's model, and add up what came of it; some answers are scored."""
        rng, rows = np.random.default_rng([seed, 7]), np.arange(len(self.task))
        arm = (rng.random((len(rows), 1)) > self.p.cumsum(axis=1)).sum(axis=1).clip(max=2)
        return self.sums(arm, self.p[rows, arm], (rng.random(len(rows)) < scored).astype(float))

    def sums(self, arm: "np.ndarray[tuple[int], np.dtype[np.int64]]", p: Floats, scored: Floats) -> Sums:
        """The sums of draws, as `storage.fixed_sums` makes them."""
        rows = np.arange(len(arm))
        failed, seconds, quality = (each[rows, arm] for each in (self.failed, self.seconds, self.quality))
        cost = self.cost[rows, arm] * (1.0 - failed)
        known = scored * (1.0 - failed)
        terms = {
            "requests": np.ones(len(arm)),
            "cost": cost,
            "seconds": seconds,
            "failed": failed,
            "cost_cost": cost**2,
            "seconds_seconds": seconds**2,
            "cost_seconds": cost * seconds,
            "cost_failed": cost * failed,
            "seconds_failed": seconds * failed,
            "scored": known,
            "quality": known * quality,
            "quality_quality": known * quality**2,
        }
        values: dict[str, Floats] = {}
        for power, times in (("", 1.0), ("w_", 1.0 / p), ("ww_", 1.0 / p**2)):
            for name, term in terms.items():
                values[power + name] = np.zeros((DAYS, len(TASKS), len(MODELS)))
                np.add.at(values[power + name], (self.day, self.task, arm), term * times)
        return Sums(tuple(range(DAYS)), TASKS, MODELS, tuple(values), np.stack([*values.values()]))

    def truth(self, arm: int) -> dict[str, float]:
        """What always this model would have come to."""
        answered = self.failed[:, arm] == 0.0
        return {
            "cost_usd": float((self.cost[:, arm] * answered).mean()),
            "seconds": float(self.seconds[:, arm].mean()),
            "success": float(answered.mean()),
            "quality": float(self.quality[answered, arm].mean()),
        }


def worth(figures: dict[str, float]) -> float:
    told = OBJECTIVE.quality_usd * figures["success"] * figures["quality"] - figures["cost_usd"]
    return told - OBJECTIVE.second_usd * figures["seconds"] - OBJECTIVE.failure_usd * (1.0 - figures["success"])


def test_a_model_that_served_alone_saved_nothing_and_nothing_is_in_doubt() -> None:
    log = Log(1)
    one = np.ones(len(log.task))
    sums = log.sums(np.zeros(len(log.task), dtype=np.int64), one, one)
    told = always(sums, "m/cheap", OBJECTIVE)
    assert told.saved_usd is not None
    assert told.worth_difference_usd is not None
    for estimate in (told.saved_usd, told.worth_difference_usd):
        assert (estimate.low, estimate.mean, estimate.high) == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)
    true = log.truth(0)
    assert (told.actual.cost_usd, told.actual.success) == pytest.approx((true["cost_usd"], true["success"]))
    assert told.actual.quality == pytest.approx(true["quality"])
    assert (told.covered, told.evidence) == (1.0, Evidence.STRONG)
    assert sum(day.cost_usd for day in daily_costs(sums, "m/cheap")) == pytest.approx(
        told.actual.cost_usd * told.actual.requests
    )
    assert always(sums, "m/rare", OBJECTIVE).evidence is Evidence.NONE


@pytest.mark.parametrize("scored", [1.0, 0.3])
def test_intervals_contain_the_truth_in_about_95_of_100_logs(scored: float) -> None:
    inside: dict[str, list[bool]] = {}
    log = Log(2)
    for seed in range(150):
        sums = log.draw(seed, scored)
        own = actual_of(sums)
        assert own.quality is not None
        for arm, model in enumerate(MODELS):
            told, true = always(sums, model, OBJECTIVE), log.truth(arm)
            for name in ("cost_usd", "seconds", "success", "quality"):
                estimate = getattr(told, name)
                if estimate is not None:
                    inside.setdefault(name, []).append(estimate.low <= true[name] <= estimate.high)
            if scored == 1.0 and told.worth_difference_usd is not None:
                figures = {"cost_usd": own.cost_usd, "seconds": own.seconds, "success": own.success}
                difference = worth({**figures, "quality": own.quality}) - worth(true)
                estimate = told.worth_difference_usd
                inside.setdefault("worth", []).append(estimate.low <= difference <= estimate.high)
    coverage = {name: sum(each) / len(each) for name, each in inside.items()}
    assert all(0.92 <= share <= 0.985 for share in coverage.values()), coverage


def test_dollars_of_a_few_very_dear_answers_are_contained_as_often() -> None:
    log = Log(7)
    dear = np.random.default_rng(8).lognormal(0.0, 1.4, log.cost.shape)
    log.cost = 0.001 * np.minimum(dear, 60.0)
    inside = []
    for seed in range(80):
        sums = log.draw(seed)
        for arm, model in enumerate(MODELS):
            told = always(sums, model, OBJECTIVE).cost_usd
            assert told is not None
            inside.append(told.low <= log.truth(arm)["cost_usd"] <= told.high)
    assert 0.93 <= np.mean(inside) <= 0.98


def test_days_without_the_model_are_left_out_only_if_its_draws_were_to_be_expected() -> None:
    log = Log(3)
    early = log.day < 2
    log.p[early] = [0.5, 0.5, 0.0]  # the rare model came on the third day
    sums = log.draw(1)
    told = always(sums, "m/rare", OBJECTIVE)
    assert told.covered == pytest.approx(4 / 6, abs=0.05)
    assert told.actual.requests == pytest.approx(told.covered * len(log.task))
    assert [day.day for day in daily_costs(sums, "m/rare")] == [2, 3, 4, 5]
    assert always(log.draw(1), "m/dear", OBJECTIVE).covered == 1.0
    few = Log(4, requests=200)
    assert always(few.draw(1), "m/rare", OBJECTIVE).covered == 1.0, "by chance it was not drawn in most cells"


def test_thin_evidence_gives_no_number() -> None:
    assert [evidence_of(size) for size in (29.9, 30.0, 200.0, 200.1)] == ["none", "some", "some", "strong"]
    thin = Log(5, requests=300).draw(1)
    told = always(thin, "m/rare", OBJECTIVE)
    assert told.evidence is Evidence.NONE
    assert (told.cost_usd, told.saved_usd, told.worth_difference_usd, daily_costs(thin, "m/rare")) == (
        None,
        None,
        None,
        (),
    )
    unscored = always(Log(5).draw(1, scored=0.0), "m/dear", OBJECTIVE)
    assert unscored.saved_usd is not None
    assert (unscored.quality, unscored.worth_difference_usd, unscored.actual.quality) == (None, None, None)
    free = always(Log(5).draw(1, scored=0.0), "m/dear", Objective(0.0, 0.001, 0.01))
    assert free.worth_difference_usd is not None, "quality is worth nothing"


def test_a_model_that_was_never_drawn_is_unknown() -> None:
    told: Always = always(Sums.of(("requests",), []), "m/none", OBJECTIVE)
    assert (told.covered, told.effective_size, told.evidence, told.worth_usd) == (0.0, 0.0, Evidence.NONE, None)
