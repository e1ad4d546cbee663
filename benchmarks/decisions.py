"""Times one decision and one update by the number of models and classes, and other libraries for comparison.

python -m benchmarks.decisions --arms 2 5 10 20 50 --classes 1 10 60

A decision is all that the gateway does between a parsed request and the name of a model: features, class, buckets,
probabilities, the draw. `fresh` computes the probabilities; `served` finds them with the snapshot where an equal
question was asked within its 50 ms, as the gateway does. MABWiser and river are measured where they are installed.
Then, how long it takes to read texts: to find a prompt's class, and to understand instructions of the longest kind.
"""

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
from rich.console import Console
from rich.table import Table

from bandit.buckets import bucketed
from bandit.draws import draw
from bandit.learning import learn_attempt, learn_scores, merge
from bandit.posteriors.snapshot import Snapshot, take_snapshot
from bandit.price import Price
from bandit.statistics import Signal, StatisticKey, Sums
from bandit.types import (
    NO_STEERING,
    Arm,
    Attempt,
    BudgetState,
    Context,
    Ending,
    Epoch,
    PromptParts,
    RouterSettings,
    Scores,
)
from gateway.instructions import Instructions
from gateway.instructions.rules import read_rules
from gateway.routing.published import Published
from gateway.tasks.classifier import Features, classify
from gateway.tasks.prompt_parts import estimate_parts

