"""Questions to a router's log, with what they leave to the router's settings."""

from collections.abc import Mapping
from dataclasses import replace

from gateway.analyst.questions import Question, proposal_of
from gateway.management.context import Management
from gateway.routing.objectives import objective_of


def question_of(
    management: Management,
    router_id: str,
    *,
    days: float,
    policy: str,
    models: str | None,
    dollars: Mapping[str, float],
    exploration: float | None,
) -> Question:
    """The question; `dollars` replace those of the router's objective. None of them: the objective of then.

    Raises NotFound, InvalidQuestion.
    """
    record = management.existing_router(router_id)
    objective = replace(objective_of(record, management.catalog()), **dollars) if dollars else None
    known = [model.arm_id for model in record.models]
    return Question(router_id, days, proposal_of(router_id, known, policy, models, objective, exploration))
