"""How right is the built-in classifier? A confusion table over labelled requests, or over a replay file's prompts.

python -m benchmarks.task_classes                        # the labelled requests of tests/support/labelled_requests
python -m benchmarks.task_classes --data FILE.parquet    # a file's own tasks against the classes, as rows and columns
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.replay.data import BadData, load
from benchmarks.replay.engine import features_of
from gateway.tasks.classifier import TASK_NAMES, Features, classify
from tests.support.labelled_requests import labelled_requests

Pairs = list[tuple[str, Features]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Classify, time and show; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", help="replay data, Parquet or CSV")
    options = parser.parse_args(arguments)
    screen = Console(width=200)
    try:
        for name, pairs in _sets(options.data):
            screen.print(_confusion(name, pairs))
            screen.print(f"{_median_microseconds(pairs):.1f} µs a request, median")
    except BadData as error:
        print(f"task_classes: {error}", file=sys.stderr)
        return 1
    return 0


def _sets(files: Sequence[Path] | None) -> Iterable[tuple[str, Pairs]]:
    if files is None:
        for name in ("known", "unseen"):
            yield name, [(labelled.task, labelled.features) for labelled in labelled_requests(name)]
        return
    for file in files:
        data = load(file)
        yield data.name, [(task, features_of(prompt)) for task, prompt in zip(data.tasks, data.prompts, strict=True)]


def _confusion(name: str, pairs: Pairs) -> Table:
    """Rows are the labels, columns the classes found; the last column is the share of the label's commonest class."""
    found: dict[str, Counter[str]] = {}
    for label, features in pairs:
        found.setdefault(label, Counter())[classify(features)] += 1
    right = sum(counts[label] for label, counts in found.items() if label in TASK_NAMES)
    title = f"{name}: {len(pairs)} requests" + (f", {right / len(pairs):.1%} right" if right else "")
    table = Table("label", *TASK_NAMES, "mostly", title=title)
    for label, counts in sorted(found.items()):
        mostly = max(counts.values()) / counts.total()
        table.add_row(label, *(str(counts[task] or "") for task in TASK_NAMES), f"{mostly:.0%}")
    return table


def _median_microseconds(pairs: Pairs) -> float:
    seconds = []
    for _, features in pairs:
        start = time.perf_counter()
        classify(features)
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[len(seconds) // 2] * 1e6


if __name__ == "__main__":
    sys.exit(main())
