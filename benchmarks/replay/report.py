"""Summarises replays: means with 95% intervals over seeds, as tables and as JSON."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rich.table import Table
from scipy.stats import t as student

from benchmarks.replay.data import Floats
from benchmarks.replay.references import look_back, scorecard
from benchmarks.replay.runs import Job, Played, Sets

CONFIDENCE = 0.95
OURS = "thompson"
PLAIN = ("regret_vs_best_fixed", "quality", "usd_per_1000", "p95_latency_s", "best_arm_share")
"""Figures that a run gives as a plain mean; their intervals are under `intervals`."""

COLUMNS = (
    ("share_of_oracle", "share of oracle", 3),
    ("utility", "utility", 3),
    ("regret_vs_best_fixed", "regret", 3),
    ("quality", "quality", 3),
    ("usd_per_1000", "$ per 1,000", 3),
    ("best_arm_share", "best arm", 2),
    ("p95_latency_s", "p95 s", 1),
    ("spent_of_budget", "of budget", 3),
    ("utility_before_change", "before change", 3),
    ("utility_first_after_change", "first 300 after", 3),
    ("utility_later_after_change", "later", 3),
)
"""Figures of the tables: name, heading, digits; figures that no row has are left out."""

Setting = tuple[int, str, float, float]
"""Data, scenario, value and feedback; policies are compared within one setting."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over seeds and its 95% interval."""

    mean: float
    low: float
    high: float

    def shown(self, digits: int) -> str:
        """The mean and half the width of the interval."""
        return f"{self.mean:.{digits}f} ±{(self.high - self.low) / 2.0:.{digits}f}"

    def json(self) -> dict[str, float]:
        """As a JSON object."""
        return {"mean": self.mean, "low": self.low, "high": self.high}


def interval(values: Sequence[float]) -> Interval:
    """Student's t interval of a mean; of width 0 for a single value."""
    array = np.array(values)
    mean, n = float(array.mean()), len(array)
    if n < 2:
        return Interval(mean, mean, mean)
    half = float(student.ppf(0.5 + CONFIDENCE / 2.0, n - 1) * array.std(ddof=1) / np.sqrt(n))
    return Interval(mean, mean - half, mean + half)


@dataclass(frozen=True, slots=True)
class Row:
    """One policy in one setting, its seeds in order."""

    setting: Setting
    policy: str
    played: tuple[Played, ...]

    def values(self, figure: str) -> list[float]:
        """A figure by seed; empty where the data does not have it."""
        return [one.figures[figure] for one in self.played if figure in one.figures]

    def interval(self, figure: str) -> Interval | None:
        """A figure's mean and interval over seeds."""
        values = self.values(figure)
        return interval(values) if values else None

    def curve(self) -> list[Interval]:
        """Mean utility over the course of the sequence."""
        pieces: Floats = np.array([one.curve for one in self.played])
        return [interval(piece.tolist()) for piece in pieces.T]


def gather(played: Iterable[Played]) -> list[Row]:
    """Rows by setting, the best policy of a setting first."""
    groups: dict[tuple[Setting, str], list[Played]] = defaultdict(list)
    for one in played:
        job = one.job
        groups[(job.data, job.scenario, job.value, job.feedback), job.policy].append(one)
    rows = [
        Row(setting, policy, tuple(sorted(group, key=lambda one: one.job.seed)))
        for (setting, policy), group in groups.items()
    ]

    def rank(row: Row) -> tuple[int, str, float, float, float]:
        data, scenario, value, feedback = row.setting
        return data, scenario, -value, -feedback, -float(np.mean(row.values("utility")))

    return sorted(rows, key=rank)


def lead(rows: Sequence[Row], row: Row) -> Interval | None:
    """How much more of (oracle - random) thompson gets than this policy on the same seeds: a paired interval."""
    ours = next((one for one in rows if one.setting == row.setting and one.policy == OURS), None)
    if ours is None or ours is row:
        return None
    pairs = zip(ours.values("share_of_oracle"), row.values("share_of_oracle"), strict=True)
    return interval([a - b for a, b in pairs])


