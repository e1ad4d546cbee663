"""Evaluations: list, show, import, withdraw, delete."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from pydantic import BaseModel

from bandit.statistics import Signal
from gateway.errors import BadRequest, InsufficientScope, NotFound
from gateway.evidence.problems import EvidenceError, Problems
from gateway.evidence.reading import NumberedRows
from gateway.evidence.repeated import Remembered
from gateway.evidence.rows import RowReader, Scale, moments_of, scale_of
from gateway.ids import new_id
from gateway.management.context import JsonFields, Management
from gateway.settings.table_reader import shown
from storage.maintenance.eval_rebuild import add_row
from storage.stores.evals import EvalRecord, Evals, EvalScore, Moments
from storage.stores.routers import Routers

LONGEST_NAME = 200
WRITTEN_AT_ONCE = 2_000
"""Rows per transaction: the gateway's own writer waits no longer than for these."""
LATEST_SECONDS = 2.0
"""How far in the future an evaluation may be made: clocks differ."""
ABANDONED_SECONDS = 86_400.0
"""An import that is not done after a day was killed."""
_AUDITED_CELLS = 200


class EvalRowView(BaseModel):
    """A model's mean score in a task (null: of no task), mapped to [0, 1], over `prompts` prompts.

    Amounts are means of the answers for which they are known.
    """

    model_id: str
    task: str | None
    score: float
    prompts: float
    completion_tokens: float | None = None
    cost_usd: float | None = None
    notes: str = ""


class EvalView(BaseModel):
    """An evaluation. `minimum` and `maximum` are the range of its unit; `router_id` null: it is for all routers.

    Its scores fade from `made_at` on. One that is withdrawn does not count.
    """

    id: str
    object: str = "eval"
    name: str
    source: str
    metric: str
    unit: str
    minimum: float
    maximum: float
    router_id: str | None
    created_at: float
    made_at: float
    withdrawn_at: float | None
    rows: list[EvalRowView]


@dataclass(frozen=True, slots=True)
class EvalCaption:
    """What an evaluation measures: the same name again, for the same router, replaces it.

    `made_at` None: now.
    """

    name: str
    metric: str
    unit: str
    minimum: float | None = None
    maximum: float | None = None
    router_id: str | None = None
    made_at: float | None = None


def list_evals(management: Management) -> list[EvalView]:
    """The evaluations that the actor may see, the oldest first."""
    return [_view(record) for record in Evals(management.database).all() if _sees(management, record)]


def get_eval(management: Management, eval_id: str) -> EvalView:
    """One evaluation. Raises NotFound."""
    record = _existing(management, eval_id)
    notes = Evals(management.database).notes(record.import_id)
    view = _view(record)
    for row in view.rows:
        row.notes = notes.get((row.model_id, row.task or ""), "")
    return view


def import_eval(
    management: Management, caption: EvalCaption, read: Callable[[Problems], NumberedRows], place: str = "line "
) -> EvalView:
    """Import an evaluation from rows of fields by name, as `gateway.evidence.reading` yields them.

    In constant memory; whole or not at all. `place` stands before the number of a row. Raises BadRequest with the
    first problems.
    """
    known = _checked(management, caption)
    problems = Problems(place)
    try:
        scale = scale_of(caption.unit, caption.minimum, caption.maximum)
        numbered = RowReader(scale, known, problems).read(read(problems))
        return _import(management, caption, scale, numbered, problems)
    except EvidenceError as error:
        raise BadRequest(
            str(error), param="rows", code="invalid_scorecard", problems=[("rows", each) for each in error.problems]
        ) from None


def import_rows(management: Management, caption: EvalCaption, rows: Iterable[EvalScore]) -> EvalView:
    """Import an evaluation from scores in [0, 1] of models that exist, in constant memory, whole or not at all.

    For callers that have made the scores themselves. Raises BadRequest.
    """
    known = _checked(management, caption)
    problems = Problems("row ")

    def numbered() -> Iterator[tuple[int, EvalScore]]:
        for number, row in enumerate(rows, start=1):
            if row.model_id in known and 0.0 <= row.score <= 1.0:
                yield number, row
            else:
                problems.add(
                    number, f"a score from 0 to 1 of a known model is needed, not {row.score} of {shown(row.model_id)}"
                )

    try:
        scale = scale_of(caption.unit, caption.minimum, caption.maximum)
        return _import(management, caption, scale, numbered(), problems)
    except EvidenceError as error:
        raise BadRequest(str(error), param="rows", code="invalid_scorecard") from None


def withdraw_eval(management: Management, eval_id: str) -> EvalView:
    """Stop an evaluation from counting, as if it had never been imported; it stays to be seen. Raises NotFound."""
    record = _existing(management, eval_id)
    if record.withdrawn_at is not None:
        return _view(record)
    change = management.change("eval.withdraw", eval_id, {"withdrawn_at": None}, {"withdrawn_at": management.now})
    if not management.dry_run:
        Evals(management.database).withdraw(eval_id, management.now, change)
    return _view(replace(record, withdrawn_at=management.now))


def delete_eval(management: Management, eval_id: str) -> None:
    """Delete an evaluation with its rows. Raises NotFound."""
    record = _existing(management, eval_id)
    change = management.change("eval.delete", eval_id, _audited(record), {})
    if not management.dry_run:
        Evals(management.database).delete(eval_id, change)


