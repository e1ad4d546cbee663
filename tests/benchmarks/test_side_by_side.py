"""Seeds that are played side by side choose as each would alone."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.replay.data import ReplayData
from benchmarks.replay.engine import Engine, EngineOptions
from benchmarks.replay.loop import play
from benchmarks.replay.runs import Job, Sets, run_all
from benchmarks.replay.side_by_side import derive, play_side_by_side
from benchmarks.replay.worlds import WORLDS

SEEDS = range(3)
REQUESTS = 120
JOB = Job(0, "quality_drop", 0.01, 1.0, 0, "thompson", 0, EngineOptions())
JUDGED = {"feedback": 0.3, "judged": 1.0, "judge_error": 0.1}


@pytest.fixture(scope="module", params=["tokens", "dollars"])
def data(request: pytest.FixtureRequest) -> ReplayData:
    """A world whose models have prices and tokens, and one whose dollars are learned."""
    whole = WORLDS["classes"]()
    tokens = request.param == "tokens"
    return replace(
        whole,
        prompts=whole.prompts[:REQUESTS],
        tasks=whole.tasks[:REQUESTS],
        quality=whole.quality[:REQUESTS],
        cost_usd=whole.cost_usd[:REQUESTS],
        prompt_tokens=whole.prompt_tokens[:REQUESTS] if tokens and whole.prompt_tokens is not None else None,
        completion_tokens=whole.completion_tokens[:REQUESTS]
        if tokens and whole.completion_tokens is not None
        else None,
        latency_s=None,
    )


@pytest.mark.parametrize("changes", [{}, {"evals": 30}, JUDGED], ids=["scored", "told", "judged"])
def test_they_choose_as_each_alone(data: ReplayData, changes: dict[str, float]) -> None:
    sets = Sets([data], "data")
    jobs = [replace(JOB, seed=seed, **changes) for seed in SEEDS]  # type: ignore[arg-type]
    worlds = [sets.world(job) for job in jobs]

    def player(seed: int) -> Engine:
        return Engine("thompson", worlds[seed], JOB.value, seed, JOB.options)

    together = play_side_by_side(worlds, [player(seed) for seed in SEEDS], delay=0)
    for seed, world in enumerate(worlds):
        alone = play(world, lambda seed=seed: player(seed), delay=0)  # type: ignore[misc]
        np.testing.assert_array_equal(together[seed].arms, alone.arms)
        assert together[seed].state == alone.state


def test_what_is_derived_together_is_what_each_snapshot_derives(data: ReplayData) -> None:
    sets = Sets([data], "data")
    asked = []
    for seed in SEEDS:
        world = sets.world(replace(JOB, seed=seed))
        ours, theirs = (Engine("thompson", world, JOB.value, seed, JOB.options) for _ in range(2))
        for player in (ours, theirs):
            play(world, lambda player=player: player, delay=0)  # type: ignore[misc]
        last = len(world) - 1
        asked.append((ours.renew(last), theirs.renew(last), world.tasks[seed]))
    derive([(together, task) for together, _, task in asked])
    for one, alone, task in asked:
        assert "_quality" not in vars(one)
        for figure in (
            lambda known, task=task: known.quality(task),
            lambda known, task=task: known.completion_tokens(task),
            lambda known, task=task: known.in_class(task).unpriced or (),
            lambda known: (known.success.mean, known.success.variance, known.success.second_moment, known.scores),
        ):
            np.testing.assert_allclose(figure(one), figure(alone), rtol=1e-12)


def test_groups_of_seeds_give_the_figures_of_each_alone(data: ReplayData) -> None:
    sets = Sets([data], "data")
    jobs = [replace(JOB, policy=policy, seed=seed) for policy in ("thompson", "cheapest", "lin_ucb") for seed in SEEDS]
    played = {(one.job.policy, one.job.seed): one.figures for one in run_all(sets, jobs, processes=1)}
    assert played == {(job.policy, job.seed): sets.run(job).figures for job in jobs}