def as_json(sets: Sets, rows: Sequence[Row], settings: dict[str, object]) -> dict[str, object]:
    """The documented shape: `runs`, `references`, and how they were made."""
    return {
        "runs": [_run(sets, rows, row) for row in rows],
        "references": references(sets, rows),
        "settings": settings,
    }


def _run(sets: Sets, rows: Sequence[Row], row: Row) -> dict[str, object]:
    job = row.played[0].job
    figures = sorted({name for one in row.played for name in one.figures})
    known = {name: made for name in figures if (made := row.interval(name)) is not None}
    ahead = lead(rows, row)
    run: dict[str, object] = {
        "data": sets.data[job.data].name,
        "scenario": job.scenario,
        "value": job.value,
        "feedback": job.feedback,
        "delay": job.delay,
        "policy": job.policy,
        "seeds": len(row.played),
        "utility": known["utility"].json(),
        "share_of_oracle": known["share_of_oracle"].json(),
    }
    run |= {name: known[name].mean if name in known else None for name in PLAIN}
    run["intervals"] = {name: one.json() for name, one in known.items()}
    run["thompson_lead"] = ahead.json() if ahead else None
    run["curve"] = [one.json() for one in row.curve()]
    return run


def references(sets: Sets, rows: Sequence[Row]) -> list[dict[str, object]]:
    """Hindsight references per data, scenario and value: means over the seeds' sequences."""
    found: list[dict[str, object]] = []
    done: set[tuple[int, str, float]] = set()
    for row in rows:
        job = row.played[0].job
        if (job.data, job.scenario, job.value) in done:
            continue
        done.add((job.data, job.scenario, job.value))
        found.append(_reference(sets, [one.job for one in row.played]))
    return found


def _reference(sets: Sets, jobs: Sequence[Job]) -> dict[str, object]:
    job, data = jobs[0], sets.data[jobs[0].data]
    seen = []
    for one in jobs:
        world = sets.world(one)
        looked = look_back(world, one.value)
        card = scorecard(world, data, sets.tasks[job.data], one.seed).quality.mean(axis=0)
        by_card = int(np.argmax(card - data.cost_usd.mean(axis=0) / one.value))
        static = float(world.utility(one.value)[:, by_card].mean())
        seen.append([looked.random, looked.oracle, looked.best_fixed, looked.best_per_task, static])
    names = ("random", "oracle", "best_fixed", "best_per_task", "static_scorecard")
    means = np.mean(seen, axis=0).tolist()
    return {"data": data.name, "scenario": job.scenario, "value": job.value} | dict(zip(names, means, strict=True))


def tables(sets: Sets, rows: Sequence[Row]) -> list[Table]:
    """A table per setting, with intervals."""
    by_setting: dict[Setting, list[Row]] = defaultdict(list)
    for row in rows:
        by_setting[row.setting].append(row)
    return [_table(sets, group) for group in by_setting.values()]


def _table(sets: Sets, rows: Sequence[Row]) -> Table:
    job = rows[0].played[0].job
    title = (
        f"{sets.data[job.data].name} · {job.scenario} · ${job.value:g} a perfect answer · "
        f"{job.feedback:.0%} scored, {job.delay} late · {len(rows[0].played)} seeds"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("policy", no_wrap=True)
    table.add_column("thompson leads by", justify="right")
    figures = [one for one in COLUMNS if any(row.values(one[0]) for row in rows)]
    for _, head, _ in figures:
        table.add_column(head, justify="right")
    for row in rows:
        ahead = lead(rows, row)
        cells = [made.shown(digits) if (made := row.interval(name)) else "–" for name, _, digits in figures]
        table.add_row(row.policy, ahead.shown(3) if ahead else "", *cells)
    return table
