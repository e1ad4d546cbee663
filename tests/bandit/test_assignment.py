"""Experiments: who is assigned to which policy, with which probability a model is drawn, and the replay of it."""

from collections import Counter
from dataclasses import replace

import msgspec
import pytest

from bandit.assignment import assign, draw_assigned
from bandit.decision import choose
from bandit.experiment import Experiment, Part, Unit, part_at
from bandit.posteriors.snapshot import take_snapshot
from bandit.price import Price
from bandit.replay import replay
from bandit.types import Arm, BudgetState, Choice, Context, Draw, RouterSettings

MODELS = ("a", "b", "c")
ARMS = [Arm(name, Price(usd, 4 * usd, usd / 10)) for name, usd in (("a", 1e-6), ("b", 2e-6), ("c", 4e-6))]
CONTEXT = Context("code", 700)
SECRET = b"a secret"


def experiment(unit: Unit, *parts: tuple[str, float]) -> Experiment:
    return Experiment(tuple(Part(*part) for part in parts), unit)


def choices_of(running: Experiment) -> list[Choice]:
    """The choice of each part."""
    snapshot = take_snapshot(RouterSettings("rtr_1", experiment=running), ARMS, {}, BudgetState(), 0.0)
    return [choose(snapshot, CONTEXT, MODELS, part=part) for part in range(len(running.parts))]


def drawn_in(running: Experiment, count: int) -> list[tuple[Choice, Draw]]:
    """First draws of requests, each of a unit of its own."""
    choices, found = choices_of(running), []
    for number in range(count):
        part, u = assign(running, SECRET, f"req_{number}")
        found.append((choices[part], draw_assigned(choices[part], SECRET, f"req_{number}", u)))
    return found


def test_units_keep_their_part_and_shares_are_kept() -> None:
    running = experiment(Unit.USER, ("thompson", 0.7), ("uniform", 0.2), ("fixed:c", 0.1))
    parts = [assign(running, SECRET, f"user {number}") for number in range(20_000)]
    assert parts == [assign(running, SECRET, f"user {number}") for number in range(20_000)]
    shares = Counter(part for part, _ in parts)
    assert [shares[part] / 20_000 for part in range(3)] == pytest.approx([0.7, 0.2, 0.1], abs=0.01)
    assert [assign(running, b"another", f"user {number}")[0] for number in range(100)] != [
        part for part, _ in parts[:100]
    ]


def test_a_share_that_grows_moves_nobody_but_those_that_it_takes_over() -> None:
    before = experiment(Unit.USER, ("thompson", 0.9), ("fixed:c", 0.1))
    after = experiment(Unit.USER, ("thompson", 0.8), ("fixed:c", 0.2))
    moves = {(assign(before, SECRET, f"u{n}")[0], assign(after, SECRET, f"u{n}")[0]) for n in range(2_000)}
    assert moves == {(0, 0), (0, 1), (1, 1)}
    assert before.id != after.id


def test_the_last_part_takes_what_rounding_leaves() -> None:
    assert part_at([0.1] * 10, 1.0 - 2**-53) == 9
    assert [part_at([0.5, 0.5], u) for u in (2**-53, 0.4999, 0.5, 0.9)] == [0, 0, 1, 1]


def test_requests_are_logged_with_the_probability_of_the_mixture() -> None:
    running = experiment(Unit.REQUEST, ("thompson", 0.6), ("uniform", 0.1), ("fixed:c", 0.3))
    drawn = drawn_in(running, 20_000)
    view = drawn[0][0].experiment
    assert view is not None
    expected = [
        0.6 * p + 0.1 / 3 + (0.3 if model == "c" else 0.0) for model, p in zip(MODELS, view.parts[0].p, strict=True)
    ]
    assert view.logged == pytest.approx(expected, abs=1e-12)
    often = Counter(draw.model_id for _, draw in drawn)
    assert [often[model] / 20_000 for model in MODELS] == pytest.approx(expected, abs=0.015)
    assert all(draw.randomised for _, draw in drawn)
    assert {draw.model_id: draw.propensity for _, draw in drawn} == pytest.approx(
        dict(zip(MODELS, expected, strict=True))
    )


@pytest.mark.parametrize("unit", [Unit.USER, Unit.KEY])
def test_what_was_assigned_before_is_logged_with_the_probability_of_its_own_part(unit: Unit) -> None:
    running = experiment(unit, ("thompson", 0.5), ("uniform", 0.2), ("fixed:c", 0.3))
    for choice, draw in drawn_in(running, 500):
        assert draw.propensity == next(arm.p for arm in choice.arms if arm.model_id == draw.model_id)
        assert draw.randomised == (choice.policy != "fixed:c")


def test_one_candidate_has_no_more_probability_than_certainty() -> None:
    running = experiment(Unit.REQUEST, ("thompson", 0.1), ("uniform", 0.2), ("cheapest", 0.7))
    snapshot = take_snapshot(RouterSettings("rtr_1", experiment=running), ARMS, {}, BudgetState(), 0.0)
    assert draw_assigned(choose(snapshot, CONTEXT, ("b",), part=0), SECRET, "req_1", 0.05).propensity == 1.0


@pytest.mark.parametrize("unit", list(Unit))
def test_a_decision_in_an_experiment_replays_from_what_is_written_down(unit: Unit) -> None:
    running = experiment(unit, ("thompson", 0.6), ("epsilon_greedy:0.2", 0.2), ("fixed:c", 0.2))
    for choice, draw in drawn_in(running, 200):
        kept = msgspec.json.decode(msgspec.json.encode(choice), type=Choice)
        assert kept == choice
        assert replay(kept, draw).identical


def test_a_record_that_does_not_fit_together_is_not_identical() -> None:
    choice, draw = drawn_in(experiment(Unit.REQUEST, ("thompson", 0.5), ("fixed:c", 0.5)), 1)[0]
    assert not replay(choice, replace(draw, propensity=draw.propensity * 0.9)).identical
    assert not replay(choice, replace(draw, assignment=1.0 - (draw.assignment or 0.0))).identical
    assert not replay(choice, replace(draw, assignment=None)).identical
    view = choice.experiment
    assert view is not None
    other = replace(view.parts[0], p=view.parts[0].p[::-1])
    assert not replay(replace(choice, experiment=replace(view, parts=(other, view.parts[1]))), draw).identical


def test_each_part_chooses_as_a_router_with_its_policy_alone() -> None:
    """Exploration, limits and newcomers' caps stay thompson's."""
    running = experiment(Unit.USER, ("thompson", 0.5), ("uniform", 0.25), ("cheapest", 0.25))
    for part, choice in zip(running.parts, choices_of(running), strict=True):
        alone = take_snapshot(RouterSettings("rtr_1", policy=part.policy), ARMS, {}, BudgetState(), 0.0)
        assert replace(choice, experiment=None) == choose(alone, CONTEXT, MODELS)
