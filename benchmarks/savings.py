"""How often do the 95% intervals of savings contain the truth? Measured on data with every model's answer.

python -m benchmarks.savings --data FILE.parquet --waits WAITS.parquet --seeds 100

Each seed draws requests from the file, lets thompson serve them over some days, adds them up as the ledger's writer
does, and computes savings as the product does. The truth is what each model would really have cost, scored and taken
over the same requests. Such files have no waits: each model gets those of one provider and size of --waits (columns
`provider, size, e2e_s`), at random, and fails now and then.
"""

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bandit.ope.estimates import Estimate
from bandit.ope.savings import Always, always
from bandit.ope.sums import Sums
from bandit.types import Attempt, Ending, Objective, Scores
from benchmarks.coverage import take
from benchmarks.replay.data import BadData, Floats, ReplayData, load
from benchmarks.replay.engine import Engine, EngineOptions
from benchmarks.replay.scenarios import World, sequence
from storage.calendar import DAY
from storage.fixed_sums import SUMS, FixedSums, draw_of
from storage.records import Status

Arms = NDArray[np.int64]

FIGURES = ("cost", "seconds", "success", "quality", "worth")
DELAY = 100
"""Requests after which a score is known."""
START = 20_000


@dataclass(frozen=True, slots=True)
class Trial:
    """One log to make and to evaluate. `waits` are samples of seconds, one for each model by turns."""

    data: ReplayData
    waits: tuple[Floats, ...]
    objective: Objective
    feedback: float
    exploration: float
    failures: float
    requests: int
    days: int
    redraws: int
    seed: int


@dataclass(frozen=True, slots=True)
class Told:
    """One estimate beside the truth. None: it was refused."""

    figure: str
    model: str
    estimate: Estimate | None
    true: float


def run(trial: Trial) -> list[Told]:
    """Play one log, and compare what is computed from its sums, and from those of more draws, with the truth."""
    world = _world(trial)
    engine = Engine("thompson", world, trial.objective.quality_usd, trial.seed, EngineOptions(None, trial.exploration))
    arms: list[int] = []
    p = np.zeros((len(world), len(world.models)))
    for t in range(len(world)):
        _score(world, engine, t - DELAY - 1, arms)
        arms.append(_serve(world, engine, t))
        chances = {view.model_id: view.p for view in engine.choice.arms}
        p[t] = [chances.get(model, 0.0) for model in world.models]
        if not world.answers[t, arms[t]]:
            engine.choose(t, frozenset({arms[t]}))  # another model answers: outside of the comparison
    rng, total, upper = np.random.default_rng([trial.seed, 13]), p.sum(axis=1, keepdims=True), p.cumsum(axis=1)
    again = [(rng.random((len(world), 1)) * total > upper).sum(axis=1) for _ in range(trial.redraws)]
    logs = [np.array(arms), *again]
    return [told for log in logs for told in _told(world, log, p, trial)]


def _told(world: World, arms: Arms, p: Floats, trial: Trial) -> list[Told]:
    """What is computed from one log, as the writer adds it up, beside the truth."""
    fixed = FixedSums()
    for t, arm in enumerate(arms.tolist()):
        day = START + t * trial.days // len(world)
        place = ("rtr_a", day * float(DAY), world.tasks[t], world.models[arm])
        answered = bool(world.answers[t, arm])
        fixed.add_draw(*place, float(p[t, arm]), _attempt(world, t, arm, answered))
        draw = draw_of(*place, propensity=float(p[t, arm]), randomised=True, calls=1, status=Status.ANSWERED)
        if answered and world.scored[t] and draw is not None:
            nothing = Scores("rtr_a", world.models[arm], world.tasks[t], day * float(DAY))
            fixed.add_scores(draw, nothing, replace(nothing, by_source={"user": float(world.scores[t, arm])}))
    sums = Sums.of(SUMS, [(row[1], row[2], row[3], row[4:]) for row in fixed.rows()])  # type: ignore[misc]
    own, found = _worth(world, arms, trial.objective), []
    for k, model in enumerate(world.models):
        told, true = always(sums, model, trial.objective), _truth(world, k, trial.objective, own)
        found += [Told(figure, model, estimate, true[figure]) for figure, estimate in _estimates(told).items()]
    return found


def _world(trial: Trial) -> World:
    rng = np.random.default_rng([trial.seed, 12])
    drawn = take(trial.data, rng.integers(0, len(trial.data.prompts), trial.requests))
    waits = [rng.choice(trial.waits[k % len(trial.waits)], trial.requests) for k in range(len(drawn.models))]
    world = sequence(replace(drawn, latency_s=np.stack(waits, axis=1)), drawn.tasks, trial.feedback, trial.seed)
    return replace(world, answers=rng.random(world.answers.shape) >= trial.failures)


def _serve(world: World, engine: Engine, t: int) -> int:
    """Serve one request; the model that was drawn first."""
    arm = engine.choose(t, frozenset())
    assert arm is not None
    engine.learn_answer(t, arm, bool(world.answers[t, arm]))
    return arm


def _attempt(world: World, t: int, arm: int, answered: bool) -> Attempt:
    assert world.latency_s is not None
    return Attempt(
        number=1,
        model_id=world.models[arm],
        propensity=1.0,
        randomised=True,
        ending=Ending.COMPLETE if answered else Ending.FAILED,
        started_at=0.0,
        seconds=float(world.latency_s[t, arm]),
        stream=False,
        cost_usd=float(world.cost_usd[t, arm]) if answered else 0.0,
    )


def _score(world: World, engine: Engine, t: int, arms: Sequence[int]) -> None:
    if t >= 0 and world.scored[t] and world.answers[t][arms[t]]:
        engine.learn_score(t, arms[t], float(world.scores[t, arms[t]]))