ROUTER_ID = "rtr_decisions"
NOW = Epoch(1_700_000_000.0)
SEED = 11
PROMPT = (
    "Our nightly job fails since Tuesday. Why does this raise, and how would you mend it?\n"
    "```python\ndef total(rows):\n    return sum(row['amount'] for row in rows)\n```\n"
    "TypeError: unsupported operand type(s) for +: 'int' and 'str'. Please explain it in two sentences.\n"
) * 5
LINEAR_FEATURES = 32
LONGEST_INSTRUCTIONS = 4_000
TEXTS = {
    "2 kB": (PROMPT * 2)[:2_000],
    "4 kB": (PROMPT * 4)[:4_000],
    "20 MB": PROMPT * (20_000_000 // len(PROMPT)),
    "4 kB of “otherwise”": ("use gpt for code. otherwise " * 200)[:LONGEST_INSTRUCTIONS],
    "4 kB of “1 ”": "1 " * 2_000,
}
"""What is read: prompts, and the texts that take the most steps (`tests/`, which count them)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, show and write; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.decisions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--arms", type=int, nargs="+", default=[2, 5, 10, 20, 50])
    parser.add_argument("--classes", type=int, nargs="+", default=[1, 10, 60])
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--json", type=Path, metavar="OUT")
    options = parser.parse_args(arguments)
    rows: list[dict[str, object]] = []
    for arms in options.arms:
        rows += [ours(arms, classes, options.repeats) for classes in options.classes]
        rows += rivals(arms, options.repeats)
    texts = [reading(name, text, options.repeats) for name, text in TEXTS.items()]
    console = Console(width=110)
    console.print(_table(rows), _reading_table(texts))
    if options.json:
        options.json.write_text(json.dumps({"decisions": rows, "texts": texts}, indent=1) + "\n")
    return 0


_FEATURES = Features(
    system="You are a helpful assistant.",
    text=PROMPT,
    prompt_chars=len(PROMPT),
    tools=False,
    tool_turns=0,
    wants_json=False,
    images=0,
    turns=1,
)
"""What the gateway sees of a request of 1.5 kB."""

_CONTEXT = bucketed("class-0", PromptParts(300), max_tokens=None, stream=False, wants_json=False)


def ours(arms: int, classes: int, repeats: int) -> dict[str, object]:
    """Microseconds, median and 99th percentile, of a decision, an update and a snapshot."""
    router = _Router(arms, classes)
    features = _FEATURES
    return {
        "library": "bandit-gateway",
        "arms": arms,
        "classes": classes,
        "propensity": "exact",
        "fresh": _microseconds(router.decide_fresh, repeats),
        "served": _microseconds(router.decide_served, repeats),
        "features": _microseconds(lambda: (classify(features), estimate_parts(features)), repeats),
        "update": _microseconds(router.update, repeats),
        "snapshot": _microseconds(router.snapshot, repeats // 5 + 1),
    }


def reading(name: str, text: str, repeats: int) -> dict[str, object]:
    """Microseconds, median and 99th percentile, to classify a prompt and, up to 4 kB, to read it as instructions."""
    features = replace(_FEATURES, text=text, prompt_chars=len(text))
    found: dict[str, object] = {"text": name, "class": _microseconds(lambda: classify(features), repeats)}
    if len(text) <= LONGEST_INSTRUCTIONS:
        found["instructions"] = _microseconds(lambda: Instructions(text, *read_rules(text)), repeats // 5 + 1)
    return found


class _Router:
    """A router with much traffic behind it, and the steps that the gateway takes with it."""

    def __init__(self, arms: int, classes: int) -> None:
        rng = np.random.default_rng([SEED, arms, classes])
        self.names = tuple(f"provider/model-{k:02}" for k in range(arms))
        prices = np.exp(rng.uniform(-15.0, -11.0, arms)).tolist()
        self._arms = tuple(
            Arm(name, Price(usd, 4.0 * usd, 0.1 * usd)) for name, usd in zip(self.names, prices, strict=True)
        )
        self._settings = RouterSettings(ROUTER_ID)
        self._sums: dict[StatisticKey, Sums] = {}
        for name in self.names:
            self._sums |= _sums_of(name, classes, rng)
        self._published = Published(self.taken(), NOW)
        self._warm = self._published.snapshot
        self._count = 0
        self.decide_fresh()

    def decide_served(self) -> None:
        """Decide with the snapshot's cached probabilities: features, class, buckets, the draw."""
        self._decide(self._published)

    def decide_fresh(self) -> None:
        """Decide on a snapshot that has no probabilities cached for this kind of request."""
        self._decide(Published(self._warm, NOW))

    def update(self) -> None:
        """Add what an answer and its score teach."""
        context, attempt = self._answer()
        merge(self._sums, learn_attempt(self._warm, context, attempt, NOW + 1.0, None))
        before = Scores(ROUTER_ID, attempt.model_id, context.task, NOW + 1.0)
        after = replace(before, by_source={"user": 0.75})
        merge(self._sums, learn_scores(before, after, self._settings.half_lives.quality))

    def snapshot(self) -> None:
        """A new snapshot, with all that decisions derive from it."""
        Published(self.taken(), NOW).choose(_CONTEXT, self.names, NO_STEERING, ())

    def taken(self) -> Snapshot:
        """The current snapshot."""
        return take_snapshot(self._settings, self._arms, self._sums, BudgetState(), NOW)

    def _decide(self, published: Published) -> None:
        self._count += 1
        features = _FEATURES
        task = classify(features)
        parts = estimate_parts(features)
        context = bucketed(task, parts, max_tokens=None, stream=False, wants_json=features.wants_json)
        cached = published.choose(context, self.names, NO_STEERING, ())
        draw(cached.choice, b"secret of the router, 32 bytes  ", f"req_{self._count:024}")

    def _answer(self) -> tuple[Context, Attempt]:
        self._count += 1
        attempt = Attempt(
            number=1,
            model_id=self.names[self._count % len(self.names)],
            propensity=0.5,
            randomised=True,
            ending=Ending.COMPLETE,
            started_at=NOW,
            seconds=1.3,
            stream=False,
            prompt_tokens=310,
            completion_tokens=220,
            cost_usd=0.001,
        )
        return _CONTEXT, attempt


def _sums_of(model: str, classes: int, rng: np.random.Generator) -> dict[StatisticKey, Sums]:
    """Statistics as two hundred answers of a model leave them."""
    half_life = 14 * 86_400.0
    quality = rng.beta(7.0, 3.0)
    sums = {
        StatisticKey(ROUTER_ID, model, "", Signal.SUCCESS): Sums(NOW, half_life, 200.0, 199.0, 199.0),
        StatisticKey(ROUTER_ID, model, "", Signal.OUTCOMES): Sums(NOW, float("inf"), 200.0, 200.0, 200.0),
        StatisticKey(ROUTER_ID, model, "", Signal.TOTAL): Sums(NOW, half_life, 200.0, -800.0, 3_300.0),
        StatisticKey(ROUTER_ID, model, "", Signal.PROMPT_RATIO): Sums(NOW, half_life, 60_000.0, 63_000.0),
    }
    for g in range(classes):
        scores = 200.0 / classes
        total = scores * quality
        sums[StatisticKey(ROUTER_ID, model, f"class-{g}", Signal.QUALITY)] = Sums(NOW, half_life, scores, total, total)
        sums[StatisticKey(ROUTER_ID, model, f"class-{g}", Signal.COMPLETION_TOKENS)] = Sums(
            NOW, half_life, scores, 220.0 * scores, 60_000.0 * scores
        )
    return sums


def rivals(arms: int, repeats: int) -> list[dict[str, object]]:
    """Times other libraries that are installed; they compute no features and no propensity."""
    rows = []
    for name, make in (("mabwiser", _mabwiser), ("river", _river)):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        for policy, decide, update in make(module, arms):
            rows.append(
                {
                    "library": f"{name} {policy}",
                    "arms": arms,
                    "propensity": "none",
                    "fresh": _microseconds(decide, repeats),
                    "update": _microseconds(update, repeats // 5 + 1),
                }
            )
    return rows


Measured = tuple[str, Callable[[], object], Callable[[], object]]


def _mabwiser(module: ModuleType, arms: int) -> list[Measured]:
    mab = importlib.import_module("mabwiser.mab")
    rng = np.random.default_rng([SEED, arms])
    names = [f"model-{k:02}" for k in range(arms)]
    taken = [names[int(k)] for k in rng.integers(0, arms, 200)]
    rewards = rng.random(200).round().tolist()
    contexts = rng.normal(size=(200, LINEAR_FEATURES))
    linear = mab.MAB(names, mab.LearningPolicy.LinTS(alpha=0.5), seed=SEED)
    linear.fit(taken, rewards, contexts)
    plain = mab.MAB(names, mab.LearningPolicy.ThompsonSampling(), seed=SEED)
    plain.fit(taken, rewards)
    row = contexts[:1]
    return [
        ("LinTS", lambda: linear.predict(row), lambda: linear.partial_fit([names[0]], [1.0], row)),
        ("Thompson", plain.predict, lambda: plain.partial_fit([names[0]], [1.0])),
    ]


def _river(module: ModuleType, arms: int) -> list[Measured]:
    bandit = importlib.import_module("river.bandit")
    stats = importlib.import_module("river.proba")
    names = list(range(arms))
    plain = bandit.ThompsonSampling(reward_obj=stats.Beta(), seed=SEED)
    for name in names:
        plain.update(name, True)
    return [("Thompson", lambda: plain.pull(names), lambda: plain.update(0, True))]


def _microseconds(call: Callable[[], object], repeats: int) -> dict[str, float]:
    """Median and 99th percentile over single calls, after a warm-up."""
    for _ in range(repeats // 10 + 1):
        call()
    times = np.empty(repeats)
    for i in range(repeats):
        started = time.perf_counter_ns()
        call()
        times[i] = time.perf_counter_ns() - started
    return {"p50_us": float(np.median(times)) / 1000.0, "p99_us": float(np.quantile(times, 0.99)) / 1000.0}


def _table(rows: Sequence[dict[str, object]]) -> Table:
    table = Table(title="Microseconds, p50 (p99), one thread")
    kinds = ("fresh", "served", "features", "update", "snapshot")
    for head in ("library", "arms", "classes", "propensity", *kinds):
        table.add_column(head, justify="left" if head in {"library", "propensity"} else "right")
    for row in rows:
        cells = [str(row["library"]), str(row["arms"]), str(row.get("classes", "")), str(row["propensity"])]
        for kind in kinds:
            times = row.get(kind)
            cells.append(f"{times['p50_us']:.0f} ({times['p99_us']:.0f})" if isinstance(times, dict) else "")
        table.add_row(*cells)
    return table


def _reading_table(rows: Sequence[dict[str, object]]) -> Table:
    table = Table(title="Microseconds to read a text, p50 (p99)")
    for head in ("text", "class", "instructions"):
        table.add_column(head, justify="left" if head == "text" else "right")
    for row in rows:
        times = [row.get(kind) for kind in ("class", "instructions")]
        cells = [f"{each['p50_us']:.0f} ({each['p99_us']:.0f})" if isinstance(each, dict) else "" for each in times]
        table.add_row(str(row["text"]), *cells)
    return table


if __name__ == "__main__":
    sys.exit(main())
