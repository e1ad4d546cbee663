"""…/evals: list, create and show evaluations of models."""

from typing import Annotated

from fastapi import Body
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from gateway.errors import BadRequest
from gateway.management.evals import EvalCaption, EvalView, get_eval, import_eval, list_evals
from gateway.routes.admin.calls import Administrator, Reader, answer
from gateway.routes.organizations.calls import organization_router
from gateway.routes.organizations.values import instant

METRIC, UNIT = "score", "points"
"""Dari's evaluations have a range alone."""
MOST_SCORES = 5_000

router = organization_router()


class OrganizationScore(BaseModel):
    """A model's score, from the least to the largest possible one."""

    model_id: str
    score: float
    notes: str | None


class OrganizationEval(BaseModel):
    """An evaluation."""

    id: str
    name: str
    min_score: float
    max_score: float
    scores: list[OrganizationScore]
    created_at: str


class OrganizationEvals(BaseModel):
    """All evaluations, the oldest first."""

    evals: list[OrganizationEval]


class OrganizationScoreBody(BaseModel):
    """A model's score. Models are not told apart by their thinking level, and metadata is not kept."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model_id: str = Field(max_length=200)
    score: float
    notes: str | None = Field(None, max_length=2_000)
    thinking_level: str | None = Field(None, max_length=40)
    metadata_json: dict[str, JsonValue] | None = None


class OrganizationEvalBody(BaseModel):
    """An evaluation to create. The same name again replaces it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(max_length=120)
    description: str | None = Field(None, max_length=2_000)
    min_score: float = 0.0
    max_score: float = 100.0
    scores: list[OrganizationScoreBody] = Field(max_length=MOST_SCORES)


@router.get("/evals")
def get_evals(management: Reader) -> OrganizationEvals:
    """All evaluations, the oldest first."""
    return OrganizationEvals(evals=[_shown(each) for each in list_evals(management)])


@router.post("/evals", status_code=201, response_model=OrganizationEval)
def post_eval(management: Administrator, body: Annotated[OrganizationEvalBody, Body()]) -> Response:
    """Create an evaluation, whole or not at all."""
    if any(each.thinking_level is not None for each in body.scores):
        raise BadRequest("`scores`: models are not told apart by `thinking_level` here", param="scores")
    rows = [each.model_dump(include={"model_id", "score", "notes"}, exclude_none=True) for each in body.scores]
    caption = EvalCaption(body.name, METRIC, UNIT, body.min_score, body.max_score)
    made = import_eval(management, caption, lambda _: iter(enumerate(rows, start=1)), "row")
    return answer(_shown(made), 201)


@router.get("/evals/{eval_id}")
def get_one_eval(management: Reader, eval_id: str) -> OrganizationEval:
    """One evaluation."""
    return _shown(get_eval(management, eval_id))


def _shown(view: EvalView) -> OrganizationEval:
    span = view.maximum - view.minimum
    return OrganizationEval(
        id=view.id,
        name=view.name,
        min_score=view.minimum,
        max_score=view.maximum,
        scores=[
            OrganizationScore(
                model_id=row.model_id, score=round(view.minimum + row.score * span, 9), notes=row.notes or None
            )
            for row in view.rows
        ],
        created_at=instant(view.created_at),
    )
