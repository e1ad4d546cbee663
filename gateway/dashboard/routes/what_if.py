"""/routers/{id}/what-if: what would have been, and making it so."""

from functools import partial
from typing import Annotated, Any, TypeAlias
from urllib.parse import urlencode

import msgspec
from fastapi import Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, Response

from bandit.types import Epoch
from gateway.analyst.client import WAIT_SECONDS
from gateway.analyst.messages import Call, Kind, Progress, Shown
from gateway.dashboard.forms import Form, attempt, read_form
from gateway.dashboard.frame import frame_of
from gateway.dashboard.numbers import number
from gateway.dashboard.pages import answered_as_page, page_router, render, see_other
from gateway.dashboard.proposals import DOLLARS, Proposed, patch_of
from gateway.dashboard.views.what_if import what_if_page
from gateway.dashboard.visit import Administrator, Reader, Visit, session_key
from gateway.dashboard.what_if_answer import (
    LONGEST_DAYS,
    LONGEST_NUMBER,
    POINTS,
    Asked,
    answer_html,
    asked_of,
    rule_number,
)
from gateway.errors import BadRequest, Unavailable
from gateway.management.context import JsonFields, Management
from gateway.management.routers import change_router, router_view
from gateway.routes.direct import DirectRoute
from gateway.routes.services import services_of
from gateway.routing.objectives import objective_of

router = page_router()
Sent = Annotated[Form, Depends(read_form)]
Dollars: TypeAlias = Annotated[float | None, Query(ge=0, le=1e6, allow_inf_nan=False)]


async def _proposed(
    days: Annotated[int, Query(ge=1, le=LONGEST_DAYS)] = 30,
    quality_usd: Dollars = None,
    second_usd: Dollars = None,
    failure_usd: Dollars = None,
    policy: Annotated[str | None, Query(max_length=200)] = None,
    model: Annotated[list[str] | None, Query(max_length=200)] = None,
    exploration: Annotated[float | None, Query(ge=0, le=1, allow_inf_nan=False)] = None,
    without_rule: Annotated[str, Query(max_length=LONGEST_NUMBER)] = "",
) -> Proposed:
    """The question: it is wholly in the URL."""
    dollars = {"quality_usd": quality_usd, "second_usd": second_usd, "failure_usd": failure_usd}
    given = {name: value for name, value in dollars.items() if value is not None}
    return Proposed(days, given, policy or None, tuple(model or ()), exploration, rule_number(without_rule))


Wanted: TypeAlias = Annotated[Proposed, Depends(_proposed)]


@router.get("/routers/{router_id}/what-if")
def what_if(
    request: Request, visit: Reader, router_id: str, proposed: Wanted, done: Annotated[bool, Query()] = False
) -> Response:
    """The form of a proposal; its answer is fetched by the page."""
    page = what_if_page(visit.management, router_id, proposed, done=done)
    return render(request, "what-if.html", frame_of(visit, "what-if", router_id=router_id), page)


@router.get("/routers/{router_id}/what-if/answer")
async def answer(request: Request, visit: Reader, router_id: str, proposed: Wanted) -> Response:
    """The answer to a proposal as a part of the page, as far as it is known."""
    turns, analyst, now = visit.services.turns, visit.services.analyst, Epoch(visit.management.now)
    with turns.short():
        asked = await run_in_threadpool(_asked, visit.management, router_id, proposed)
    told = await analyst.ask(Kind.EVALUATION, asked.question, now)
    known = None if isinstance(told, Progress) else await analyst.ask(Kind.FRONTIER, asked.frontier, now, POINTS)

    def drawn() -> str:
        return answer_html(asked, told, known, Shown(request.scope.get("root_path", ""), visit.may_change))

    with turns.short():
        return HTMLResponse(await run_in_threadpool(drawn))