def _worth(world: World, arms: Arms, objective: Objective) -> float:
    """What the first draws `arms` were really worth, per request."""
    assert world.latency_s is not None
    rows = np.arange(len(world))
    answered = world.answers[rows, arms]
    worth = np.where(
        answered, objective.quality_usd * world.quality[rows, arms] - world.cost_usd[rows, arms], -objective.failure_usd
    )
    return float((worth - objective.second_usd * world.latency_s[rows, arms]).mean())


def _truth(world: World, arm: int, objective: Objective, own: float) -> dict[str, float]:
    assert world.latency_s is not None
    answered = world.answers[:, arm]
    worth = _worth(world, np.full(len(world), arm), objective)
    return {
        "cost": float(np.where(answered, world.cost_usd[:, arm], 0.0).mean()),
        "seconds": float(world.latency_s[:, arm].mean()),
        "success": float(answered.mean()),
        "quality": float(world.quality[answered, arm].mean()),
        "worth": own - worth,
    }


def _estimates(told: Always) -> dict[str, Estimate | None]:
    estimates = (told.cost_usd, told.seconds, told.success, told.quality, told.worth_difference_usd)
    return dict(zip(FIGURES, estimates, strict=True))


def summarise(found: Sequence[Told]) -> list[dict[str, object]]:
    """Coverage, error and width by figure, over all models and for each."""
    rows: list[dict[str, object]] = []
    groups: dict[tuple[str, str], list[Told]] = defaultdict(list)
    for one in found:
        groups[one.figure, "all"].append(one)
        groups[one.figure, one.model].append(one)
    for (figure, model), own in sorted(
        groups.items(), key=lambda each: (FIGURES.index(each[0][0]), each[0][1] != "all")
    ):
        told = [(one.estimate, one.true) for one in own if one.estimate is not None]
        row: dict[str, object] = {
            "figure": figure,
            "model": model,
            "estimates": len(own),
            "refused": len(own) - len(told),
        }
        if told:
            errors = np.array([estimate.mean - true for estimate, true in told])
            halves = np.array([(estimate.high - estimate.low) / 2.0 for estimate, _ in told])
            row["coverage"] = float(np.mean([estimate.low <= true <= estimate.high for estimate, true in told]))
            row["bias"] = float(errors.mean())
            row["rmse"] = float(np.sqrt((errors**2).mean()))
            row["half"] = float(halves.mean())
        rows.append(row)
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, show and write; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.savings",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FILE")
    parser.add_argument("--waits", type=Path, required=True, metavar="FILE")
    parser.add_argument("--value", type=float, default=0.01, help="dollars a perfect answer is worth")
    parser.add_argument("--feedback", type=float, default=1.0, help="the share of answers scored")
    parser.add_argument("--exploration", type=float, default=0.02)
    parser.add_argument("--failures", type=float, default=0.02, help="the share of calls that fail")
    parser.add_argument("--requests", type=int, default=5000, help="in each log")
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument(
        "--redraws", type=int, default=0, help="more logs of each seed, drawn anew from its probabilities"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--models", action="store_true", help="show each model, too")
    parser.add_argument("--json", type=Path, metavar="OUT")
    options = parser.parse_args(arguments)
    try:
        data, waits = load(options.data), read_waits(options.waits)
    except (BadData, OSError) as error:
        print(f"savings: {error}", file=sys.stderr)
        return 1
    objective = Objective(options.value, options.value / 50.0, options.value / 2.0)
    trials = [
        Trial(
            data=data,
            waits=waits,
            objective=objective,
            feedback=options.feedback,
            exploration=options.exploration,
            failures=options.failures,
            requests=options.requests,
            days=options.days,
            redraws=options.redraws,
            seed=seed,
        )
        for seed in range(options.seeds)
    ]
    rows = summarise(_run_all(trials, options.processes))
    Console(width=120).print(_table([row for row in rows if options.models or row["model"] == "all"]))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


def read_waits(path: Path) -> tuple[Floats, ...]:
    """Seconds to the end of an answer, one sample for each provider and size. Raises OSError, BadData."""
    import pyarrow.parquet  # noqa: PLC0415 - only with the extra that brings it

    table = pyarrow.parquet.read_table(path, columns=["provider", "size", "e2e_s"]).to_pydict()
    samples: dict[tuple[str, str], list[float]] = defaultdict(list)
    for provider, size, seconds in zip(table["provider"], table["size"], table["e2e_s"], strict=True):
        if seconds is not None and seconds > 0.0:
            samples[provider, size].append(seconds)
    if not samples:
        raise BadData(f"{path}: there are no waits")
    return tuple(np.array(samples[key]) for key in sorted(samples))


def _run_all(trials: Sequence[Trial], processes: int) -> list[Told]:
    with (
        Progress(console=Console(stderr=True)) as progress,
        ProcessPoolExecutor(max(processes, 1), get_context("spawn")) as pool,
    ):
        logs = progress.track(pool.map(run, trials), total=len(trials), description="logs")
        return [told for log in logs for told in log]


def _table(rows: Sequence[Mapping[str, object]]) -> Table:
    table = Table(title="95% intervals of savings")
    for head in ("figure", "model", "refused", "coverage", "bias", "rmse", "half"):
        table.add_column(head, justify="left" if head in {"figure", "model"} else "right")
    for row in rows:
        figures = [f"{row[name]:.4g}" if name in row else "–" for name in ("coverage", "bias", "rmse", "half")]
        table.add_row(str(row["figure"]), str(row["model"]), f"{row['refused']} of {row['estimates']}", *figures)
    return table


if __name__ == "__main__":
    sys.exit(main())
