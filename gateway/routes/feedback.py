"""POST /feedback: scores for completions, committed before they are answered."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.asgi import Http
from gateway.routes.answer import json_response, parts_of
from gateway.routes.schemas import FEEDBACK_SCHEMA
from storage.records import FeedbackReceipt

router = APIRouter()


@router.post("/feedback", openapi_extra=FEEDBACK_SCHEMA)
async def post_feedback(request: Request) -> Response:
    """Score one completion, or up to 1,000 at once: all or nothing."""
    http = Http(request.scope, request.receive, request._send, request.scope["state"]["request_id"])
    batch, receipts = await parts_of(request).flow.feedback(http)
    objects = [_feedback_object(receipt) for receipt in receipts]
    return json_response({"object": "list", "data": objects} if batch.listed else objects[0])


def _feedback_object(receipt: FeedbackReceipt) -> dict[str, object]:
    return {
        "id": receipt.id,
        "object": "feedback",
        "completion_id": f"chatcmpl-{receipt.completion_id}",
        "router_id": receipt.router_id,
        "model": receipt.model_id,
        "source": receipt.source,
        "score": receipt.score,
        "status": receipt.status,
    }
