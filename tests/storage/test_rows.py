"""Records and tables agree by name, so that a field is written down once on either side."""

from storage.rows import ATTEMPT_FIELDS, DECISION_FIELDS, OUTCOME_FIELDS
from storage.tables import attempts, decisions


def test_every_column_of_an_attempt_is_a_field_or_the_completions_id() -> None:
    assert {column.name for column in attempts.c} == {"completion_id", *ATTEMPT_FIELDS}


def test_every_column_of_a_request_is_a_field_of_its_decision_or_outcome_or_the_writers_own() -> None:
    assert not set(DECISION_FIELDS) & set(OUTCOME_FIELDS)
    assert {column.name for column in decisions.c} == {"choice_id", "learned", *DECISION_FIELDS, *OUTCOME_FIELDS}
