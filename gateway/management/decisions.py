"""Recorded decisions in lists, the latest first."""

from dataclasses import replace

from pydantic import BaseModel, ConfigDict, JsonValue

from gateway.errors import NotFound
from gateway.management.context import Management
from storage.records import Status
from storage.stores.decisions import DecisionFilter, Decisions, DecisionSummary

_ROW_EXAMPLE: dict[str, JsonValue] = {
    "id": "chatcmpl-req_019abcd0e1f200112233445566778899",
    "object": "decision",
    "at": 1_764_000_000.25,
    "router_id": "rtr_support",
    "model": "openai/gpt-5.5",
    "drawn_model": "openai/gpt-5.5",
    "task": "code",
    "policy": "thompson",
    "probability": 0.83,
    "explored": False,
    "randomised": True,
    "status": "answered",
    "http_status": 200,
    "error_code": None,
    "attempts": 1,
    "seconds": 1.4,
    "cost_usd": 0.0031,
    "prompt_tokens": 812,
    "completion_tokens": 240,
    "score": 0.9,
    "reason": "Short code request: openai/gpt-5.5 has the best expected value of 4 models.",
    "api_key_id": "key_019abc…",
    "episode_id": None,
    "conversation": "9c1185a5c5e9fc54",
    "outcome": {
        "status": "answered",
        "model_id": "openai/gpt-5.5",
        "attempts": 1,
        "seconds": 1.4,
        "prompt_tokens": 812,
        "completion_tokens": 240,
        "cost_usd": 0.0031,
        "estimated": False,
        "http_status": 200,
        "error_code": None,
        "reason": "Short code request: openai/gpt-5.5 has the best expected value of 4 models.",
    },
}


class OutcomeView(BaseModel):
    """What happened, by the names of the ledger's columns. `estimated`: some tokens or dollars were not reported.

    Deprecated: earlier versions had this object alone; the fields beside it say the same.
    """

    status: Status
    model_id: str | None
    attempts: int
    seconds: float
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float
    estimated: bool
    http_status: int
    error_code: str | None
    reason: str


class DecisionFields(BaseModel):
    """What a row and a decision in full have in common.

    `model` answered, null: none did; `drawn_model` was asked first, with this `probability`. `explored`: it was drawn
    although another model was better by the mean; null: recorded by a version that did not note it. `conversation` is a
    keyed hash, the same for all turns that this router was asked for. `score` is the mean over its sources.
    """

    id: str
    object: str = "decision"
    at: float
    router_id: str
    model: str | None
    drawn_model: str
    task: str
    policy: str
    probability: float
    explored: bool | None
    randomised: bool
    status: Status
    http_status: int
    error_code: str | None
    seconds: float
    cost_usd: float
    prompt_tokens: int | None
    completion_tokens: int | None
    score: float | None
    reason: str
    api_key_id: str
    episode_id: str | None
    conversation: str | None
    outcome: OutcomeView


class DecisionRow(DecisionFields):
    """A request in a list. `attempts` counts the calls of models."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ROW_EXAMPLE]})

    attempts: int


class DecisionsView(BaseModel):
    """A page of requests, the latest first; `next_cursor` asks for the next one.

    `searched_to`: the page ends before it is full, because this many requests were compared with the filters; the next
    one goes on from this instant.
    """

    object: str = "list"
    data: list[DecisionRow]
    next_cursor: str | None
    searched_to: float | None


def list_decisions(management: Management, wanted: DecisionFilter, cursor: str | None, limit: int) -> DecisionsView:
    """A page of the requests that are wanted, of the routers that the actor may see. Raises NotFound, InvalidCursor."""
    if wanted.router_ids is None:
        wanted = replace(wanted, router_ids=management.router_ids)
    elif hidden := [router_id for router_id in wanted.router_ids if not management.sees(router_id)]:
        raise NotFound(f"there is no router {hidden[0][:80]!r}", code="router_not_found")
    page = Decisions(management.database).page(wanted, cursor, limit)
    return DecisionsView(data=[_row(row) for row in page.rows], next_cursor=page.cursor, searched_to=page.searched_to)


def neighbours(management: Management, router_id: str, at: float, completion_id: str) -> tuple[str | None, str | None]:
    """The ids of the next newer and the next older request of a router that the actor may see; None: there is none."""
    found = Decisions(management.database).neighbours(router_id, at, completion_id)
    newer, older = (None if each is None else f"chatcmpl-{each}" for each in found)
    return newer, older


def decision_fields(row: DecisionSummary) -> DecisionFields:
    """The fields that rows and decisions in full have in common."""
    return DecisionFields(
        id=f"chatcmpl-{row.completion_id}",
        at=row.at,
        router_id=row.router_id,
        model=row.model_id,
        drawn_model=row.drawn_model_id,
        task=row.task,
        policy=row.policy,
        probability=row.propensity,
        explored=row.explored,
        randomised=row.randomised,
        status=row.status,
        http_status=row.http_status,
        error_code=row.error_code,
        seconds=row.seconds,
        cost_usd=row.cost_usd,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        score=row.score,
        reason=row.reason,
        api_key_id=row.key_id,
        episode_id=row.episode_id,
        conversation=row.conversation,
        outcome=OutcomeView(**{name: getattr(row, name) for name in OutcomeView.model_fields}),
    )


def _row(row: DecisionSummary) -> DecisionRow:
    return DecisionRow(**decision_fields(row).model_dump(), attempts=row.attempts)
