"""POST /feedback: scores for completions, committed before the response."""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from gateway.asgi import HttpRequest
from gateway.feedback import Given
from gateway.routes.authentication import BEARER
from gateway.routes.schemas import FEEDBACK_SCHEMA, refusals
from gateway.routes.services import json_response, services_of
from storage.records import FeedbackReceipt, FeedbackRecord, FeedbackStatus

router = APIRouter(dependencies=[Depends(BEARER)])


@router.post(
    "/feedback", openapi_extra=FEEDBACK_SCHEMA, responses=refusals(400, 401, 403, 404, 409, 413, 415, 429, 500, 503)
)
async def post_feedback(request: Request) -> Response:
    """Score one completion, all those of an episode, a pair, or up to 1,000 of these at once: all or nothing."""
    batch, receipts = await services_of(request).flow.feedback(HttpRequest(request.scope, request.receive))
    by_record = (list(of_one) for _, of_one in groupby(receipts, key=attrgetter("index")))
    objects = [_object(item, [next(by_record) for _ in item.records]) for item in batch.items]
    return json_response({"object": "list", "data": objects} if batch.listed else objects[0])


def _object(item: Given, receipts: Sequence[Sequence[FeedbackReceipt]]) -> dict[str, object]:
    """The object of one item; `receipts` are those of each of its records."""
    if item.is_pair:
        (preferred,), (rejected,) = receipts
        return _of_pair(preferred, rejected)
    (record,), (of_one,) = item.records, receipts
    return _of_completion(*of_one) if record.episode_id is None else _of_episode(record, of_one)


def _of_pair(preferred: FeedbackReceipt, rejected: FeedbackReceipt) -> dict[str, object]:
    """The object of a pair: `updated` if it changed one of the two scores."""
    return {
        "id": preferred.id,
        "object": "feedback",
        "preferred": _of_completion(preferred),
        "rejected": _of_completion(rejected),
        "source": preferred.source,
        "status": _joint({preferred.status, rejected.status}),
    }


def _of_completion(receipt: FeedbackReceipt) -> dict[str, object]:
    return {
        "id": receipt.id,
        "object": "feedback",
        **_scored(receipt),
        "source": receipt.source,
        "score": receipt.score,
        "status": receipt.status,
    }


def _of_episode(record: FeedbackRecord, receipts: Sequence[FeedbackReceipt]) -> dict[str, object]:
    """The object of a score of an episode: `updated` if it changed some of the completions' scores."""
    return {
        "id": record.id,
        "object": "feedback",
        "episode_id": record.episode_id,
        "completions": [{**_scored(receipt), "status": receipt.status} for receipt in receipts],
        "source": record.source,
        "score": receipts[0].score,
        "status": _joint({receipt.status for receipt in receipts}),
    }


def _joint(statuses: set[FeedbackStatus]) -> FeedbackStatus:
    return statuses.pop() if len(statuses) == 1 else FeedbackStatus.UPDATED


def _scored(receipt: FeedbackReceipt) -> dict[str, object]:
    return {
        "completion_id": f"chatcmpl-{receipt.completion_id}",
        "router_id": receipt.router_id,
        "model": receipt.model_id,
    }
