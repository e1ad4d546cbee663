"""/admin/routers/{id}/evaluation and /frontier: off-policy evaluation."""

from functools import partial
from typing import Annotated, Any, Literal, TypeAlias

from fastapi import Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

from bandit.types import Epoch
from gateway.analyst.client import WAIT_SECONDS
from gateway.analyst.messages import Answer, Call, Kind, Progress
from gateway.analyst.questions import Question
from gateway.analyst.resolution import question_of
from gateway.api_keys import READERS
from gateway.routes.admin.calls import NO_STORE, Days, Reader, api_router
from gateway.routes.authentication import require_key
from gateway.routes.direct import DirectRoute
from gateway.routes.services import services_of
from gateway.routing.objectives import objective_of
from gateway.settings.rule_options import MOST_RULES

router = api_router("/admin", "decisions")

Dollars: TypeAlias = Annotated[float | None, Query(ge=0, le=1e6, allow_inf_nan=False)]

_ESTIMATE: JsonDict = {"mean": 0.00182, "low": 0.00166, "high": 0.00198}


class EstimateView(BaseModel):
    """The mean per request, and its 95 % interval."""

    mean: float
    low: float
    high: float


Estimates: TypeAlias = dict[str, EstimateView]
"""Estimates by figure: `quality`, `cost_usd`, `seconds`, `success`, `utility_usd`."""


class EvaluationSide(BaseModel):
    """Estimates of one policy. `refused`: why there is none; `effective_size`: as good as so many requests."""

    decisions: int
    ips: Estimates
    snips: Estimates
    doubly_robust: Estimates
    effective_size: dict[str, float]
    refused: dict[str, str]
    left_out: dict[str, int]
    notes: list[str]


class SharesView(BaseModel):
    """The mean probability of each model, as it was logged and as it would have been."""

    logged: dict[str, float]
    target: dict[str, float]


class DollarsView(BaseModel):
    """The objective of `utility_usd`, in dollars."""

    quality_usd: float
    second_usd: float
    failure_usd: float


class SampledView(BaseModel):
    """How many decisions were used of how many, since when, and which: all, the newest, or a uniform sample."""

    kind: Literal["all", "newest", "uniform"]
    decisions: int
    of: int
    since: float


class EvaluationView(BaseModel):
    """What was asked for, the log's own figures by the same estimators, and their difference, paired by request."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "target": {
                        "decisions": 18_402,
                        "ips": {"cost_usd": _ESTIMATE},
                        "snips": {"cost_usd": _ESTIMATE},
                        "doubly_robust": {"cost_usd": _ESTIMATE},
                        "effective_size": {"cost_usd": 4_310.0},
                        "refused": {},
                        "left_out": {
                            "not randomised: a sticky conversation, a redraw, or an experiment's fixed part": 120
                        },
                        "notes": ["scores are taken to be missing at random given the model and the class"],
                    },
                    "logged": {
                        "decisions": 18_402,
                        "ips": {},
                        "snips": {},
                        "doubly_robust": {"cost_usd": {"mean": 0.00302, "low": 0.00291, "high": 0.00313}},
                        "effective_size": {"cost_usd": 18_402.0},
                        "refused": {},
                        "left_out": {},
                        "notes": [],
                    },
                    "difference": {"cost_usd": {"mean": -0.0012, "low": -0.00136, "high": -0.00104}},
                    "shares": {"logged": {"openai/gpt-5.5": 1.0}, "target": {"openai/gpt-5.5": 1.0}},
                    "objective": {"quality_usd": 0.04, "second_usd": 0.001, "failure_usd": 0.02},
                    "sampled": {"kind": "all", "decisions": 18_522, "of": 18_522, "since": 1_761_552_000.0},
                    "left_out": {},
                }
            ]
        }
    )

    target: EvaluationSide
    logged: EvaluationSide
    difference: Estimates
    shares: SharesView
    objective: DollarsView
    sampled: SampledView
    left_out: dict[str, int]


class PointView(BaseModel):
    """The figures of one policy; `refused`: why there is none."""

    figures: Estimates
    refused: dict[str, str]


class CurvePoint(PointView):
    """What would have been if a perfect answer were worth `quality_usd`."""

    quality_usd: float


class FixedPoint(PointView):
    """What one model alone would have done."""

    model: str


class FrontierView(BaseModel):
    """Quality, cost and wait at every worth of an answer, of each model alone, and as they were logged."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "objective": {"quality_usd": 0.04, "second_usd": 0.001, "failure_usd": 0.02},
                    "now": {"figures": {"cost_usd": _ESTIMATE}, "refused": {}},
                    "points": [{"quality_usd": 0.00125, "figures": {"cost_usd": _ESTIMATE}, "refused": {}}],
                    "fixed": [{"model": "openai/gpt-5.5", "figures": {"cost_usd": _ESTIMATE}, "refused": {}}],
                    "sampled": {"kind": "all", "decisions": 18_522, "of": 18_522, "since": 1_761_552_000.0},
                }
            ]
        }
    )

    objective: DollarsView
    now: PointView
    points: list[CurvePoint]
    fixed: list[FixedPoint]
    sampled: SampledView


