"""/keys: list, make, change, rotate and revoke API keys."""

from typing import Annotated

from fastapi import Depends, Query, Request
from fastapi.responses import Response

from gateway.dashboard.forms import Form, attempt, read_form
from gateway.dashboard.frame import frame_of
from gateway.dashboard.pages import page_router, render, see_other
from gateway.dashboard.views.keys import fields_of, form_of, key_page, keys_page
from gateway.dashboard.visit import Administrator, Reader
from gateway.management.api_keys import change_api_key, create_api_key, revoke_api_key, rotate_api_key

TOPICS = ("keys",)
OVERLAP_SECONDS = 3_600.0

router = page_router()
Sent = Annotated[Form, Depends(read_form)]


@router.get("/keys")
def keys(request: Request, visit: Reader, search: Annotated[str, Query(max_length=200)] = "") -> Response:
    """All keys or some, and the form for another one."""
    frame = frame_of(visit, "keys", topics=TOPICS)
    return render(request, "keys.html", frame, keys_page(visit.management, frame.routers, search=search))


@router.post("/keys")
def make_key(request: Request, visit: Administrator, sent: Sent) -> Response:
    """Make a key and show its secret: in this answer alone."""
    form = form_of(sent)
    tried = attempt(lambda: create_api_key(visit.management, fields_of(form, visit.management.now)))
    frame = frame_of(visit, "keys")  # not live: the secret must stay
    if tried.answer is None:
        page = keys_page(visit.management, frame.routers, form=form, problems=tried.problems)
        return render(request, "keys.html", frame, page, 400)
    return render(request, "keys.html", frame, keys_page(visit.management, frame.routers, made=tried.answer), 201)


@router.get("/keys/{key_id}")
def key(request: Request, visit: Reader, key_id: str) -> Response:
    """One key, and the form that changes it."""
    frame = frame_of(visit, "keys")
    return render(request, "key.html", frame, key_page(visit.management, frame.routers, key_id))


@router.post("/keys/{key_id}")
def change_key(request: Request, visit: Administrator, key_id: str, sent: Sent) -> Response:
    """Change label, scopes, routers, end or limits, unless somebody else was quicker: then ask again."""
    form = form_of(sent)
    fields, tag = fields_of(form, visit.management.now), sent.text("tag") or None
    tried = attempt(lambda: change_api_key(visit.management, key_id, fields, expected=tag))
    if tried.answer is not None:
        return see_other(request, "/keys")
    frame = frame_of(visit, "keys")
    page = key_page(visit.management, frame.routers, key_id, form=form, problems=tried.problems)
    return render(request, "key.html", frame, page, 412 if tried.code == "revision_conflict" else 400)


@router.post("/keys/{key_id}/rotate")
def rotate_key(request: Request, visit: Administrator, key_id: str) -> Response:
    """Make a successor, and end this key in an hour."""
    made = rotate_api_key(visit.management, key_id, OVERLAP_SECONDS)
    frame = frame_of(visit, "keys")
    return render(request, "keys.html", frame, keys_page(visit.management, frame.routers, made=made), 201)


@router.post("/keys/{key_id}/revoke")
def revoke_key(request: Request, visit: Administrator, key_id: str) -> Response:
    """Revoke a key for good."""
    revoke_api_key(visit.management, key_id)
    return see_other(request, "/keys")
