"""Replay data: what every model answered to every prompt, read from Parquet or CSV.

One row per (prompt, model), any order: `prompt_id, prompt, task, model, quality, cost_usd` and, where known,
`prompt_tokens, completion_tokens, latency_s`. Every error names the file, the column and the first row that is wrong.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TEXTS = ("prompt_id", "prompt", "task", "model")
NUMBERS = ("quality", "cost_usd")
OPTIONAL = ("prompt_tokens", "completion_tokens", "latency_s")
LARGEST_FIELD = 64 * 1024 * 1024


class BadData(ValueError):
    """A file that is no replay data; the message names the place and what would be right."""


@dataclass(frozen=True, slots=True)
class ReplayData:
    """Arrays of shape (prompts, models); models sorted by name, prompts in the file's order.

    `quality` is in [0, 1], `cost_usd` in dollars, `latency_s` in seconds; None where the file has no such column.
    """

    name: str
    models: tuple[str, ...]
    prompts: tuple[str, ...]
    tasks: tuple[str, ...]
    quality: Floats
    cost_usd: Floats
    prompt_tokens: Floats | None = None
    completion_tokens: Floats | None = None
    latency_s: Floats | None = None

    def utility(self, value: float) -> Floats:
        """Quality less cost in units of what a perfect answer is worth, `value` dollars."""
        return self.quality - self.cost_usd / value


def load(path: Path) -> ReplayData:
    """Read a Parquet or CSV file by its suffix. Raises BadData, also for a file that cannot be read."""
    suffix = path.suffix.lower()
    if suffix not in {".parquet", ".csv"}:
        raise BadData(f"{path}: must end in .parquet or .csv")
    try:
        columns = _read_parquet(path) if suffix == ".parquet" else _read_csv(path)
    except OSError as error:
        raise BadData(f"{path}: cannot be read: {error.strerror or error}") from error
    return arrange(columns, path.name.removesuffix(path.suffix), str(path))


def arrange(columns: Mapping[str, Sequence[object]], name: str, source: str) -> ReplayData:
    """Columns of equal length as arrays of (prompts, models). Raises BadData; `source` names the file in errors."""
    missing = [column for column in (*TEXTS, *NUMBERS) if column not in columns]
    if missing:
        needed = ", ".join((*TEXTS, *NUMBERS))
        raise BadData(
            f"{source}: column {missing[0]!r} is missing; needed are {needed}, optional {', '.join(OPTIONAL)}"
        )
    if not len(columns["prompt_id"]):
        raise BadData(f"{source}: there are no rows")
    texts = {column: _texts(columns[column], column, source) for column in TEXTS}
    models = tuple(sorted(set(texts["model"])))
    rows: dict[str, int] = {}
    for prompt_id in texts["prompt_id"]:
        rows.setdefault(prompt_id, len(rows))
    column_of = {model: k for k, model in enumerate(models)}
    cells = np.array(
        [rows[p] * len(models) + column_of[m] for p, m in zip(texts["prompt_id"], texts["model"], strict=True)]
    )
    _refuse_gaps(cells, tuple(rows), models, source)
    place = np.empty_like(cells)
    place[cells] = np.arange(len(cells))
    first = place.reshape(len(rows), len(models))[:, 0]

    def grid(column: str, largest: float = np.inf) -> Floats:
        values: Floats = _numbers(columns[column], column, source, largest)[place].reshape(len(rows), len(models))
        return values

    _refuse_disagreement(texts["task"], cells // len(models), first, tuple(rows), source)
    optional = {column: grid(column) if column in columns else None for column in OPTIONAL}
    return ReplayData(
        name,
        models,
        tuple(texts["prompt"][i] for i in first),
        tuple(texts["task"][i] for i in first),
        grid("quality", 1.0),
        grid("cost_usd"),
        **optional,
    )


def _read_parquet(path: Path) -> dict[str, Sequence[object]]:
    try:
        import pyarrow  # noqa: PLC0415 - only Parquet needs it
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise BadData(f"{path}: Parquet needs pyarrow (pip install pyarrow); CSV needs nothing") from error
    try:
        names = pyarrow.parquet.read_schema(path).names
        known = [column for column in (*TEXTS, *NUMBERS, *OPTIONAL) if column in names]
        table = pyarrow.parquet.read_table(path, columns=known)
    except pyarrow.ArrowInvalid as error:
        raise BadData(f"{path}: is no Parquet file: {error}") from error
    return {column: table.column(column).to_pylist() for column in known}


def _read_csv(path: Path) -> dict[str, Sequence[object]]:
    csv.field_size_limit(LARGEST_FIELD)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            lines = [line for line in reader if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadData(f"{path}: is no CSV in UTF-8: {error}") from error
    for number, line in enumerate(lines):
        if len(line) != len(header):
            raise BadData(f"{path}: row {number + 1} has {len(line)} fields, the header {len(header)}")
    return {name: [line[k] for line in lines] for k, name in enumerate(header)}


def _texts(values: Sequence[object], column: str, source: str) -> list[str]:
    texts = ["" if value is None else str(value) for value in values]
    if column != "prompt" and not all(texts):
        raise BadData(f"{source}: {column} is empty in row {texts.index('') + 1}")
    return texts


def _numbers(values: Sequence[object], column: str, source: str, largest: float) -> Floats:
    numbers = np.empty(len(values))
    for row, value in enumerate(values):
        try:
            numbers[row] = float(value) if isinstance(value, str | int | float) else np.nan
        except ValueError:
            numbers[row] = np.nan
    with np.errstate(invalid="ignore"):
        wrong = ~(np.isfinite(numbers) & (numbers >= 0.0) & (numbers <= largest))
    if wrong.any():
        row = int(np.argmax(wrong))
        limit = "0 or more" if np.isinf(largest) else f"from 0 to {largest:g}"
        raise BadData(f"{source}: {column} must be a number, {limit}, not {values[row]!r} in row {row + 1}")
    return numbers


def _refuse_gaps(cells: NDArray[np.int64], prompts: Sequence[str], models: Sequence[str], source: str) -> None:
    """Each prompt must have exactly one row of each model."""
    counts = np.bincount(cells, minlength=len(prompts) * len(models))
    if (counts == 1).all():
        return
    wrong = int(np.argmax(counts > 1)) if (counts > 1).any() else int(np.argmin(counts))
    prompt, model = prompts[wrong // len(models)], models[wrong % len(models)]
    found = f"{counts[wrong]} rows" if counts[wrong] else "no row"
    raise BadData(f"{source}: prompt {prompt!r} has {found} of model {model!r}; each needs exactly one")


def _refuse_disagreement(
    tasks: Sequence[str], prompt: NDArray[np.int64], first: NDArray[np.int64], prompts: Sequence[str], source: str
) -> None:
    for row, task in enumerate(tasks):
        expected = tasks[first[prompt[row]]]
        if task != expected:
            raise BadData(
                f"{source}: prompt {prompts[prompt[row]]!r} has the tasks {expected!r} and {task!r}; it needs one"
            )
