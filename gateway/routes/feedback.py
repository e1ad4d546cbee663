"""POST /feedback: scores for completions, committed before the response."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.asgi import HttpRequest
from gateway.routes.schemas import FEEDBACK_SCHEMA
from gateway.routes.services import json_response, services_of
from storage.records import FeedbackReceipt

router = APIRouter()


@router.post("/feedback", openapi_extra=FEEDBACK_SCHEMA)
async def post_feedback(request: Request) -> Response:
    """Score one completion, or up to 1,000 at once: all or nothing."""
    batch, receipts = await services_of(request).flow.feedback(HttpRequest(request.scope, request.receive))
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
