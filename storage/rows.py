"""Converts records to rows and back by name: a record's field is a column of the same name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from operator import attrgetter, itemgetter
from typing import Any

import msgspec
from sqlalchemy import Row, Table

from bandit.types import Attempt, Ending, Json
from storage.records import CompletionRecord, DecisionRecord, OutcomeRecord, Status
from storage.tables import attempts, decisions

DECISION_FIELDS = tuple(field.name for field in fields(DecisionRecord) if field.name != "choice")
OUTCOME_FIELDS = tuple(field.name for field in fields(OutcomeRecord))
ATTEMPT_FIELDS = tuple(field.name for field in fields(Attempt))

# Columns whose values are converted, in the order in which `decision_row` and `attempt_row` give them.
_DECISION_CONVERTED = ("choice_id", "learned", "status", "task", "reason", "instructions", "finish_reason")
_ATTEMPT_CONVERTED = ("completion_id", "ending", "detail", "finish_reason", "token_details")


def _without(names: Sequence[str], others: Sequence[str]) -> list[str]:
    return [name for name in names if name not in others]


def _ordered(table: Table, *names: str) -> Callable[[Sequence[object]], tuple[object, ...]]:
    """Return the function that puts values of the named columns into the order of the table's columns."""
    return itemgetter(*(names.index(column.name) for column in table.columns))


# Compiled by name once: building a dictionary per row takes four times as long, which the writer's throughput shows.
_plain_decision_fields = _without(DECISION_FIELDS, _DECISION_CONVERTED)
_plain_outcome_fields = _without(OUTCOME_FIELDS, _DECISION_CONVERTED)
_plain_attempt_fields = _without(ATTEMPT_FIELDS, _ATTEMPT_CONVERTED)
_plain_of_decision = attrgetter(*_plain_decision_fields)
_plain_of_outcome = attrgetter(*_plain_outcome_fields)
_plain_of_attempt = attrgetter(*_plain_attempt_fields)
_order_decision = _ordered(decisions, *_plain_decision_fields, *_plain_outcome_fields, *_DECISION_CONVERTED)
_order_attempt = _ordered(attempts, *_plain_attempt_fields, *_ATTEMPT_CONVERTED)

_DETAILS = msgspec.json.Decoder(dict[str, int])


def decision_row(record: CompletionRecord, choice_id: str, learned: str) -> tuple[object, ...]:
    """Make a request's row of `decisions`, in the order of the columns."""
    decision, outcome = record.decision, record.outcome
    return _order_decision(
        (
            *_plain_of_decision(decision),
            *_plain_of_outcome(outcome),
            choice_id,
            learned,
            outcome.status.value,
            clean(decision.task),
            clean(outcome.reason),
            decision.instructions and clean(decision.instructions),
            outcome.finish_reason and clean(outcome.finish_reason),
        )
    )


def attempt_row(completion_id: str, attempt: Attempt) -> tuple[object, ...]:
    """Make an attempt's row of `attempts`, in the order of the columns."""
    details = attempt.token_details
    return _order_attempt(
        (
            *_plain_of_attempt(attempt),
            completion_id,
            attempt.ending.value,
            clean(attempt.detail),
            attempt.finish_reason and clean(attempt.finish_reason),
            msgspec.json.encode(details).decode() if details else None,
        )
    )


def clean(text: str) -> str:
    """Replace what a database rejects: NUL (PostgreSQL) and lone surrogates (not UTF-8)."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return text.replace("\x00", "\ufffd") if "\x00" in text else text


def clean_json(value: Json) -> Json:
    """Replace the same in the texts of a JSON value."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(name): clean_json(part) for name, part in value.items()}
    return [clean_json(part) for part in value] if isinstance(value, Sequence) else value


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