class ProgressView(BaseModel):
    """The part of the work that is done; `known` is what is known of the answer so far. Ask again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"progress": 0.4, "known": None}]})

    progress: float
    known: dict[str, Any] | None


_WORKING: dict[int | str, dict[str, Any]] = {
    202: {"model": ProgressView, "description": "The log is being read: ask again after `Retry-After` seconds"}
}


async def _asked(
    request: Request,
    management: Reader,
    router_id: str,
    policy: Annotated[
        str, Query(max_length=200, description="thompson, best, uniform, cheapest, fastest, … or fixed:MODEL.")
    ] = "thompson",
    models: Annotated[str | None, Query(max_length=4_000, description="Only these, with commas between.")] = None,
    days: Days = 30.0,
    quality_usd: Dollars = None,
    second_usd: Dollars = None,
    failure_usd: Dollars = None,
    exploration: Annotated[float | None, Query(ge=0, le=1, allow_inf_nan=False)] = None,
    without_rule: Annotated[
        int | None,
        Query(ge=0, le=MOST_RULES, description="Leave out the router's rule of this number; 0: its default."),
    ] = None,
) -> Question:
    """The question. Without dollars it has the objective of then; with some, the others are the present ones."""
    dollars = {"quality_usd": quality_usd, "second_usd": second_usd, "failure_usd": failure_usd}
    with services_of(request).turns.short():
        record = await run_in_threadpool(management.existing_router, router_id)
    return question_of(
        record,
        objective_of(record, management.catalog()),
        days=days,
        policy=policy,
        models=models,
        dollars={name: value for name, value in dollars.items() if value is not None},
        exploration=exploration,
        without_rule=without_rule,
    )


Asked: TypeAlias = Annotated[Question, Depends(_asked)]


@router.get("/routers/{router_id}/evaluation", response_model=EvaluationView, responses=_WORKING)
async def get_evaluation(request: Request, management: Reader, question: Asked) -> Response:
    """What another policy, objective or set of models would have cost and scored, from the log alone."""
    told = await services_of(request).analyst.ask(Kind.EVALUATION, question, Epoch(management.now))
    return _answer(told)


@router.get("/routers/{router_id}/frontier", response_model=FrontierView, responses=_WORKING)
async def get_frontier(
    request: Request, management: Reader, question: Asked, points: Annotated[int, Query(ge=2, le=40)] = 15
) -> Response:
    """Quality, cost and wait if a perfect answer were worth less or more, and of each model alone."""
    told = await services_of(request).analyst.ask(Kind.FRONTIER, question, Epoch(management.now), points)
    return _answer(told)


async def _direct(kind: Kind, request: Request, router_id: str) -> Response | None:
    """The same answers from an analyst that runs already, and reads the router itself. Raises GatewayError."""
    services, key = services_of(request), require_key(request, READERS)
    if key.routers is not None and router_id not in key.routers:
        return None
    query = request.scope["query_string"].decode("latin-1")
    told = await services.analyst.call(Call(kind, router_id, query, services.clock(), WAIT_SECONDS))
    return None if told is None else _answer(told)


DIRECT = tuple(
    DirectRoute(f"/admin/routers/{{router_id}}/{kind}", partial(_direct, kind))
    for kind in (Kind.EVALUATION, Kind.FRONTIER)
)


def _answer(told: Answer) -> Response:
    if isinstance(told, Progress):
        content = b'{"progress":%.3f,"known":%b}' % (told.done, told.content)
        return Response(content, 202, headers={**NO_STORE, "retry-after": "1"}, media_type="application/json")
    return Response(told, headers=NO_STORE, media_type="application/json")
