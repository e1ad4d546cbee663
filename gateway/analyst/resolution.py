"""Questions to a router's log, with what they leave to the router's settings."""

from collections.abc import Mapping
from dataclasses import replace

from bandit.types import AppliedRule, Objective
from gateway.analyst.questions import InvalidQuestion, Question, proposal_of
from gateway.routing.rules import rule_of
from gateway.settings.router_options import RouterOptions
from storage.records import RouterRecord


def question_of(
    record: RouterRecord,
    present: Objective | None,
    *,
    days: float,
    policy: str,
    models: str | None,
    dollars: Mapping[str, float],
    exploration: float | None,
    without_rule: int | None = None,
) -> Question:
    """The question; `dollars` replace those of the router's `present` objective. None of them: the objective of then.

    `without_rule` is the number of a rule that is left out. Raises InvalidQuestion.
    """
    objective = None
    if dollars:
        if present is None:
            raise InvalidQuestion("objective", f"objective: the dollars of {record.id} are not known yet")
        objective = replace(present, **dollars)
    known = [model.arm_id for model in record.models]
    without = None if without_rule is None else existing_rule(record, without_rule)
    return Question(record.id, days, proposal_of(record.id, known, policy, models, objective, exploration, without))


def existing_rule(record: RouterRecord, number: int) -> AppliedRule:
    """The router's rule of that number; 0: its default. Raises InvalidQuestion."""
    options = RouterOptions.readable(record.settings)
    rule = rule_of(options, number)
    if rule is None:
        count = len(options.rules)
        has = "no default" if number == 0 else f"{count or 'no'} rule{'' if count == 1 else 's'}"
        raise InvalidQuestion("without_rule", f"without_rule: {record.id} has {has}")
    return rule
