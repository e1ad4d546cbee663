"""Replays: scenarios change what they say, references bound what can be had, and a restart changes nothing."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.replay.baselines import BASELINES
from benchmarks.replay.data import Floats, ReplayData
from benchmarks.replay.engine import EngineOptions, built_in_tasks
from benchmarks.replay.loop import NOBODY, play
from benchmarks.replay.references import look_back
from benchmarks.replay.report import as_json, gather, interval, lead
from benchmarks.replay.runs import Job, Sets, run_all
from benchmarks.replay.scenarios import SCENARIOS, World, best_fixed, sequence
from benchmarks.replay.worlds import WORLDS

VALUE = 0.01
SMALL = 240


def small(data: ReplayData, size: int = SMALL) -> ReplayData:
    def cut(values: Floats | None) -> Floats | None:
        return None if values is None else values[:size]

    return ReplayData(
        data.name,
        data.models,
        data.prompts[:size],
        data.tasks[:size],
        data.quality[:size],
        data.cost_usd[:size],
        cut(data.prompt_tokens),
        cut(data.completion_tokens),
        cut(data.latency_s),
    )


@pytest.fixture(scope="module")
def data() -> ReplayData:
    return small(WORLDS["classes"]())


def a_job(policy: str, scenario: str = "stationary", **changes: object) -> Job:
    job = Job(0, scenario, VALUE, 1.0, 10, policy, 0, EngineOptions())
    return replace(job, **changes)  # type: ignore[arg-type]


class Scripted:
    """Chooses models in turn and remembers what it was told."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.told: list[tuple[int, float]] = []
        self.answers: list[tuple[int, int, bool]] = []

    def choose(self, t: int, failed: frozenset[int]) -> int | None:
        return next((k for k in range(len(self.world.models)) if k not in failed), None)

    def learn_answer(self, t: int, arm: int, answered: bool) -> None:
        self.answers.append((t, arm, answered))

    def learn_score(self, t: int, arm: int, score: float, source: str = "user") -> None:
        self.told.append((len(self.answers), score))

    def dump(self) -> bytes:
        return b""

    def load(self, state: bytes) -> None:
        raise AssertionError


def test_scores_come_late_by_the_delay_and_only_where_somebody_scores(data: ReplayData) -> None:
    world = sequence(data, data.tasks, 0.5, seed=3)
    player = Scripted(world)
    play(world, lambda: player, delay=20)
    scored = [t for t in range(len(world) - 21) if world.scored[t]]
    assert [at for at, _ in player.told] == [t + 21 for t in scored]
    assert [score for _, score in player.told] == [world.quality[t, 0] for t in scored]


def test_a_failed_model_is_followed_by_others_and_three_failures_are_the_end(data: ReplayData) -> None:
    world = sequence(data, data.tasks, 1.0, seed=3)
    answers = np.zeros_like(world.answers)
    answers[0, 1] = True
    player = Scripted(replace(world, answers=answers))
    trace = play(player.world, lambda: player, delay=0)
    assert player.answers[:2] == [(0, 0, False), (0, 1, True)]
    assert trace.arms[0] == 1
    assert (trace.arms[1:] == NOBODY).all()
    assert len(player.answers) == 2 + 3 * (len(world) - 1)