async def _direct(request: Request, router_id: str) -> Response | None:
    """The same from an analyst that runs already: it reads the router itself, and draws the answer."""
    services, key = services_of(request), session_key(request)
    if key is None or (key.routers is not None and router_id not in key.routers):
        return None
    query, root = request.scope["query_string"].decode("latin-1"), request.scope.get("root_path", "")
    shown = Shown(root, "admin" in key.scopes)
    told = await services.analyst.call(Call(Kind.PAGE, router_id, query, services.clock(), WAIT_SECONDS, shown))
    return HTMLResponse(msgspec.json.decode(told, type=str)) if isinstance(told, bytes) else None


DIRECT = (DirectRoute("/routers/{router_id}/what-if/answer", partial(answered_as_page, answer=_direct)),)


@router.post("/routers/{router_id}/what-if")
async def apply(request: Request, visit: Administrator, router_id: str, sent: Sent) -> Response:
    """Make the router what is proposed, unless somebody else was quicker; what was expected is kept with the change."""
    proposed, revision = _sent(sent), sent.text("revision")
    if not (revision.isascii() and revision.isdecimal() and len(revision) < 19):
        raise BadRequest("the form does not say which revision it was opened with: load the page again")
    asked = await run_in_threadpool(_asked, visit.management, router_id, proposed)
    forecast = await _forecast(visit, asked)

    def applied() -> Response:
        patch = patch_of(asked.wanted, asked.view)
        tried = attempt(
            lambda: change_router(visit.management, router_id, patch, expected=int(revision), forecast=forecast)
        )
        conflict = tried.code == "revision_conflict"
        if tried.answer is not None or (conflict and not patch):  # a second click finds all of it done
            return see_other(request, f"/routers/{router_id}/what-if?{urlencode({'days': proposed.days, 'done': 1})}")
        problems = {} if conflict else {"": "; ".join(tried.problems.values())}
        page = what_if_page(visit.management, router_id, proposed, problems=problems, conflict=conflict)
        frame = frame_of(visit, "what-if", router_id=router_id)
        return render(request, "what-if.html", frame, page, 412 if conflict else 400)

    return await run_in_threadpool(applied)


def _asked(management: Management, router_id: str, proposed: Proposed) -> Asked:
    """What a proposal asks; reads the database once. Raises NotFound, InvalidQuestion, DatabaseUnavailable."""
    record = management.existing_router(router_id)
    view = router_view(record, management.base_url)
    return asked_of(record, view, proposed, objective_of(record, management.catalog()))


async def _forecast(visit: Visit, asked: Asked) -> JsonFields | None:
    """What is expected of the proposal; None if the analyst has no answer now, which keeps nobody from applying it."""
    try:
        told = await visit.services.analyst.ask(Kind.EVALUATION, asked.question, Epoch(visit.management.now))
    except Unavailable:
        return None
    if isinstance(told, Progress):
        return None
    found: dict[str, Any] = msgspec.json.decode(told)
    figures = {name: found["target"]["doubly_robust"].get(name) for name in ("cost_usd", "quality", "seconds")}
    return {"days": asked.wanted.days, "figures": {name: each for name, each in figures.items() if each is not None}}


def _sent(sent: Form) -> Proposed:
    """The proposal of a form, which has the fields of the URL. Raises BadRequest."""

    def value(name: str, most: float) -> float | None:
        found = number(sent.text(name))
        if found is None:
            return None
        if not isinstance(found, int | float) or not 0.0 <= found <= most:
            raise BadRequest(f"`{name}` must be a number from 0 to {most:g}", param=name)
        return float(found)

    days = value("days", LONGEST_DAYS)
    dollars = {name: each for name in DOLLARS if (each := value(name, 1e6)) is not None}
    policy = sent.text("policy") or None
    rule = rule_number(sent.text("without_rule")[:LONGEST_NUMBER])
    return Proposed(int(days or 30), dollars, policy, tuple(sent.all("model")), value("exploration", 1.0), rule)
