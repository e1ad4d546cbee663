"""/routers/{id}/what-if: what would have been, and making it so."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from bandit.types import Epoch
from gateway.analyst.client import Progress
from gateway.analyst.messages import Kind
from gateway.analyst.questions import Question
from gateway.analyst.resolution import question_of
from gateway.dashboard.forms import Form, attempt, number, read_form
from gateway.dashboard.frame import frame_of
from gateway.dashboard.pages import PageRoute, render, see_other
from gateway.dashboard.proposals import DOLLARS, Proposed, patch_of, present_dollars, settled
from gateway.dashboard.views.answer import AnswerView, answer_view, working
from gateway.dashboard.views.what_if import what_if_page
from gateway.dashboard.visit import Administrator, Reader, Visit
from gateway.errors import BadRequest, Unavailable
from gateway.management.context import JsonFields, Management
from gateway.management.routers import RouterView, change_router, router_view
from gateway.routing.objectives import objective_of
from gateway.settings.experiment_options import first_policy
from gateway.settings.rule_options import MOST_RULES

POINTS = 15
LONGEST_DAYS = 366
LONGEST_NUMBER = 3
"""Characters of a rule's number; a cut one is no number up to 50."""

router = APIRouter(route_class=PageRoute)
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
    return Proposed(days, given, policy or None, tuple(model or ()), exploration, _rule_number(without_rule))


def _rule_number(text: str) -> int | None:
    """The number of the rule that is left out; empty: none is. Raises BadRequest."""
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and int(text) <= MOST_RULES):
        raise BadRequest(f"`without_rule` must be a rule's number, up to {MOST_RULES}", param="without_rule")
    return int(text)


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

    def rendered() -> Response:
        page = _answer(asked, told, known)
        return render(request, "what-if-answer.html", frame_of(visit, "what-if", router_id=router_id), page)

    with turns.short():
        return await run_in_threadpool(rendered)


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


@dataclass(frozen=True, slots=True)
class _Asked:
    """A proposal without what is so already, and the questions that it comes to."""

    view: RouterView
    wanted: Proposed
    question: Question
    frontier: Question


def _asked(management: Management, router_id: str, proposed: Proposed) -> _Asked:
    """What a proposal asks; reads the database once. Raises NotFound, InvalidQuestion, DatabaseUnavailable."""
    record = management.existing_router(router_id)
    view = router_view(management, record)
    wanted = settled(proposed, view)

    present = objective_of(record, management.catalog())

    def question(dollars: Mapping[str, float], policy: str | None) -> Question:
        return question_of(
            record,
            present,
            days=float(wanted.days),
            policy=policy or first_policy(view.settings),
            models=",".join(wanted.models) or None,
            dollars=dollars,
            exploration=wanted.exploration,
            without_rule=wanted.without_rule,
        )

    # The frontier does not depend on what an answer is worth in the proposal: it is drawn for all of that.
    everywhere = {**wanted.dollars, "quality_usd": present_dollars(view)["quality_usd"]}
    return _Asked(view, wanted, question(wanted.dollars, wanted.policy), question(everywhere, "thompson"))


def _answer(asked: _Asked, told: bytes | Progress, known: bytes | Progress | None) -> AnswerView:
    """What is known of the answer, and of the frontier, as a view."""
    if isinstance(told, Progress):
        return working(asked.view, asked.wanted, told.done)
    done, raw = (known.done, known.content) if isinstance(known, Progress) else (1.0, known or b"null")
    return answer_view(asked.view, asked.wanted, msgspec.json.decode(told), msgspec.json.decode(raw), done)


async def _forecast(visit: Visit, asked: _Asked) -> JsonFields | None:
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
    rule = _rule_number(sent.text("without_rule")[:LONGEST_NUMBER])
    return Proposed(int(days or 30), dollars, policy, tuple(sent.all("model")), value("exploration", 1.0), rule)
