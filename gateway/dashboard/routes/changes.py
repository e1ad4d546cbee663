"""/changes: the audit trail, and taking a change back."""

from fastapi import Request
from fastapi.responses import Response

from gateway.dashboard.forms import attempt
from gateway.dashboard.frame import frame_of
from gateway.dashboard.pages import page_router, render, see_other
from gateway.dashboard.views.changes import changes_page
from gateway.dashboard.visit import Administrator, Reader
from gateway.management.changes import revert_change

router = page_router()


@router.get("/changes")
def changes(request: Request, visit: Reader, cursor: str | None = None) -> Response:
    """Who changed what, the latest first."""
    frame = frame_of(visit, "changes", topics=("routers", "keys"))
    return render(request, "changes.html", frame, changes_page(visit.management, cursor))


@router.post("/changes/{change_id}/revert")
def revert(request: Request, visit: Administrator, change_id: str) -> Response:
    """Give the changed fields their former values again."""
    tried = attempt(lambda: revert_change(visit.management, change_id))
    if tried.answer is not None:
        return see_other(request, "/changes")
    said = {"": "; ".join(tried.problems.values())}
    page = changes_page(visit.management, None, said)
    return render(request, "changes.html", frame_of(visit, "changes"), page, 409)
