"""Many replays: every combination of data, scenario, value, feedback, policy and seed, over processes."""

import gc
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from itertools import groupby
from multiprocessing import get_context

import numpy as np

from benchmarks.replay.baselines import BASELINES
from benchmarks.replay.call_sites import from_call_sites
from benchmarks.replay.data import Floats, ReplayData
from benchmarks.replay.engine import Engine, EngineOptions, Static, built_in_tasks
from benchmarks.replay.loop import NOBODY, Trace, play
from benchmarks.replay.player import Player
from benchmarks.replay.references import References, look_back, scorecard
from benchmarks.replay.scenarios import SCENARIOS, World, priced_per_answer, sequence, with_judge
from benchmarks.replay.side_by_side import play_side_by_side

CALL_SITES = "call_sites"
CURVE_POINTS = 50
SIDE_BY_SIDE = 20
"""Up to so many seeds are played side by side."""
FIRST_AFTER_CHANGE = 300
STATIC_SCORECARD = "static_scorecard"
STATIC = (STATIC_SCORECARD, "cheapest")
"""Policies that never try a model: they are told each model's true mean cost, and learn nothing."""


@dataclass(frozen=True, slots=True)
class Job:
    """One policy on one sequence. `data` is an index into the loaded sets."""

    data: int
    scenario: str
    value: float
    feedback: float
    delay: int
    policy: str
    seed: int
    options: EngineOptions
    evals: int = 0
    judged: float = 0.0
    judge_error: float = 0.0


@dataclass(frozen=True, slots=True)
class Played:
    """Results of one policy on one sequence: figures by name, and mean utility in equal pieces of it."""

    job: Job
    figures: dict[str, float]
    curve: Floats


class Sets:
    """The loaded data, with the tasks that the policies see: the file's, the built-in classifier's, or call sites."""

    def __init__(self, data: Sequence[ReplayData], classes: str) -> None:
        self.data = tuple(data)
        self._call_sites = classes == CALL_SITES
        self.tasks = tuple(one.tasks if classes == "data" else built_in_tasks(one.prompts) for one in data)

    def world(self, job: Job) -> World:
        """The sequence of a job, before anything is played."""
        world = sequence(self.data[job.data], self.tasks[job.data], job.feedback, job.seed, job.evals)
        if self._call_sites:
            world = from_call_sites(world, self.data[job.data].tasks, job.seed)
        if job.judged > 0.0:
            world = with_judge(world, job.judged, job.judge_error, job.seed)
        if job.policy in STATIC:
            world = priced_per_answer(world)
        return SCENARIOS[job.scenario](world, job.value, job.seed)

    def run(self, job: Job) -> Played:
        """Play one job."""
        world = self.world(job)
        return self._measured(job, world, play(world, self._maker(job, world), job.delay))

    def run_group(self, jobs: Sequence[Job]) -> list[Played]:
        """Play jobs that differ in their seeds alone, side by side if their policy is one of the product's."""
        worlds = [self.world(job) for job in jobs]
        players = [self._maker(job, world)() for job, world in zip(jobs, worlds, strict=True)]
        engines = [player for player in players if isinstance(player, Engine)]
        if len(engines) < len(jobs) or any(world.restarts_at is not None for world in worlds):
            return [self.run(job) for job in jobs]
        traces = play_side_by_side(worlds, engines, jobs[0].delay)
        return [self._measured(*played) for played in zip(jobs, worlds, traces, strict=True)]

    def _measured(self, job: Job, world: World, trace: Trace) -> Played:
        figures = measure(world, trace, look_back(world, job.value), job.value)
        if job.options.budget_usd is not None:
            figures["spent_of_budget"] = figures["usd_per_1000"] / (1000.0 * job.options.budget_usd)
        if world.restarts_at is not None:
            whole = replace(world, restarts_at=None)
            again = play(whole, self._maker(job, whole), job.delay)
            same = np.array_equal(trace.arms, again.arms) and trace.state == again.state
            figures["same_as_without_restart"] = float(same)
        return Played(job, figures, curve(world, trace, job.value))

    def _maker(self, job: Job, world: World) -> Callable[[], Player]:
        if job.policy in BASELINES:
            return lambda: BASELINES[job.policy](world, job.value, job.seed)
        if job.policy == STATIC_SCORECARD:
            card = scorecard(world, self.data[job.data], self.tasks[job.data], job.seed)
            world = replace(world, evaluated=replace(card, completion_tokens=None))  # its costs are known already
        if job.policy in STATIC:
            return lambda: Static(job.policy, world, job.value, job.seed, job.options)
        return lambda: Engine(job.policy, world, job.value, job.seed, job.options)


def measure(world: World, trace: Trace, references: References, value: float) -> dict[str, float]:
    """The figures of one trace; nobody's answer has quality 0 and costs nothing."""
    rows, answered = np.arange(len(world)), trace.arms != NOBODY
    utility = np.where(answered, world.utility(value)[rows, trace.arms], 0.0)
    quality = np.where(answered, world.quality[rows, trace.arms], 0.0)
    cost = np.where(answered, world.cost_usd[rows, trace.arms], 0.0)
    mean = float(utility.mean())
    figures = {
        "utility": mean,
        "share_of_oracle": references.share(mean),
        "regret_vs_best_fixed": references.best_fixed - mean,
        "quality": float(quality.mean()),
        "usd_per_1000": 1000.0 * float(cost.mean()),
        "best_arm_share": float(np.mean(trace.arms == references.best_arm)),
    }
    if world.latency_s is not None:
        figures["p95_latency_s"] = float(np.quantile(world.latency_s[rows, trace.arms][answered], 0.95))
    if world.changes_at is not None:
        pieces = np.split(utility, [world.changes_at, world.changes_at + FIRST_AFTER_CHANGE])
        for name, piece in zip(("before_change", "first_after_change", "later_after_change"), pieces, strict=True):
            if len(piece):
                figures[f"utility_{name}"] = float(piece.mean())
    return figures


def curve(world: World, trace: Trace, value: float) -> Floats:
    """Mean utility in each of 50 equal pieces of the sequence."""
    utility = np.where(trace.arms == NOBODY, 0.0, world.utility(value)[np.arange(len(world)), trace.arms])
    return np.array([piece.mean() for piece in np.array_split(utility, min(CURVE_POINTS, len(world)))])


def run_all(sets: Sets, jobs: Sequence[Job], processes: int) -> Iterator[Played]:
    """Play all jobs, in any order; the caller counts them. Slow policies are best put first."""
    groups = list(_groups(jobs, min(SIDE_BY_SIDE, math.ceil(len(jobs) / max(processes, 1)))))
    if processes <= 1:
        for group in groups:
            yield from sets.run_group(group)
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), _start, (sets,)) as pool:
        futures = [pool.submit(_run, group) for group in groups]
        try:
            for future in as_completed(futures):
                yield from future.result()
        finally:
            for future in futures:
                future.cancel()


_process_sets: list[Sets] = []


def _start(sets: Sets) -> None:
    # A replay makes millions of short-lived objects and no cycles: looking for cycles takes a twelfth of its time.
    gc.disable()
    _process_sets.append(sets)


def _run(group: Sequence[Job]) -> list[Played]:
    return _process_sets[0].run_group(group)


def _groups(jobs: Sequence[Job], size: int) -> Iterator[list[Job]]:
    """Jobs that stand one after the other and differ in their seeds alone, up to `size` of them."""
    for _, alike in groupby(jobs, key=lambda job: replace(job, seed=0)):
        rest = list(alike)
        yield from (rest[first : first + size] for first in range(0, len(rest), size))
