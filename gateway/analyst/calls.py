"""Questions as their URLs ask them. What is wrong with one is not told here: it is refused, and asked in full."""

from dataclasses import astuple
from typing import Annotated, TypeAlias
from urllib.parse import parse_qsl

import msgspec

from bandit.types import Epoch
from gateway.analyst.messages import Ask, Call, Kind
from gateway.analyst.pages import Page, Reading
from gateway.analyst.questions import InvalidQuestion, Question
from gateway.analyst.resolution import question_of
from gateway.routing.objectives import stored_objective
from gateway.settings.rule_options import MOST_RULES
from storage.errors import DatabaseUnavailable
from storage.records import RouterRecord
from storage.stores.routers import Routers

Dollars: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1e6)]


class Valued(msgspec.Struct, frozen=True):
    """Parameters that say what is worth how much, of which any may be left out."""

    quality_usd: Dollars | None = None
    second_usd: Dollars | None = None
    failure_usd: Dollars | None = None

    @property
    def dollars(self) -> dict[str, float]:
        """Those that are given, by name."""
        given = {"quality_usd": self.quality_usd, "second_usd": self.second_usd, "failure_usd": self.failure_usd}
        return {name: value for name, value in given.items() if value is not None}


class Parameters(Valued, frozen=True):
    """Parameters of the API's calls, with the bounds that their routes document."""

    policy: Annotated[str, msgspec.Meta(max_length=200)] = "thompson"
    models: Annotated[str, msgspec.Meta(max_length=4_000)] | None = None
    days: Annotated[float, msgspec.Meta(gt=0, le=36_500)] = 30.0
    exploration: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    without_rule: Annotated[int, msgspec.Meta(ge=0, le=MOST_RULES)] | None = None
    points: Annotated[int, msgspec.Meta(ge=2, le=40)] = 15


def read_call(call: Call, routers: Routers, pages: Reading) -> Ask | Page | None:
    """What a call asks of the router as it is now; None if it has to be refused."""
    try:
        record = routers.get(call.router_id)
        if record is None:
            return None
        return pages(call, record) if call.kind is Kind.PAGE else _ask(call, record)
    except (msgspec.ValidationError, InvalidQuestion, DatabaseUnavailable):
        return None


def ask_of(kind: Kind, question: Question, now: Epoch, points: int, wait_seconds: float) -> Ask:
    """A question as a message."""
    proposal, objective = question.proposal, question.proposal.objective
    return Ask(
        kind=kind,
        router_id=question.router_id,
        days=question.days,
        now=now,
        policy=proposal.policy,
        objective=None if objective is None else astuple(objective),
        models=None if proposal.models is None else tuple(sorted(proposal.models)),
        exploration=proposal.exploration,
        points=points,
        wait_seconds=wait_seconds,
        without=proposal.without,
    )


def _ask(call: Call, record: RouterRecord) -> Ask:
    asked = msgspec.convert(dict(parse_qsl(call.query, keep_blank_values=True)), Parameters, strict=False)
    question = question_of(
        record,
        stored_objective(record),
        days=asked.days,
        policy=asked.policy,
        models=asked.models,
        dollars=asked.dollars,
        exploration=asked.exploration,
        without_rule=asked.without_rule,
    )
    points = asked.points if call.kind is Kind.FRONTIER else 0
    return ask_of(call.kind, question, Epoch(call.now), points, call.wait_seconds)
