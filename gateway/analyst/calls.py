"""Questions as their URLs ask them. What is wrong with one is not told here: it is refused, and asked in full."""

import math
from dataclasses import astuple
from typing import Annotated, TypeAlias
from urllib.parse import parse_qsl

import msgspec

from bandit.types import Epoch
from gateway.analyst.messages import Ask, Call, Kind
from gateway.analyst.questions import InvalidQuestion, Question
from gateway.analyst.resolution import question_of
from gateway.routing.objectives import stored_objective
from gateway.settings.rule_options import MOST_RULES
from storage.errors import DatabaseUnavailable
from storage.records import RouterRecord
from storage.stores.routers import Routers

DOLLARS = ("quality_usd", "second_usd", "failure_usd")

Dollars: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1e6)]


class Parameters(msgspec.Struct, frozen=True):
    """Parameters of the API's calls, with the bounds that their routes document."""

    policy: Annotated[str, msgspec.Meta(max_length=200)] = "thompson"
    models: Annotated[str, msgspec.Meta(max_length=4_000)] | None = None
    days: Annotated[float, msgspec.Meta(gt=0, le=36_500)] = 30.0
    quality_usd: Dollars | None = None
    second_usd: Dollars | None = None
    failure_usd: Dollars | None = None
    exploration: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    without_rule: Annotated[int, msgspec.Meta(ge=0, le=MOST_RULES)] | None = None
    points: Annotated[int, msgspec.Meta(ge=2, le=40)] = 15


def ask_of_call(call: Call, routers: Routers) -> Ask | None:
    """The question that a call asks of the router as it is now; None if it has to be refused."""
    try:
        asked = msgspec.convert(dict(parse_qsl(call.query, keep_blank_values=True)), Parameters, strict=False)
        record = routers.get(call.router_id)
        if record is None or not all(map(math.isfinite, _numbers(asked))):
            return None
        question = _question(record, asked)
    except (msgspec.ValidationError, InvalidQuestion, DatabaseUnavailable):
        return None
    points = asked.points if call.kind is Kind.FRONTIER else 0
    return ask_of(call.kind, question, Epoch(call.now), points, call.wait_seconds)


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


def _numbers(asked: Parameters) -> list[float]:
    return [value for value in msgspec.structs.astuple(asked) if isinstance(value, float)]


def _question(record: RouterRecord, asked: Parameters) -> Question:
    return question_of(
        record,
        stored_objective(record),
        days=asked.days,
        policy=asked.policy,
        models=asked.models,
        dollars={name: value for name in DOLLARS if (value := getattr(asked, name)) is not None},
        exploration=asked.exploration,
        without_rule=asked.without_rule,
    )
