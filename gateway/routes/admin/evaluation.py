"""/admin/routers/{id}/evaluation: off-policy evaluation."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from bandit.types import Epoch
from gateway.reports.evaluation import evaluate_router, question_of, to_json
from gateway.routes.admin.calls import Days, Reader
from gateway.routes.services import services_of
from storage.calendar import DAY

MOST_EVALUATED = 20_000
"""The newest requests up to this number: more would delay running requests. The command line has no such limit."""

router = APIRouter(prefix="/admin", tags=["decisions"])


class EstimateView(BaseModel):
    """The mean per request, and its 95 % interval."""

    mean: float
    low: float
    high: float


class EvaluationSide(BaseModel):
    """Estimates by figure: `quality`, `cost_usd`, `seconds`, `success`, `utility_usd`. `refused`: why there is none."""

    decisions: int
    ips: dict[str, EstimateView]
    snips: dict[str, EstimateView]
    doubly_robust: dict[str, EstimateView]
    effective_size: dict[str, float]
    refused: dict[str, str]
    left_out: dict[str, int]
    notes: list[str]


class EvaluationView(BaseModel):
    """The policy that was asked for, the log's own figures by the same estimators, and what was unusable."""

    target: EvaluationSide
    logged: EvaluationSide
    left_out: dict[str, int]


@router.get("/routers/{router_id}/evaluation")
def get_evaluation(
    request: Request,
    management: Reader,
    router_id: str,
    policy: Annotated[
        str, Query(max_length=200, description="thompson, best, uniform, cheapest, fastest, … or fixed:MODEL.")
    ] = "thompson",
    models: Annotated[str | None, Query(max_length=4_000, description="Only these, with commas between.")] = None,
    days: Days = 30.0,
) -> EvaluationView:
    """What another policy or set of models would have cost and scored, from the log alone."""
    known = [model.model_id for model in management.existing_router(router_id).models]
    question = question_of(router_id, known, policy, models)
    now = Epoch(management.now)
    since = Epoch(now - days * DAY)
    found = evaluate_router(services_of(request).ledger, router_id, question, since, now, MOST_EVALUATED)
    return EvaluationView.model_validate(to_json(found))
