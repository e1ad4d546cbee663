"""Scorecards: list, show, import, delete."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from gateway.errors import BadRequest, InsufficientScope, NotFound
from gateway.ids import new_id
from gateway.management.context import JsonFields, Management
from gateway.management.models import known_models
from gateway.routing.scorecards import ScorecardError, read_scorecard, rows_of, scale_of
from storage.stores.evals import EvalRecord, Evals
from storage.stores.routers import Routers

LONGEST_NAME = 200


class EvalRowView(BaseModel):
    """A model's score, mapped to [0, 1]."""

    model_id: str
    score: float
    notes: str = ""


class EvalView(BaseModel):
    """A scorecard. `minimum` and `maximum` are the range of its unit; `router_id` null: it applies to all routers."""

    id: str
    object: str = "eval"
    name: str
    metric: str
    unit: str
    minimum: float
    maximum: float
    router_id: str | None
    created_at: float
    rows: list[EvalRowView]


@dataclass(frozen=True, slots=True)
class EvalCaption:
    """What a scorecard measures: the same name again, for the same router, replaces it."""

    name: str
    metric: str
    unit: str
    minimum: float | None = None
    maximum: float | None = None
    router_id: str | None = None


def list_evals(management: Management) -> list[EvalView]:
    """The scorecards that the actor may see, the oldest first."""
    return [_view(record) for record in Evals(management.database).all() if _sees(management, record)]


def get_eval(management: Management, eval_id: str) -> EvalView:
    """One scorecard. Raises NotFound."""
    return _view(_existing(management, eval_id))


def import_eval(management: Management, caption: EvalCaption, rows: bytes | Sequence[Mapping[str, object]]) -> EvalView:
    """Import a scorecard from CSV or from rows, whole or not at all. Raises BadRequest with every wrong line."""
    _check_caption(management, caption)
    routers = Routers(management.database).all()
    if caption.router_id is not None and caption.router_id not in {record.id for record in routers}:
        known = ", ".join(record.id for record in routers) or "none"
        raise NotFound(f"there is no router {caption.router_id[:80]}; there are {known}", code="router_not_found")
    scorable = known_models(management, routers).keys() | {
        each.model_id for record in routers for each in record.models
    }
    try:
        scale = scale_of(caption.unit, caption.minimum, caption.maximum)
        scored = read_scorecard(rows, scale, scorable) if isinstance(rows, bytes) else rows_of(rows, scale, scorable)
    except ScorecardError as error:
        raise BadRequest(
            str(error), param="rows", code="invalid_scorecard", problems=[("rows", each) for each in error.problems]
        ) from None
    evals = Evals(management.database)
    same = (caption.name, caption.router_id)
    former = next((each for each in evals.all() if (each.name, each.router_id) == same), None)
    record = EvalRecord(
        id=former.id if former else new_id("eval", management.now),
        name=caption.name,
        metric=caption.metric,
        unit=caption.unit,
        minimum=scale.minimum,
        maximum=scale.maximum,
        router_id=caption.router_id,
        created_at=management.now,
        rows=scored,
    )
    action = "eval.replace" if former else "eval.create"
    change = management.change(action, record.id, _audited(former) if former else {}, _audited(record))
    if not management.dry_run:
        evals.put(record, change)
    return _view(record)


def delete_eval(management: Management, eval_id: str) -> None:
    """Delete a scorecard. Raises NotFound."""
    record = _existing(management, eval_id)
    change = management.change("eval.delete", eval_id, _audited(record), {})
    if not management.dry_run:
        Evals(management.database).delete(eval_id, change)


def _check_caption(management: Management, caption: EvalCaption) -> None:
    for param, text in (("name", caption.name), ("metric", caption.metric), ("unit", caption.unit)):
        if not text.strip() or len(text) > LONGEST_NAME:
            raise BadRequest(f"`{param}` must have 1 to {LONGEST_NAME} characters", param=param)
    if management.router_ids is not None and (caption.router_id is None or not management.sees(caption.router_id)):
        raise InsufficientScope("an API key of some routers imports scorecards for these alone", should_retry=False)


def _existing(management: Management, eval_id: str) -> EvalRecord:
    for record in Evals(management.database).all():
        if record.id == eval_id and _sees(management, record):
            return record
    raise NotFound(f"there is no scorecard {eval_id[:80]}; `evals list` shows all", code="eval_not_found")


def _sees(management: Management, record: EvalRecord) -> bool:
    return record.router_id is None or management.sees(record.router_id)


def _audited(record: EvalRecord) -> JsonFields:
    return {
        "name": record.name,
        "metric": record.metric,
        "unit": record.unit,
        "minimum": record.minimum,
        "maximum": record.maximum,
        "router_id": record.router_id,
        "rows": [{"model_id": row.model_id, "score": row.score, "notes": row.notes} for row in record.rows],
    }


def _view(record: EvalRecord) -> EvalView:
    return EvalView(
        id=record.id,
        name=record.name,
        metric=record.metric,
        unit=record.unit,
        minimum=record.minimum,
        maximum=record.maximum,
        router_id=record.router_id,
        created_at=record.created_at,
        rows=[EvalRowView(model_id=row.model_id, score=row.score, notes=row.notes) for row in record.rows],
    )
