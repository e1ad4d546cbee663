"""Eval scorecards as CSV: read whole or not at all, every mistake with its line."""

import csv
import io
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bandit.posteriors.priors import unit_score
from gateway.settings.table_reader import nearest, shown
from storage.stores.evals import EvalRow

MAX_BYTES = 2_000_000
MAX_COLUMNS = 50
MAX_NOTES = 2_000
MAX_ID = 200
MAX_PROBLEMS = 20
UNITS = {"fraction": (0.0, 1.0), "percent": (0.0, 100.0)}
"""Units whose range is known."""

_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_FIELDS = ("model_id", "score", "notes")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|[+-]?(?:nan|inf|infinity)", re.ASCII | re.IGNORECASE)
"""What `float` reads, without its underscores and other scripts' digits. Digits match in one way: in linear time."""


class ScorecardError(ValueError):
    """The scorecard can't be imported, and nothing of it was; each problem names its line and what would be right."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class _Problems:
    """What is wrong with a file; of very many problems the first are told and the others counted."""

    def __init__(self, place: str = "line") -> None:
        self.place = place
        self._told: list[str] = []
        self._others = 0

    @property
    def full(self) -> bool:
        """Whether one more would only be counted."""
        return len(self._told) >= MAX_PROBLEMS

    def add(self, line: int, problem: str) -> None:
        """Keep a problem of a line."""
        if self.full:
            self._others += 1
        else:
            self._told.append(f"{self.place} {line}: {problem}")

    def complain(self) -> None:
        """Raises ScorecardError if there was any problem."""
        if self._told:
            raise ScorecardError(*self._told, *([f"… and {self._others} more"] if self._others else []))


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
    problems = _Problems()
    records = _records(_decode(data), problems)
    _, header = next(records, (1, []))
    problems.complain()
    rows = _rows(records, _columns(header), scale, known, problems)
    problems.complain()
    if not rows:
        raise ScorecardError("the file has no rows: a scorecard has a line `model_id,score` and one line per model")
    return rows


def rows_of(rows: Sequence[Mapping[str, object]], scale: Scale, known: Collection[str]) -> tuple[EvalRow, ...]:
    """The rows of a scorecard in JSON, each with `model_id`, `score` and, if wished, `notes`; rows count from 1.

    Raises ScorecardError.
    """
    problems = _Problems("row")
    for number, row in enumerate(rows, start=1):
        unknown = sorted(row.keys() - {"model_id", "score", "notes"})
        if unknown:
            problems.add(number, f"{shown(unknown[0])} is not a field; the fields are model_id, score, notes")
    cells = ((number, [_cell(row.get(name)) for name in _FIELDS]) for number, row in enumerate(rows, start=1))
    read = _rows(cells, {name: place for place, name in enumerate(_FIELDS)}, scale, known, problems)
    problems.complain()
    if not read:
        raise ScorecardError("there are no rows: a scorecard has at least one, with model_id and score")
    return read


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _decode(data: bytes) -> str:
    """The text of a file in UTF-8, with or without a mark at its beginning."""
    if data.startswith(_UTF_16_MARKS):
        raise ScorecardError("line 1: is UTF-16 text; save the file as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ScorecardError(f"line {line}: is not UTF-8 text; save the file as UTF-8") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ScorecardError(f"line {line}: holds a NUL character, as UTF-16 text does; save the file as UTF-8")
    return text


def _records(text: str, problems: _Problems) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line on which it begins: a quoted cell may go over several."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        problems.add(line, f"is not valid CSV: {error}")


def _columns(header: list[str]) -> dict[str, int]:
    names = [name.strip().lower() for name in header[:MAX_COLUMNS]]
    if len(names) == 1:
        for separator, called in _SEPARATORS.items():
            if separator in names[0]:
                raise ScorecardError(f"line 1: the columns are separated by {called}; separate them by commas")
    problems = [f"line 1: the column {needed} is missing" for needed in ("model_id", "score") if needed not in names]
    for name in names:
        if name not in {"model_id", "score", "notes"}:
            problems.append(f"line 1: {shown(name)} is not a column; the columns are model_id,score,notes")
        elif names.count(name) > 1:
            problems.append(f"line 1: the column {name} stands twice")
    if problems:
        raise ScorecardError(*dict.fromkeys(problems[:MAX_PROBLEMS]))
    return {name: position for position, name in enumerate(names)}


def _rows(
    lines: Iterable[tuple[int, list[str]]],
    columns: dict[str, int],
    scale: Scale,
    known: Collection[str],
    problems: _Problems,
) -> tuple[EvalRow, ...]:
    """The good rows; they count only where no problem was added."""
    rows: dict[str, EvalRow] = {}
    first_line: dict[str, int] = {}
    for line, cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(columns):
            problems.add(line, f"has {len(cells)} cells and the header {len(columns)}")
            continue
        model_id = cells[columns["model_id"]].strip()
        if model_id in first_line:
            problems.add(line, f"scores {shown(model_id)} again, after {problems.place} {first_line[model_id]}")
            continue
        first_line[model_id] = line
        if model_id not in known:
            near = "" if problems.full else nearest(model_id[:MAX_ID], known)
            near = near or "; `bandit-gateway models list` shows all"
            problems.add(line, f"there is no model {shown(model_id)}{near}")
        try:
            score = _score(cells[columns["score"]], scale)
        except ValueError as error:
            problems.add(line, str(error))
            continue
        notes = cells[columns["notes"]].strip() if "notes" in columns else ""
        rows[model_id] = EvalRow(model_id, score, notes[:MAX_NOTES])
    return tuple(rows.values())


def _score(text: str, scale: Scale) -> float:
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        remedy = "; write it without the percent sign" if text.endswith("%") else ""
        remedy = remedy or ("; write it with a decimal point" if "," in text else "")
        raise ValueError(f"the score must be a number, not {shown(text)}{remedy}")
    value = float(text)
    if not scale.minimum <= value <= scale.maximum:
        raise ValueError(f"the score must be from {scale.minimum:g} to {scale.maximum:g} ({scale.unit}), not {value:g}")
    return unit_score(value, scale.minimum, scale.maximum)