def _import(
    management: Management,
    caption: EvalCaption,
    scale: Scale,
    rows: Iterator[tuple[int, EvalScore]],
    problems: Problems,
) -> EvalView:
    evals = Evals(management.database)
    import_id = new_id("imp", management.now)
    sums: dict[tuple[str, str, Signal], Moments] = {}
    remembered = Remembered()
    try:
        while some := list(islice(rows, WRITTEN_AT_ONCE)):
            fresh = _without_repeated(some, problems)
            if management.dry_run:
                had = remembered.had(fresh)
            else:
                had = set() if problems else evals.insert_scores(import_id, list(fresh.values()))
            for key, row in fresh.items():
                if key in had:
                    problems.add(next(n for n, each in some if each is row), _repeated(row))
                else:
                    add_row(sums, row.model_id, row.task, moments_of(row))
        problems.complain()
        if not sums:
            raise EvidenceError("there are no rows: an evaluation has at least one, with model_id and score")
    except BaseException:
        evals.delete_scores(import_id)
        raise
    record = EvalRecord(
        id=new_id("eval", management.now),
        name=caption.name,
        metric=caption.metric,
        unit=caption.unit,
        minimum=scale.minimum,
        maximum=scale.maximum,
        router_id=caption.router_id,
        created_at=management.now,
        made_at=management.now if caption.made_at is None else caption.made_at,
        import_id=import_id,
        sums=sums,
    )
    if management.dry_run:
        return _view(record)
    kept = evals.put(
        record,
        lambda former: management.change(
            "eval.replace" if former else "eval.create",
            former.id if former else record.id,
            _audited(former) if former else {},
            _audited(record),
        ),
    )
    for abandoned in evals.abandoned(new_id("imp", management.now - ABANDONED_SECONDS)):
        evals.delete_scores(abandoned)
    return _view(kept)


def _without_repeated(rows: list[tuple[int, EvalScore]], problems: Problems) -> dict[tuple[str, str, str], EvalScore]:
    fresh: dict[tuple[str, str, str], EvalScore] = {}
    for number, row in rows:
        key = (row.model_id, row.task, row.prompt_id)
        if key in fresh:
            problems.add(number, _repeated(row))
        else:
            fresh[key] = row
    return fresh


def _repeated(row: EvalScore) -> str:
    what = f" on prompt {shown(row.prompt_id)}" if row.prompt_id else f" in task {shown(row.task)}" if row.task else ""
    return f"scores {shown(row.model_id)}{what} again"


def _checked(management: Management, caption: EvalCaption) -> Collection[str]:
    """The models that may be scored. Raises BadRequest, NotFound or InsufficientScope for a caption that is wrong."""
    for param, text in (("name", caption.name), ("metric", caption.metric), ("unit", caption.unit)):
        if not text.strip() or len(text) > LONGEST_NAME:
            raise BadRequest(f"`{param}` must have 1 to {LONGEST_NAME} characters", param=param)
    made_at = caption.made_at
    if made_at is not None and not 0.0 <= made_at <= management.now + LATEST_SECONDS:
        raise BadRequest("`made_at` must be seconds since 1970, not in the future", param="made_at")
    if management.router_ids is not None and (caption.router_id is None or not management.sees(caption.router_id)):
        raise InsufficientScope("an API key of some routers imports scorecards for these alone", should_retry=False)
    routers = Routers(management.database).all()
    if caption.router_id is not None and caption.router_id not in {record.id for record in routers}:
        known = ", ".join(record.id for record in routers) or "none"
        raise NotFound(f"there is no router {caption.router_id[:80]}; there are {known}", code="router_not_found")
    return management.known_models(routers).keys() | {each.arm_id for record in routers for each in record.models}


def _existing(management: Management, eval_id: str) -> EvalRecord:
    for record in Evals(management.database).all():
        if record.id == eval_id and _sees(management, record):
            return record
    raise NotFound(f"there is no scorecard {eval_id[:80]}; `evals list` shows all", code="eval_not_found")


def _sees(management: Management, record: EvalRecord) -> bool:
    return record.router_id is None or management.sees(record.router_id)


def _audited(record: EvalRecord) -> JsonFields:
    cells = _cells(record)
    return {
        "name": record.name,
        "metric": record.metric,
        "unit": record.unit,
        "minimum": record.minimum,
        "maximum": record.maximum,
        "router_id": record.router_id,
        "made_at": record.made_at,
        "rows": [
            {"model_id": each.model_id, "task": each.task, "score": each.score, "prompts": each.prompts}
            for each in cells[:_AUDITED_CELLS]
        ],
    }


def _cells(record: EvalRecord) -> list[EvalRowView]:
    found = []
    for (model_id, task, signal), (weight, total, _) in sorted(record.sums.items()):
        if signal is not Signal.QUALITY or weight <= 0.0:
            continue

        def mean(of: Signal, model_id: str = model_id, task: str = task) -> float | None:
            number, added, _ = record.sums.get((model_id, task, of), (0.0, 0.0, 0.0))
            return added / number if number > 0.0 else None

        found.append(
            EvalRowView(
                model_id=model_id,
                task=task or None,
                score=total / weight,
                prompts=weight,
                completion_tokens=mean(Signal.COMPLETION_TOKENS),
                cost_usd=mean(Signal.COST),
            )
        )
    return found


def _view(record: EvalRecord) -> EvalView:
    return EvalView(
        id=record.id,
        name=record.name,
        source=record.source,
        metric=record.metric,
        unit=record.unit,
        minimum=record.minimum,
        maximum=record.maximum,
        router_id=record.router_id,
        created_at=record.created_at,
        made_at=record.made_at,
        withdrawn_at=record.withdrawn_at,
        rows=_cells(record),
    )
