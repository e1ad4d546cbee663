"""Compares all policies by replay: what would each have cost and scored, and how sure is that?

python -m benchmarks.policies --data FILE.parquet --values 0.05 0.01 0.003 --feedback 1.0 0.1 --seeds 20

A file has one row per (prompt, model): prompt_id, prompt, task, model, quality, cost_usd and, where known,
prompt_tokens, completion_tokens, latency_s. Without a file synthetic worlds are played.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bandit.policies import named
from benchmarks.replay.baselines import BASELINES
from benchmarks.replay.data import BadData, ReplayData, load
from benchmarks.replay.engine import EngineOptions
from benchmarks.replay.plots import plot
from benchmarks.replay.report import Row, as_json, gather, tables
from benchmarks.replay.runs import CALL_SITES, Job, Played, Sets, run_all
from benchmarks.replay.scenarios import SCENARIOS
from benchmarks.replay.worlds import WORLDS

POLICIES = (
    "thompson",
    "flat_beta",
    "gaussian_thompson",
    "epsilon_greedy",
    "ucb1",
    "static_scorecard",
    "cheapest",
    "round_robin",
    "uniform",
)
ABOUT_LATENCY = ("fastest", "latency_weighted")


def main(arguments: Sequence[str] | None = None) -> int:
    """Play, show and write; the exit status."""
    options = _parser().parse_args(arguments)
    screen = Console(stderr=True)
    try:
        sets = Sets(_data(options), options.classes)
        jobs = _jobs(options, sets)
        played = _watch(sets, jobs, options.processes, screen)
        rows = gather(played)
        _show(sets, rows, played, options, screen)
    except (BadData, RuntimeError, OSError) as error:
        print(f"policies: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.policies", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, nargs="+", default=[], metavar="FILE", help="replay data, Parquet or CSV")
    parser.add_argument("--world", nargs="+", choices=sorted(WORLDS), default=["classes"], help="without --data")
    parser.add_argument("--scenario", nargs="+", choices=[*SCENARIOS, "all"], default=["stationary"])
    parser.add_argument(
        "--values", type=_positive, nargs="+", default=[0.05, 0.01, 0.003], help="dollars a perfect answer is worth"
    )
    parser.add_argument("--feedback", type=_share, nargs="+", default=[1.0, 0.1], help="the share of answers scored")
    parser.add_argument("--delay", type=_count, default=100, help="requests until a score arrives")
    parser.add_argument("--seeds", type=_count, default=20, help="random orders and scorings")
    parser.add_argument("--policies", type=_policy, nargs="+", help="instead of all")
    parser.add_argument("--classes", choices=("data", "builtin", CALL_SITES), default="data", help="who says the task")
    parser.add_argument(
        "--call-sites",
        action="store_const",
        const=CALL_SITES,
        dest="classes",
        help="nobody says the task: each has a system prompt, filled in for each request",
    )
    parser.add_argument(
        "--evals",
        type=_count,
        default=0,
        metavar="N",
        help="rows of N prompts, not asked later, as evidence beforehand",
    )
    parser.add_argument(
        "--judge", type=_share, default=0.0, metavar="SHARE", help="of the unscored answers that a judge scores"
    )
    parser.add_argument(
        "--judge-error", type=float, default=0.1, metavar="SD", help="of the judge's mean error, over models"
    )
    parser.add_argument("--budget", type=_positive, metavar="USD", help="mean dollars a request, paced")
    parser.add_argument("--half-life", type=_positive, metavar="REQUESTS", help="of quality; default: 14 days")
    parser.add_argument("--temperature", type=_positive, help="of thompson")
    parser.add_argument("--exploration", type=_share, help="of thompson")
    parser.add_argument("--busy", action="store_true", help="renew snapshots as rarely as for a busy router")
    parser.add_argument("--processes", type=_count, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, metavar="OUT", help="write all figures")
    parser.add_argument("--plot", type=Path, metavar="OUT.png", help="draw utility over time, quality against cost")
    return parser


def _data(options: argparse.Namespace) -> list[ReplayData]:
    if options.data:
        return [load(path) for path in options.data]
    return [WORLDS[name]() for name in options.world]


def _jobs(options: argparse.Namespace, sets: Sets) -> list[Job]:
    """All jobs, the slowest policies first, so that all processes end at about the same time."""
    scenarios = list(SCENARIOS) if "all" in options.scenario else options.scenario
    engine = EngineOptions(options.temperature, options.exploration, options.half_life, options.budget, options.busy)
    jobs = []
    for data, one in enumerate(sets.data):
        policies = options.policies or (*POLICIES, *(ABOUT_LATENCY if one.latency_s is not None else ()), *BASELINES)
        for policy, scenario, value, feedback, seed in product(
            policies, scenarios, options.values, options.feedback, range(options.seeds)
        ):
            jobs.append(
                Job(
                    data,
                    scenario,
                    value,
                    feedback,
                    options.delay,
                    policy,
                    seed,
                    engine,
                    options.evals,
                    options.judge,
                    options.judge_error,
                )
            )
    return jobs


def _watch(sets: Sets, jobs: Sequence[Job], processes: int, screen: Console) -> list[Played]:
    columns = (TextColumn("replays"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen) as progress:
        return list(progress.track(run_all(sets, jobs, processes), total=len(jobs)))


def _show(
    sets: Sets, rows: Sequence[Row], played: Sequence[Played], options: argparse.Namespace, screen: Console
) -> None:
    for table in tables(sets, rows):
        Console(width=max(screen.width, 170)).print(table)
    changed = [one for one in played if one.figures.get("same_as_without_restart") == 0.0]
    for one in changed:
        print(f"restart changed {one.job.policy}, seed {one.job.seed}", file=sys.stderr)
    if options.json:
        settings: dict[str, object] = {name: str(value) for name, value in vars(options).items() if value is not None}
        options.json.write_text(json.dumps(as_json(sets, rows, settings), indent=1) + "\n")
    if options.plot:
        for path in plot(sets, rows, options.plot):
            screen.print(f"wrote {path}")


def _positive(text: str) -> float:
    number = float(text)
    if not 0.0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be more than 0, not {text}")
    return number


def _share(text: str) -> float:
    number = float(text)
    if not 0.0 <= number <= 1.0:
        raise argparse.ArgumentTypeError(f"must be from 0 to 1, not {text}")
    return number


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"must be 0 or more, not {text}")
    return number


def _policy(text: str) -> str:
    if text not in BASELINES:
        try:
            named(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{error}; or one of {', '.join(BASELINES)}") from error
    return text


if __name__ == "__main__":
    sys.exit(main())
