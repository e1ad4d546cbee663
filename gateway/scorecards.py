"""Eval scorecards as CSV: read whole or not at all, every mistake with its line."""

import csv
import io
import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from bandit.priors import unit_score
from gateway.fields import nearest, shown
from storage.evals import EvalRow

MAX_BYTES = 2_000_000
MAX_NOTES = 2_000
MAX_PROBLEMS = 20
UNITS = {"fraction": (0.0, 1.0), "percent": (0.0, 100.0)}
"""Units whose range is known."""


class ScorecardError(ValueError):
    """The scorecard can't be imported, and nothing of it was; each problem names its line and what would be right."""

    def __init__(self, *problems: str) -> None:
        more = len(problems) - MAX_PROBLEMS
        shortened = (*problems[:MAX_PROBLEMS], f"… and {more} more") if more > 0 else problems
        super().__init__("\n".join(shortened))
        self.problems = shortened


@dataclass(frozen=True, slots=True)
class Scale:
    """The range of a unit: scores are mapped from it to [0, 1]."""

    unit: str
    minimum: float
    maximum: float


def scale_of(unit: str, minimum: float | None, maximum: float | None) -> Scale:
    """The scale of a unit; `percent` and `fraction` bring their range. Raises ScorecardError."""
    known = UNITS.get(unit)
    if known is None and (minimum is None or maximum is None):
        units = " and ".join(f'"{name}"' for name in UNITS)
        raise ScorecardError(f"the range of the unit {shown(unit)} is not known: give min and max ({units} need none)")
    low, high = known or (0.0, 1.0)
    low = low if minimum is None else minimum
    high = high if maximum is None else maximum
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ScorecardError(f"the range of the unit must rise from min to max, not from {low:g} to {high:g}")
    return Scale(unit, low, high)


def read_scorecard(data: bytes, scale: Scale, known: Collection[str]) -> tuple[EvalRow, ...]:
    """The rows of a CSV with the columns `model_id`, `score` and, if wished, `notes`; scores come out in [0, 1].

    `known` are the ids that models can have. Raises ScorecardError.
    """
    if len(data) > MAX_BYTES:
        raise ScorecardError(f"the file is too large; a scorecard has at most {MAX_BYTES:,} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ScorecardError(f"line {line}: is not UTF-8 text; save the file as UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = _columns(next(reader, []))
        return _rows(((reader.line_num, cells) for cells in reader), columns, scale, known)
    except csv.Error as error:
        raise ScorecardError(f"line {reader.line_num}: is not valid CSV: {error}") from None


def _columns(header: list[str]) -> dict[str, int]:
    names = [name.strip().lower() for name in header]
    problems = [f"line 1: the column {needed} is missing" for needed in ("model_id", "score") if needed not in names]
    for name in names:
        if name not in {"model_id", "score", "notes"}:
            problems.append(f"line 1: {shown(name)} is not a column; the columns are model_id,score,notes")
        elif names.count(name) > 1:
            problems.append(f"line 1: the column {name} stands twice")
    if problems:
        raise ScorecardError(*dict.fromkeys(problems))
    return {name: position for position, name in enumerate(names)}


def _rows(
    lines: Iterable[tuple[int, list[str]]], columns: dict[str, int], scale: Scale, known: Collection[str]
) -> tuple[EvalRow, ...]:
    rows: dict[str, EvalRow] = {}
    first_line: dict[str, int] = {}
    problems: list[str] = []
    for line, cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(columns):
            problems.append(f"line {line}: has {len(cells)} cells and the header {len(columns)}")
            continue
        model_id = cells[columns["model_id"]].strip()
        if model_id in first_line:
            problems.append(f"line {line}: scores {shown(model_id)} again, after line {first_line[model_id]}")
            continue
        first_line[model_id] = line
        if model_id not in known:
            near = nearest(model_id, known) or "; `bandit-gateway models list` shows all"
            problems.append(f"line {line}: there is no model {shown(model_id)}{near}")
        try:
            score = _score(cells[columns["score"]], scale)
        except ValueError as error:
            problems.append(f"line {line}: {error}")
            continue
        notes = cells[columns["notes"]].strip() if "notes" in columns else ""
        rows[model_id] = EvalRow(model_id, score, notes[:MAX_NOTES])
    if problems:
        raise ScorecardError(*problems)
    if not rows:
        raise ScorecardError("the file has no rows: a scorecard has a line `model_id,score` and one line per model")
    return tuple(rows.values())


def _score(text: str, scale: Scale) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"the score must be a number, not {shown(text.strip())}") from None
    if not scale.minimum <= value <= scale.maximum:
        raise ValueError(f"the score must be from {scale.minimum:g} to {scale.maximum:g} ({scale.unit}), not {value:g}")
    return unit_score(value, scale.minimum, scale.maximum)
