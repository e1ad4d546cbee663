"""/admin/evals: list, import, show, withdraw and delete evaluations of models."""

from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Annotated, Any, TypeAlias

from fastapi import Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.errors import BadRequest, UnsupportedMedia
from gateway.evidence.problems import Problems
from gateway.evidence.reading import NumberedRows, lines_of, read_csv, read_json_lines
from gateway.management.evals import (
    LONGEST_NAME,
    EvalCaption,
    EvalView,
    delete_eval,
    get_eval,
    import_eval,
    list_evals,
    withdraw_eval,
)
from gateway.routes.admin.calls import Administrator, Listed, Reader, answer, api_router, no_content
from gateway.routes.admin.idempotency import IdempotentRoute

router = api_router("/admin", "scorecards", IdempotentRoute)


class EvalRow(BaseModel):
    """A model's score in the unit of the evaluation: on one prompt, or a mean over `prompts` (20 if not stated)."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model_id: str
    score: float
    prompt_id: str | None = None
    task: str | None = None
    prompts: float | None = None
    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    cost_usd: float | None = None
    seconds: float | None = None
    notes: str | None = None


class NewEval(BaseModel):
    """An evaluation as JSON. A `unit` of `percent` or `fraction` needs no `minimum` and `maximum`."""

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
    made_at: float | None = None
    rows: list[EvalRow]


Text: TypeAlias = Annotated[str | None, Query(max_length=LONGEST_NAME)]

_STREAMS = {"text/csv": read_csv, "application/x-ndjson": read_json_lines}

_SCHEMA: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/NewEval"}},
            "text/csv": {"schema": {"type": "string", "examples": ["model_id,score\nsimulated/sage,91.5\n"]}},
            "application/x-ndjson": {
                "schema": {
                    "type": "string",
                    "examples": ['{"prompt_id": "p1", "model_id": "simulated/sage", "score": 1}'],
                }
            },
        },
    }
}


@router.get("/evals")
def get_evals(management: Reader) -> Listed[EvalView]:
    """All evaluations, the oldest first."""
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
    made_at: float | None = None,
) -> Response:
    """Import an evaluation, whole or not at all: CSV or JSON lines with the rest in the query, or JSON.

    Rows have `model_id` and `score` and, if known, `prompt_id`, `task`, `prompts` (of a mean), `prompt_tokens`,
    `completion_tokens`, `cost_usd`, `seconds`, `notes`.

    The same name again, for the same router, replaces it.
    """
    body = await request.body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    read: Callable[[Problems], NumberedRows]
    place = "line "
    if kind in _STREAMS:
        if name is None or metric is None or unit is None:
            missing = next(
                param for param, text in (("name", name), ("metric", metric), ("unit", unit)) if text is None
            )
            raise BadRequest(f"`{missing}` is missing from the query", param=missing)
        caption = EvalCaption(name, metric, unit, minimum, maximum, router_id, made_at)
        read = partial(_STREAMS[kind], lines_of(BytesIO(body)))
    elif kind == "application/json":
        try:
            new = NewEval.model_validate_json(body)
        except ValidationError as error:
            raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in error.errors()]) from None
        caption = EvalCaption(new.name, new.metric, new.unit, new.minimum, new.maximum, new.router_id, new.made_at)
        place, rows = "row ", [row.model_dump(exclude_none=True) for row in new.rows]
        read = lambda _: iter(enumerate(rows, start=1))  # noqa: E731 - as the readers of the other forms
    else:
        raise UnsupportedMedia("an evaluation is text/csv, application/x-ndjson or application/json")
    made = await run_in_threadpool(import_eval, management, caption, read, place)
    return answer(made, 201, location=f"/admin/evals/{made.id}")


@router.get("/evals/{eval_id}", response_model=EvalView)
def get_one_eval(management: Reader, eval_id: str) -> Response:
    """One evaluation."""
    return answer(get_eval(management, eval_id))


@router.post("/evals/{eval_id}/withdraw", response_model=EvalView)
def post_withdrawal(management: Administrator, eval_id: str) -> Response:
    """Stop an evaluation from counting: routers follow within seconds. It stays to be seen."""
    return answer(withdraw_eval(management, eval_id))


@router.delete("/evals/{eval_id}", status_code=204)
def delete_one_eval(management: Administrator, eval_id: str) -> Response:
    """Delete an evaluation: routers forget it within seconds."""
    delete_eval(management, eval_id)
    return no_content()
