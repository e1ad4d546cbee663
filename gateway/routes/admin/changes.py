"""/admin/changes: the audit trail, and taking a change back."""

from typing import Annotated

from fastapi import Query
from fastapi.responses import Response

from gateway.management.changes import ChangesView, ChangeView, list_changes, revert_change
from gateway.routes.admin.calls import Administrator, Cursor, PageSize, Reader, answer, api_router
from gateway.routes.admin.idempotency import IdempotentRoute

router = api_router("/admin", "changes", IdempotentRoute)


@router.get("/changes")
def get_changes(
    management: Reader,
    limit: PageSize = 50,
    cursor: Cursor = None,
    target: Annotated[
        str | None, Query(max_length=200, description="Only changes of this router, key or scorecard.")
    ] = None,
) -> ChangesView:
    """Who changed what, the latest first."""
    return list_changes(management, limit, cursor, target)


@router.post("/changes/{change_id}/revert", response_model=ChangeView)
def post_reversion(management: Administrator, change_id: str) -> Response:
    """Give the changed fields their former values again. 409 `changed_since` if one of them has moved on."""
    return answer(revert_change(management, change_id))
