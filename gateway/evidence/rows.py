"""Checks rows of an evaluation one by one: each becomes a score in [0, 1], or a problem with its line."""

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from bandit.learning import learn_eval
from bandit.posteriors.priors import unit_score
from bandit.statistics import Signal
from gateway.evidence.problems import EvidenceError, Problems
from gateway.settings.table_reader import nearest, shown
from storage.stores.evals import EvalScore, Moments

MAX_NOTES = 2_000
MAX_ID = 200
MAX_TASK = 64
MAX_TASKS = 64
"""Tasks of one evaluation: each is a class of the routers that it is for."""
MAX_PROMPTS = 1_000_000
MAX_AMOUNT = 1e9
UNSTATED_PROMPTS = 20
"""What a mean weighs that does not say over how many prompts."""
UNITS = {"fraction": (0.0, 1.0), "percent": (0.0, 100.0)}
"""Units whose range is known."""

NEEDED = ("model_id", "score")
FIELDS = (
    *("prompt_id", "task", *NEEDED, "prompts"),
    *("prompt_tokens", "completion_tokens", "cost_usd", "seconds", "notes"),
)

_T = TypeVar("_T")

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|[+-]?(?:nan|inf|infinity)", re.ASCII | re.IGNORECASE)
"""What `float` reads, without its underscores and other scripts' digits. Digits match in one way: in linear time."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The range of a unit: scores are mapped from it to [0, 1]."""

    unit: str
    minimum: float
    maximum: float


def scale_of(unit: str, minimum: float | None, maximum: float | None) -> Scale:
    """The scale of a unit; `percent` and `fraction` bring their range. Raises EvidenceError."""
    known = UNITS.get(unit)
    if known is None and (minimum is None or maximum is None):
        units = " and ".join(f'"{name}"' for name in UNITS)
        raise EvidenceError(f"the range of the unit {shown(unit)} is not known: give min and max ({units} need none)")
    low, high = known or (0.0, 1.0)
    low = low if minimum is None else minimum
    high = high if maximum is None else maximum
    if not (low < high and math.isfinite(high - low)):
        raise EvidenceError(
            f"the range of the unit must be finite and rise from min to max, not from {low:g} to {high:g}"
        )
    return Scale(unit, low, high)


def moments_of(row: EvalScore) -> dict[Signal, Moments]:
    """What a row adds to the sums of its evaluation."""
    return learn_eval(row.score, row.weight, row.completion_tokens, row.cost_usd)


class RowReader:
    """Turns rows into scores. `known` are the ids that models can have; what is wrong goes to `problems`.

    A row with a `prompt_id` is a score on one prompt; one without is a mean over `prompts` (20 if it does not say).
    """

    def __init__(self, scale: Scale, known: Collection[str], problems: Problems) -> None:
        self._scale = scale
        self._known = known
        self._problems = problems
        self._tasks: set[str] = set()

    def read(self, rows: Iterable[tuple[int, Mapping[str, object]]]) -> Iterator[tuple[int, EvalScore]]:
        """Yield the good rows with their numbers."""
        for number, row in rows:
            found = self._score(number, row)
            if found is not None:
                yield number, found

    def _score(self, number: int, row: Mapping[str, object]) -> EvalScore | None:
        wrong: list[str] = []

        def checked(read: Callable[[], _T], otherwise: _T) -> _T:
            try:
                return read()
            except ValueError as error:
                wrong.append(str(error))
                return otherwise

        unknown = next((name for name in row if name not in FIELDS), None)
        if unknown is not None:
            wrong.append(f"{shown(unknown)} is not a field; the fields are {', '.join(FIELDS)}")
        prompt_id = checked(lambda: _text("prompt_id", row.get("prompt_id"), MAX_ID), "")
        found = EvalScore(
            model_id=checked(lambda: self._model_id(row.get("model_id")), ""),
            score=checked(lambda: self._unit_score(row.get("score")), 0.0),
            task=checked(lambda: self._task(row.get("task")), ""),
            prompt_id=prompt_id,
            weight=checked(lambda: _prompts(row.get("prompts"), prompt_id), 1.0),
            prompt_tokens=checked(lambda: _amount("prompt_tokens", row.get("prompt_tokens")), None),
            completion_tokens=checked(lambda: _amount("completion_tokens", row.get("completion_tokens")), None),
            cost_usd=checked(lambda: _amount("cost_usd", row.get("cost_usd")), None),
            seconds=checked(lambda: _amount("seconds", row.get("seconds")), None),
            notes=_notes(row.get("notes")),
        )
        for problem in wrong:
            self._problems.add(number, problem)
        return None if wrong else found

    def _model_id(self, value: object) -> str:
        model_id = "" if value is None else str(value).strip()
        if model_id not in self._known:
            near = "" if self._problems.full else nearest(model_id[:MAX_ID], self._known)
            raise ValueError(
                f"there is no model {shown(model_id)}" + (near or "; `bandit-gateway models list` shows all")
            )
        return model_id

    def _unit_score(self, value: object) -> float:
        number = _number("score", value)
        scale = self._scale
        if not scale.minimum <= number <= scale.maximum:
            raise ValueError(
                f"the score must be from {scale.minimum:g} to {scale.maximum:g} ({scale.unit}), not {number:g}"
            )
        return unit_score(number, scale.minimum, scale.maximum)

    def _task(self, value: object) -> str:
        task = _text("task", value, MAX_TASK)
        if task and task not in self._tasks:
            if len(self._tasks) >= MAX_TASKS:
                raise ValueError(f"{shown(task)} is a task too many: an evaluation has up to {MAX_TASKS}")
            self._tasks.add(task)
        return task


def _text(name: str, value: object, longest: int) -> str:
    if value is None:
        return ""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise ValueError(f"the {name} must be text, not {shown(value)}")
    text = str(value).strip()
    if len(text) > longest:
        raise ValueError(f"the {name} must have up to {longest} characters, not {len(text):,}: {shown(text)}")
    if any(character < " " or "\ud800" <= character <= "\udfff" for character in text):
        raise ValueError(f"the {name} must have no control characters: {shown(text)}")
    return text


def _notes(value: object) -> str:
    text = "" if value is None else str(value).strip()[:MAX_NOTES]
    return text.replace("\0", "").encode(errors="replace").decode()


def _prompts(value: object, prompt_id: str) -> float:
    if value is None or value == "":
        return 1.0 if prompt_id else float(UNSTATED_PROMPTS)
    if prompt_id:
        raise ValueError("`prompts` belongs to a mean; this row has a prompt_id")
    number = _number("number of prompts", value)
    if not 1.0 <= number <= MAX_PROMPTS:
        raise ValueError(f"the number of prompts must be from 1 to {MAX_PROMPTS:,}, not {number:g}")
    return number


def _amount(name: str, value: object) -> float | None:
    if value is None or value == "":
        return None
    number = _number(name, value)
    if not 0.0 <= number <= MAX_AMOUNT:
        raise ValueError(f"`{name}` must be from 0 to {MAX_AMOUNT:g}, not {number:g}")
    return number


def _number(name: str, value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) < 1e300 else math.inf
    text = "" if value is None else str(value).strip()
    if not isinstance(value, str | None) or not _NUMBER.fullmatch(text):
        remedy = "; write it without the percent sign" if text.endswith("%") else ""
        remedy = remedy or ("; write it with a decimal point" if "," in text else "")
        raise ValueError(f"the {name} must be a number, not {shown(text)}{remedy}")
    return float(text)
