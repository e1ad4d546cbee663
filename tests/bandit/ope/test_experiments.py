"""Off-policy evaluation of a log in which an experiment was running."""

from collections.abc import Sequence

import numpy as np
import pytest

from bandit.assignment import assign, draw_assigned
from bandit.decision import choose
from bandit.experiment import Experiment, Part, Unit
from bandit.ope.estimates import Figure
from bandit.ope.estimators import Compared, compare
from bandit.ope.fitted import fit
from bandit.ope.logged import Logged
from bandit.ope.recorded import recorded_choice, stack
from bandit.ope.targets import Proposal, target_probabilities
from bandit.posteriors.snapshot import take_snapshot
from bandit.price import Price
from bandit.statistics import Signal, StatisticKey, Sums
from bandit.types import Arm, BudgetState, Choice, Context, Objective, RouterSettings

OBJECTIVE = Objective(0.01, 0.0, 0.001)
PRICES = {"cheap": 1e-6, "good": 8e-6, "middle": 3e-6}
QUALITY = {"chat": {"cheap": 0.5, "good": 0.8, "middle": 0.7}, "code": {"cheap": 0.3, "good": 0.9, "middle": 0.4}}
USERS = 50
PARTS = (Part("thompson", 0.5), Part("fixed:good", 0.3), Part("cheapest", 0.2))


def choices_of(unit: Unit, exploration: float = 0.6, floor: float | None = None) -> dict[tuple[str, int], Choice]:
    """The choice of each class and part."""
    settings = RouterSettings(
        "rtr_t", objective=OBJECTIVE, exploration=exploration, quality_floor=floor, experiment=Experiment(PARTS, unit)
    )
    sums = {}
    for model, quality in QUALITY["chat"].items():
        sums[StatisticKey("rtr_t", model, "chat", Signal.QUALITY)] = Sums(0.0, 1e9, 9.0, 9.0 * quality, 6.0)
    arms = [Arm(model, Price(usd, usd, usd)) for model, usd in PRICES.items()]
    snapshot = take_snapshot(settings, arms, sums, BudgetState(), 0.0)
    return {
        (task, part): choose(snapshot, Context(task, 1_000), tuple(PRICES), part=part)
        for task in QUALITY
        for part in range(len(PARTS))
    }


def played(seed: int, unit: Unit, choices: dict[tuple[str, int], Choice], count: int) -> list[Logged]:
    """A log of requests. Of the users that are assigned to the cheapest model, some turn away."""
    rng, secret, places = np.random.default_rng(seed), bytes([seed % 256]) * 8, list(choices)
    experiment = Experiment(PARTS, unit)
    log: list[Logged] = []
    while len(log) < count:
        number = len(log)
        user, task = f"u{rng.integers(USERS)}", ("chat", "code")[int(rng.integers(2))]
        part, u = assign(experiment, secret, f"req_{number}" if unit == Unit.REQUEST else user)
        if unit == Unit.USER and part == 2 and rng.random() < 0.5:
            continue  # what they got before keeps them from asking
        choice = choices[task, part]
        drawn = draw_assigned(choice, secret, f"req_{seed}_{number}", u)
        score = float(rng.random() < QUALITY[task][drawn.model_id])
        one = Logged(
            at=float(number),
            task=task,
            model_id=drawn.model_id,
            choice=places.index((task, part)),
            randomised=drawn.randomised,
            answered=True,
            cost_usd=PRICES[drawn.model_id] * float(rng.uniform(500, 1_500)),
            seconds=1.0,
            score=score if rng.random() < 0.7 else None,
            scored_at=float(number),
        )
        log.append(one)
    return log


def told_of(log: Sequence[Logged], choices: dict[tuple[str, int], Choice], policy: str, count: int) -> Compared:
    stacked = stack([recorded_choice(choice) for choice in choices.values()])
    fitted = fit(log, stacked.models, stacked.p, now=float(count + 1))
    return compare(fitted, target_probabilities(stacked, Proposal(policy)), OBJECTIVE)


@pytest.mark.parametrize("unit", [Unit.REQUEST, Unit.USER])
@pytest.mark.parametrize("policy", ["cheapest", "uniform"])
def test_intervals_cover_the_truth_with_an_experiment_running(unit: Unit, policy: str) -> None:
    choices, covered = choices_of(unit), []
    for seed in range(50):
        log = played(seed, unit, choices, 400)
        told = told_of(log, choices, policy, 400)
        assert told.target.decisions == (400 if unit == Unit.REQUEST else sum(one.randomised for one in log))
        models = ["cheap"] if policy == "cheapest" else list(PRICES)
        truth = np.mean([QUALITY[task][model] for task in QUALITY for model in models])
        estimate = told.target.doubly_robust[Figure.QUALITY]
        covered.append(estimate.low <= truth <= estimate.high)
    assert np.mean(covered) >= 0.88


@pytest.mark.parametrize("unit", [Unit.REQUEST, Unit.USER])
def test_thompson_is_evaluated_as_its_part_alone_would_choose_in_every_logged_choice(unit: Unit) -> None:
    choices = choices_of(unit, exploration=0.1, floor=0.85)
    stacked = stack([recorded_choice(choice) for choice in choices.values()])
    target = target_probabilities(stacked, Proposal("thompson"))
    for row, (task, _) in enumerate(choices):
        assert target[row].tolist() == [view.p for view in choices[task, 0].arms]
    assert stacked.limited.any(), "a quality floor limits some in all parts, as it does in thompson's"


def test_the_weights_of_requests_are_bounded_by_the_share_of_the_part_that_chooses_so() -> None:
    choices = choices_of(Unit.REQUEST, exploration=0.0)
    told = told_of(played(7, Unit.REQUEST, choices, 500), choices, "fixed:good", 500)
    assert told.target.effective_size[Figure.COST] >= 0.3 * 500 * 0.8
