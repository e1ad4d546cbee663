"""Records and tables agree by name, so that a field is written down once on either side."""

from dataclasses import fields, replace
from typing import Any

from bandit.types import Attempt, Ending
from storage.records import CompletionRecord, DecisionRecord, OutcomeRecord, Status
from storage.rows import (
    ATTEMPT_COLUMNS,
    ATTEMPT_FIELDS,
    DECISION_COLUMNS,
    DECISION_FIELDS,
    OUTCOME_FIELDS,
    USUAL_OF_ATTEMPT,
    USUAL_OF_DECISION,
    attempt_row,
    decision_row,
)
from storage.tables import attempts, decisions
from tests.support.records import RecordMaker

LATER = ("shadow_model_id", "shadow_score")
"""Columns of a request that a comparison fills in afterwards."""


def test_every_column_of_an_attempt_is_a_field_or_the_completions_id() -> None:
    assert {column.name for column in attempts.c} == {"completion_id", *ATTEMPT_FIELDS}


def test_every_column_of_a_request_is_a_field_of_its_decision_or_outcome_or_the_writers_own() -> None:
    assert not set(DECISION_FIELDS) & set(OUTCOME_FIELDS)
    columns = {column.name for column in decisions.c}
    assert columns == {"choice_id", "learned", *LATER, *DECISION_FIELDS, *OUTCOME_FIELDS}


def test_rows_have_each_field_in_the_column_of_its_name() -> None:
    """Each value is its field's name, so that none can stand in another's place."""
    enums = {"status": Status.PARTIAL, "ending": Ending.CUT, "token_details": {"audio": 1}}

    def named(type_: type) -> dict[str, Any]:
        return {field.name: enums.get(field.name, field.name) for field in fields(type_)}

    decision, outcome = DecisionRecord(**named(DecisionRecord)), OutcomeRecord(**named(OutcomeRecord))
    row = decision_row(CompletionRecord(decision, (), outcome, {}), "choice_id", "learned")
    stored = dict(zip(DECISION_COLUMNS, row, strict=True))
    flags = dict.fromkeys(("randomised", "stream", "estimated", "valid", "explored"), 1)
    later = {column.name: column.name for column in decisions.c if column.name not in LATER}
    assert stored == later | flags | {"status": "partial"}
    stored = dict(zip(ATTEMPT_COLUMNS, attempt_row("completion_id", Attempt(**named(Attempt))), strict=True))
    flags = dict.fromkeys(("randomised", "stream", "estimated", "cost_known", "cost_stated"), 1)
    converted = {"ending": "cut", "token_details": '{"audio":1}', "status": Status.PARTIAL}
    assert stored == {column.name: column.name for column in attempts.c} | flags | converted


def test_a_usual_row_ends_before_what_is_null() -> None:
    usual = RecordMaker().completion()
    attempt = replace(usual.attempts[0], token_details={})
    assert len(decision_row(usual, "choice_id", "{}")) == USUAL_OF_DECISION
    assert len(attempt_row("completion_id", attempt)) == USUAL_OF_ATTEMPT
    for rare in ({"instructions": ""}, {"assignment": 0.0}, {"episode_id": ""}):
        decided = replace(usual, decision=replace(usual.decision, **rare))
        assert len(decision_row(decided, "choice_id", "{}")) == len(DECISION_COLUMNS)
    ended = replace(usual, outcome=replace(usual.outcome, valid=False))
    assert len(decision_row(ended, "choice_id", "{}")) == len(DECISION_COLUMNS)
    assert len(attempt_row("completion_id", replace(attempt, first_token_seconds=0.0))) == len(ATTEMPT_COLUMNS)
