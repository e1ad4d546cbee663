"""/admin/evals: list, import, show and delete scorecards."""

from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.errors import BadRequest, UnsupportedMedia
from gateway.management.evals import LONGEST_NAME, EvalCaption, EvalView, delete_eval, get_eval, import_eval, list_evals
from gateway.routes.admin.calls import Administrator, Listed, Reader, answer, no_content
from gateway.routes.admin.idempotency import IdempotentRoute

router = APIRouter(prefix="/admin", tags=["scorecards"], route_class=IdempotentRoute)


class EvalRow(BaseModel):
    """A model's score in the unit of the scorecard."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model_id: str
    score: float
    notes: str | None = None


class NewEval(BaseModel):
    """A scorecard as JSON. A `unit` of `percent` or `fraction` needs no `minimum` and `maximum`."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "name": "Support answers",
                    "metric": "accuracy",
                    "unit": "percent",
                    "rows": [{"model_id": "simulated/sage", "score": 91.5}],
                }
            ]
        },
    )

    name: str
    metric: str
    unit: str
    minimum: float | None = None
    maximum: float | None = None
    router_id: str | None = None
    rows: list[EvalRow]


Text: TypeAlias = Annotated[str | None, Query(max_length=LONGEST_NAME)]

_SCHEMA: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/NewEval"}},
            "text/csv": {"schema": {"type": "string", "examples": ["model_id,score\nsimulated/sage,91.5\n"]}},
        },
    }
}


@router.get("/evals")
def get_evals(management: Reader) -> Listed[EvalView]:
    """All scorecards, the oldest first."""
    return Listed(data=list_evals(management))


@router.post("/evals", status_code=201, response_model=EvalView, openapi_extra=_SCHEMA)
async def post_eval(
    request: Request,
    management: Administrator,
    name: Text = None,
    metric: Text = None,
    unit: Text = None,
    minimum: Annotated[float | None, Query(alias="min")] = None,
    maximum: Annotated[float | None, Query(alias="max")] = None,
    router_id: Text = None,
) -> Response:
    """Import a scorecard, whole or not at all: CSV (`model_id,score[,notes]`) with the rest in the query, or JSON.

    The same name again, for the same router, replaces it.
    """
    body = await request.body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    rows: bytes | list[dict[str, object]]
    if kind == "text/csv":
        if name is None or metric is None or unit is None:
            missing = next(
                param for param, text in (("name", name), ("metric", metric), ("unit", unit)) if text is None
            )
            raise BadRequest(f"`{missing}` is missing from the query", param=missing)
        caption, rows = EvalCaption(name, metric, unit, minimum, maximum, router_id), body
    elif kind == "application/json":
        try:
            new = NewEval.model_validate_json(body)
        except ValidationError as error:
            raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in error.errors()]) from None
        caption = EvalCaption(new.name, new.metric, new.unit, new.minimum, new.maximum, new.router_id)
        rows = [row.model_dump(exclude_none=True) for row in new.rows]
    else:
        raise UnsupportedMedia("a scorecard is text/csv or application/json")
    made = await run_in_threadpool(import_eval, management, caption, rows)
    return answer(made, 201, location=f"/admin/evals/{made.id}")


@router.get("/evals/{eval_id}", response_model=EvalView)
def get_one_eval(management: Reader, eval_id: str) -> Response:
    """One scorecard."""
    return answer(get_eval(management, eval_id))


@router.delete("/evals/{eval_id}", status_code=204)
def delete_one_eval(management: Administrator, eval_id: str) -> Response:
    """Delete a scorecard: routers forget it within seconds."""
    delete_eval(management, eval_id)
    return no_content()
