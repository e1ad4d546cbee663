"""The rows of evidence that a run gives, and their CSV."""

import csv
from collections.abc import Iterable
from typing import TextIO

from gateway.evals.summary import Graded
from storage.stores.evals import EvalScore

COLUMNS = ("prompt_id", "task", "model_id", "score", "prompt_tokens", "completion_tokens", "cost_usd", "seconds")
"""As `evals import` reads them."""


def rows_of(graded: Iterable[Graded]) -> list[EvalScore]:
    """A row for each answer that has a grade."""
    return [
        EvalScore(
            model_id=each.model_id,
            score=each.score,
            task=each.task,
            prompt_id=each.prompt_id,
            prompt_tokens=each.answer.prompt_tokens,
            completion_tokens=each.answer.completion_tokens,
            cost_usd=each.answer.cost_usd,
            seconds=each.answer.seconds,
        )
        for each in graded
        if each.score is not None and each.answer is not None
    ]


def write_csv(rows: Iterable[EvalScore], file: TextIO) -> None:
    """Write the rows with a header."""
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    writer.writerows([getattr(row, column) for column in COLUMNS] for row in rows)
