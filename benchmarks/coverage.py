"""How often do the 95% intervals of off-policy evaluation contain the truth? Measured on data with every answer.

python -m benchmarks.coverage --data FILE.parquet --seeds 200

Each seed draws requests from the file, lets thompson serve them and keeps what a ledger would keep; then six policies
are evaluated from that log alone, and compared with what they really get on the whole file.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bandit.ope.estimates import Estimate, Figure
from bandit.ope.logged import Logged
from bandit.types import Objective
from benchmarks.replay.data import BadData, Floats, ReplayData, load
from benchmarks.replay.engine import Engine, EngineOptions
from benchmarks.replay.loop import NOBODY, play
from benchmarks.replay.scenarios import World, sequence
from tests.support.ope import compared

ESTIMATORS = ("ips", "snips", "doubly_robust")
FIGURES = (Figure.QUALITY, Figure.COST, Figure.UTILITY)


@dataclass(frozen=True, slots=True)
class Trial:
    """One log to make and to evaluate."""

    data: ReplayData
    value: float
    feedback: float
    exploration: float
    requests: int
    seed: int


class Recorder(Engine):
    """Thompson, with the probabilities of each request kept."""

    def __init__(self, world: World, trial: Trial) -> None:
        options = EngineOptions(exploration=trial.exploration)
        super().__init__("thompson", world, trial.value, trial.seed, options)
        self.probabilities: list[dict[str, float]] = []

    def choose(self, t: int, failed: frozenset[int]) -> int | None:
        """Choose as thompson does, and keep the probabilities."""
        arm = super().choose(t, failed)
        self.probabilities.append({view.model_id: view.p for view in self.choice.arms})
        return arm


def targets(data: ReplayData, value: float) -> dict[str, Floats]:
    """Six policies that depend on the class alone: probabilities of shape (tasks, models), tasks sorted by name."""
    utility = data.utility(value)
    tasks = sorted(set(data.tasks))
    of_task = np.array([utility[np.array(data.tasks) == task].mean(axis=0) for task in tasks])
    count = len(data.models)

    def always(model: int) -> Floats:
        return np.tile(np.eye(count)[model], (len(tasks), 1))

    cost = data.cost_usd.mean(axis=0)
    best_per_task = np.eye(count)[of_task.argmax(axis=1)]
    cheapest = always(int(cost.argmin()))
    return {
        "uniform": np.full((len(tasks), count), 1.0 / count),
        "cheapest": cheapest,
        "dearest": always(int(cost.argmax())),
        "best fixed": always(int(utility.mean(axis=0).argmax())),
        "best per task": best_per_task,
        "half best, half cheapest": (best_per_task + cheapest) / 2.0,
    }


def truth(data: ReplayData, value: float, target: Floats) -> dict[Figure, float]:
    """Mean figures of a target on the whole file, utility in dollars."""
    row = _rows(data)
    share = target[row]
    quality = float((share * data.quality).sum(axis=1).mean())
    cost = float((share * data.cost_usd).sum(axis=1).mean())
    return {Figure.QUALITY: quality, Figure.COST: cost, Figure.UTILITY: value * quality - cost}


def run(trial: Trial) -> dict[tuple[str, str, Figure], tuple[Estimate | None, float]]:
    """The estimates of one log with the truth, by target, estimator and figure."""
    sample = np.random.default_rng([trial.seed, 8]).integers(0, len(trial.data.prompts), trial.requests)
    drawn = take(trial.data, sample)
    world = sequence(drawn, drawn.tasks, trial.feedback, trial.seed)
    recorder = Recorder(world, trial)
    trace = play(world, lambda: recorder, delay=100)
    log = _log(world, trace.arms.tolist())
    tasks = sorted(set(trial.data.tasks))
    objective = Objective(trial.value, 0.0, 0.0)
    found: dict[tuple[str, str, Figure], tuple[Estimate | None, float]] = {}
    for name, target in targets(trial.data, trial.value).items():
        rows = [dict(zip(world.models, target[tasks.index(task)].tolist(), strict=True)) for task in world.tasks]
        told = compared(log, recorder.probabilities, rows, objective, now=float(len(world))).target
        true = truth(trial.data, trial.value, target)
        for estimator in ESTIMATORS:
            estimates: Mapping[Figure, Estimate] = getattr(told, estimator)
            for figure in FIGURES:
                found[name, estimator, figure] = (estimates.get(figure), true[figure])
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, show and write; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.coverage",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FILE")
    parser.add_argument("--value", type=float, default=0.01, help="dollars a perfect answer is worth")
    parser.add_argument("--feedback", type=float, default=1.0, help="the share of answers scored")
    parser.add_argument("--exploration", type=float, default=0.05)
    parser.add_argument("--requests", type=int, default=3000, help="in each log")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, metavar="OUT")
    options = parser.parse_args(arguments)
    try:
        data = load(options.data)
    except BadData as error:
        print(f"coverage: {error}", file=sys.stderr)
        return 1
    trials = [
        Trial(data, options.value, options.feedback, options.exploration, options.requests, seed)
        for seed in range(options.seeds)
    ]
    rows = summarise(_run_all(trials, options.processes))
    Console(width=110).print(_table(rows))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


def summarise(
    found: Sequence[Mapping[tuple[str, str, Figure], tuple[Estimate | None, float]]],
) -> list[dict[str, object]]:
    """Coverage, root mean squared error and mean width of the intervals, by target, estimator and figure."""
    rows: list[dict[str, object]] = []
    for key in found[0]:
        pairs = [one[key] for one in found]
        told = [(estimate, true) for estimate, true in pairs if estimate is not None]
        row: dict[str, object] = dict(zip(("target", "estimator", "figure"), key, strict=True))
        row |= {"logs": len(pairs), "refused": len(pairs) - len(told)}
        if told:
            row["coverage"] = float(np.mean([one.low <= true <= one.high for one, true in told]))
            row["rmse"] = float(np.sqrt(np.mean([(one.mean - true) ** 2 for one, true in told])))
            row["width"] = float(np.mean([one.high - one.low for one, _ in told]))
        rows.append(row)
    return rows


def _run_all(
    trials: Sequence[Trial], processes: int
) -> list[dict[tuple[str, str, Figure], tuple[Estimate | None, float]]]:
    with (
        Progress(console=Console(stderr=True)) as progress,
        ProcessPoolExecutor(max(processes, 1), get_context("spawn")) as pool,
    ):
        return list(progress.track(pool.map(run, trials), total=len(trials), description="logs"))


def _table(rows: Sequence[Mapping[str, object]]) -> Table:
    table = Table(title="95% intervals of off-policy evaluation")
    for head in ("target", "estimator", "figure", "refused", "coverage", "rmse", "width"):
        table.add_column(head, justify="left" if head in {"target", "estimator", "figure"} else "right")
    for row in rows:
        figures = [f"{row[name]:.4g}" if name in row else "–" for name in ("coverage", "rmse", "width")]
        table.add_row(str(row["target"]), str(row["estimator"]), str(row["figure"]), str(row["refused"]), *figures)
    return table


def _log(world: World, arms: Sequence[int]) -> list[Logged]:
    log = []
    for t, arm in enumerate(arms):
        assert arm != NOBODY
        log.append(
            Logged(
                at=float(t),
                task=world.tasks[t],
                model_id=world.models[arm],
                choice=t,
                randomised=True,
                answered=True,
                cost_usd=float(world.cost_usd[t, arm]),
                seconds=0.0 if world.latency_s is None else float(world.latency_s[t, arm]),
                score=float(world.scores[t, arm]) if world.scored[t] else None,
                scored_at=t + 1.0 if world.scored[t] else None,
            )
        )
    return log


def take(data: ReplayData, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> ReplayData:
    """The data of these prompts, in this order."""

    def some(values: Floats | None) -> Floats | None:
        return None if values is None else values[rows]

    return ReplayData(
        data.name,
        data.models,
        tuple(data.prompts[i] for i in rows),
        tuple(data.tasks[i] for i in rows),
        data.quality[rows],
        data.cost_usd[rows],
        some(data.prompt_tokens),
        some(data.completion_tokens),
        some(data.latency_s),
    )


def _rows(data: ReplayData) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    tasks = sorted(set(data.tasks))
    return np.array([tasks.index(task) for task in data.tasks])


if __name__ == "__main__":
    sys.exit(main())
