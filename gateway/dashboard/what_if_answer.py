"""The answer of the page What if: what it asks of the log, and its HTML. Without FastAPI: the analyst draws it."""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import parse_qs

import msgspec

from bandit.quick import quick_dataclass
from bandit.types import Epoch, Objective
from gateway.analyst.calls import Valued, ask_of
from gateway.analyst.messages import Answer, Call, Kind, Progress, Shown
from gateway.analyst.pages import Page
from gateway.analyst.questions import InvalidQuestion, Question
from gateway.analyst.resolution import question_of
from gateway.dashboard.proposals import Proposed, present_dollars, settled
from gateway.dashboard.rendering import html_of
from gateway.dashboard.views.answer import answer_view, working
from gateway.management.routers import RouterView, router_view
from gateway.routing.objectives import stored_objective
from gateway.settings.experiment_options import first_policy
from gateway.settings.rule_options import MOST_RULES
from storage.records import RouterRecord

POINTS = 15
LONGEST_DAYS = 366
LONGEST_NUMBER = 3
"""Characters of a rule's number; a cut one is no number up to 50."""
MOST_MODELS = 200


class Parameters(Valued, frozen=True):
    """Parameters of the page, with the bounds of its route; `model` may be repeated."""

    days: Annotated[int, msgspec.Meta(ge=1, le=LONGEST_DAYS)] = 30
    policy: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    exploration: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    without_rule: Annotated[str, msgspec.Meta(max_length=LONGEST_NUMBER)] = ""


@quick_dataclass(frozen=True, slots=True)
class Asked:
    """A proposal without what is so already, and the questions that it comes to."""

    view: RouterView
    wanted: Proposed
    question: Question
    frontier: Question


def asked_of(record: RouterRecord, view: RouterView, proposed: Proposed, present: Objective | None) -> Asked:
    """What a proposal asks of a router that has the `present` objective. Raises InvalidQuestion."""
    wanted = settled(proposed, view)

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
    return Asked(view, wanted, question(wanted.dollars, wanted.policy), question(everywhere, "thompson"))


def rule_number(text: str) -> int | None:
    """The number of the rule that is left out; empty: none is. Raises InvalidQuestion."""
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and int(text) <= MOST_RULES):
        raise InvalidQuestion("without_rule", f"`without_rule` must be a rule's number, up to {MOST_RULES}")
    return int(text)


def answer_html(asked: Asked, told: Answer, known: Answer | None, shown: Shown) -> str:
    """What is known of the answer, and of the frontier, as a part of the page."""
    if isinstance(told, Progress):
        page = working(asked.view, asked.wanted, told.done)
    else:
        done, raw = (known.done, known.content) if isinstance(known, Progress) else (1.0, known or b"null")
        found, drawn = msgspec.json.decode(told), msgspec.json.decode(raw)
        page = answer_view(asked.view, asked.wanted, found, drawn, done, may_change=shown.may_change)
    return html_of("what-if-answer.html", page, shown.root)


def page_of(call: Call, record: RouterRecord) -> Page:
    """The page that a call asks for, of its router as it is now. Raises InvalidQuestion, ValidationError."""
    shown = call.shown or Shown("", may_change=False)
    asked = asked_of(record, router_view(record, ""), _proposed(call.query), stored_objective(record))
    now = Epoch(call.now)
    return Page(
        ask_of(Kind.EVALUATION, asked.question, now, 0, call.wait_seconds),
        ask_of(Kind.FRONTIER, asked.frontier, now, POINTS, call.wait_seconds),
        lambda told, known: answer_html(asked, told, known, shown),
    )


def _proposed(query: str) -> Proposed:
    given = parse_qs(query, keep_blank_values=True)
    models = given.pop("model", [])
    if len(models) > MOST_MODELS:
        raise InvalidQuestion("model", "model: too many")
    asked = msgspec.convert({name: values[-1] for name, values in given.items()}, Parameters, strict=False)
    return Proposed(
        asked.days,
        asked.dollars,
        asked.policy or None,
        tuple(models),
        asked.exploration,
        rule_number(asked.without_rule),
    )
