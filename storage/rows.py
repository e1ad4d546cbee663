"""Converts records to rows and back by name: a record's field is a column of the same name."""

from collections.abc import Callable
from dataclasses import fields
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import Row, Table

from bandit.types import Attempt, Ending
from storage.records import CompletionRecord, DecisionRecord, OutcomeRecord, Status
from storage.tables import attempts, decisions

DECISION_FIELDS = tuple(field.name for field in fields(DecisionRecord) if field.name != "choice")
OUTCOME_FIELDS = tuple(field.name for field in fields(OutcomeRecord))
ATTEMPT_FIELDS = tuple(field.name for field in fields(Attempt))


def _in_order_of(table: Table) -> Callable[[dict[str, object]], tuple[object, ...]]:
    """Return the function that makes a row of the table from values by column."""
    return itemgetter(*(column.name for column in table.columns))


_decision_row = _in_order_of(decisions)
_attempt_row = _in_order_of(attempts)

_DETAILS = msgspec.json.Decoder(dict[str, int])


def decision_row(record: CompletionRecord, choice_id: str, learned: str) -> tuple[object, ...]:
    """Make a request's row of `decisions`, in the order of the columns."""
    decision, outcome = record.decision, record.outcome
    row: dict[str, object] = {name: getattr(decision, name) for name in DECISION_FIELDS}
    row.update((name, getattr(outcome, name)) for name in OUTCOME_FIELDS)
    row["choice_id"] = choice_id
    row["learned"] = learned
    row["status"] = outcome.status.value
    row["task"] = clean(decision.task)
    row["reason"] = clean(outcome.reason)
    row["instructions"] = decision.instructions and clean(decision.instructions)
    row["finish_reason"] = outcome.finish_reason and clean(outcome.finish_reason)
    return _decision_row(row)


def attempt_row(completion_id: str, attempt: Attempt) -> tuple[object, ...]:
    """Make an attempt's row of `attempts`, in the order of the columns."""
    row: dict[str, object] = {name: getattr(attempt, name) for name in ATTEMPT_FIELDS}
    row["completion_id"] = completion_id
    row["ending"] = attempt.ending.value
    row["detail"] = clean(attempt.detail)
    row["finish_reason"] = attempt.finish_reason and clean(attempt.finish_reason)
    details = attempt.token_details
    row["token_details"] = msgspec.json.encode(details).decode() if details else None
    return _attempt_row(row)


def clean(text: str) -> str:
    """Replace what a database rejects: NUL (PostgreSQL) and lone surrogates (not UTF-8)."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return text.replace("\x00", "\ufffd") if "\x00" in text else text


def read_decision(row: Row[Any], choice: bytes) -> DecisionRecord:
    """Read a decision from its row of `decisions` and its choice's JSON."""
    return DecisionRecord(choice=choice, **{name: row._mapping[name] for name in DECISION_FIELDS})


def read_outcome(row: Row[Any]) -> OutcomeRecord:
    """Read an outcome from its row of `decisions`."""
    values = {name: row._mapping[name] for name in OUTCOME_FIELDS}
    return OutcomeRecord(**{**values, "status": Status(row.status)})


def read_attempt(row: Row[Any]) -> Attempt:
    """Read an attempt from its row of `attempts`."""
    values = {name: row._mapping[name] for name in ATTEMPT_FIELDS}
    details = _DETAILS.decode(row.token_details) if row.token_details else {}
    return Attempt(**{**values, "ending": Ending(row.ending), "token_details": details})