def test_each_scenario_changes_what_its_name_says_and_nothing_before_it(data: ReplayData) -> None:
    world = sequence(data, data.tasks, 1.0, seed=1)
    best = best_fixed(world, VALUE)
    made = {name: scenario(world, VALUE, 1) for name, scenario in SCENARIOS.items()}
    half = len(world) // 2
    for one in made.values():
        np.testing.assert_array_equal(one.quality[:half], world.quality[:half])
        np.testing.assert_array_equal(one.cost_usd[:half], world.cost_usd[:half])
    assert made["quality_drop"].quality[half:, best].mean() == pytest.approx(world.quality[half:, best].mean() / 2)
    dearest = int(world.cost_usd.mean(axis=0).argmax())
    assert made["price_cut"].cost_usd[half:, dearest].sum() == pytest.approx(world.cost_usd[half:, dearest].sum() / 10)
    assert not made["new_model"].offered[:half, best].any()
    assert made["new_model"].offered[half:].all()
    assert not made["outage"].answers[half : half + len(world) // 4, best].any()
    for liars in ("biased_feedback", "adversarial_feedback"):
        changed = (made[liars].scores != world.scores).any(axis=1).mean()
        assert 0.04 < changed < 0.17
        np.testing.assert_array_equal(made[liars].quality, world.quality)


def test_list_prices_are_recovered_from_the_bills(data: ReplayData) -> None:
    prices = np.array([[1e-6, 4e-6], [2e-6, 1e-5], [0.0, 3e-6], [5e-7, 5e-7], [1e-5, 3e-5]])
    assert data.prompt_tokens is not None
    assert data.completion_tokens is not None
    bills = data.prompt_tokens * prices[:, 0] + data.completion_tokens * prices[:, 1]
    world = sequence(replace(data, cost_usd=bills), data.tasks, 1.0, seed=0)
    assert world.prices_usd is not None
    np.testing.assert_allclose(world.prices_usd[0], prices, atol=1e-12)


@pytest.mark.parametrize("policy", ["thompson", "epsilon_greedy", *BASELINES])
def test_a_restart_in_the_middle_changes_nothing_bit_for_bit(data: ReplayData, policy: str) -> None:
    played = Sets([data], "data").run(a_job(policy, "restart"))
    assert played.figures["same_as_without_restart"] == 1.0


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_thompson_plays_every_scenario_and_lies_between_worst_and_oracle(data: ReplayData, scenario: str) -> None:
    sets = Sets([data], "data")
    job = a_job("thompson", scenario)
    figures = sets.run(job).figures
    world = sets.world(job)
    utility = np.where(world.answers & world.offered, world.utility(VALUE), np.nan)
    assert np.nanmin(utility, axis=1).mean() <= figures["utility"] <= look_back(world, VALUE).oracle
    assert figures["share_of_oracle"] <= 1.0


def test_references_are_in_order(data: ReplayData) -> None:
    found = look_back(sequence(data, data.tasks, 1.0, seed=2), VALUE)
    assert found.random < found.best_fixed <= found.best_per_task < found.oracle
    assert found.share(found.random) == 0.0
    assert found.share(found.oracle) == pytest.approx(1.0)


def test_who_learns_does_better_than_chance_and_classes_pay_where_models_differ_by_class() -> None:
    data = small(WORLDS["classes"](), 700)
    sets = Sets([data], "data")
    shares = {
        policy: sets.run(a_job(policy)).figures["share_of_oracle"] for policy in ("thompson", "flat_beta", "uniform")
    }
    assert shares["thompson"] > shares["flat_beta"] + 0.1
    assert shares["flat_beta"] > shares["uniform"]


def test_the_same_seed_gives_the_same_figures_in_other_processes(data: ReplayData) -> None:
    sets = Sets([data], "data")
    jobs = [a_job("lin_ucb", seed=seed) for seed in range(2)]
    alone = {one.job.seed: one.figures for one in run_all(sets, jobs, processes=1)}
    apart = {one.job.seed: one.figures for one in run_all(sets, jobs, processes=2)}
    assert alone == apart


def test_a_world_of_the_built_in_classes_uses_the_product_s_classifier(data: ReplayData) -> None:
    assert "code" in set(built_in_tasks(data.prompts))


def test_the_json_has_the_documented_shape(data: ReplayData) -> None:
    sets = Sets([data], "data")
    rows = gather(sets.run(a_job(policy, seed=seed)) for policy in ("thompson", "cell_beta") for seed in range(2))
    made = as_json(sets, rows, {})
    runs, references = made["runs"], made["references"]
    assert isinstance(runs, list)
    assert isinstance(references, list)
    documented = "data scenario value feedback delay policy seeds utility share_of_oracle regret_vs_best_fixed quality"
    assert set(documented.split()) | {"usd_per_1000", "p95_latency_s", "best_arm_share"} <= set(runs[0])
    assert {"mean", "low", "high"} <= set(runs[0]["utility"])
    names = {"data", "value", "random", "oracle", "best_fixed", "best_per_task", "static_scorecard"}
    assert names <= set(references[0])


def test_intervals_are_student_s_and_leads_are_paired(data: ReplayData) -> None:
    made = interval([1.0, 2.0, 3.0])
    assert made.mean == 2.0
    assert made.high - made.mean == pytest.approx(4.302653 / np.sqrt(3.0))
    sets = Sets([data], "data")
    rows = gather(sets.run(a_job(policy, seed=seed)) for policy in ("thompson", "uniform") for seed in range(3))
    ours, other = (next(row for row in rows if row.policy == name) for name in ("thompson", "uniform"))
    ahead = lead(rows, other)
    assert ahead is not None
    difference = np.subtract(ours.values("share_of_oracle"), other.values("share_of_oracle"))
    assert ahead.mean == pytest.approx(difference.mean())
    assert lead(rows, ours) is None
