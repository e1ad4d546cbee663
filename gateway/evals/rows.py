"""The rows of evidence that a run gives, and their CSV."""

import csv
from collections.abc import Iterable
from typing import NamedTuple, TextIO

from gateway.evals.summary import Graded


class Row(NamedTuple):
    """One graded answer, in the columns that `evals import` reads."""

    prompt_id: str
    task: str
    model_id: str
    score: float
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float
    seconds: float


def rows_of(graded: Iterable[Graded]) -> list[Row]:
    """A row for each answer that has a grade."""
    return [
        Row(
            prompt_id=each.prompt_id,
            task=each.task,
            model_id=each.model_id,
            score=each.score,
            prompt_tokens=each.answer.prompt_tokens,
            completion_tokens=each.answer.completion_tokens,
            cost_usd=each.answer.cost_usd,
            seconds=each.answer.seconds,
        )
        for each in graded
        if each.score is not None and each.answer is not None
    ]


def write_csv(rows: Iterable[Row], file: TextIO) -> None:
    """Write the rows with a header."""
    writer = csv.writer(file)
    writer.writerow(Row._fields)
    writer.writerows(rows)
