"""GET /events: what has changed, as server-sent events."""

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from gateway.dashboard.events import Events
from gateway.dashboard.pages import page_router
from gateway.dashboard.visit import Reader, session_key

router = page_router()


@router.get("/events")
async def events(request: Request, visit: Reader) -> Response:
    """A stream for one page. It ends with the session: a key may be revoked meanwhile."""
    hub: Events = request.app.state.events
    stream = hub.open(lambda: session_key(request) is not None, visit.management.sees)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"x-accel-buffering": "no"})
