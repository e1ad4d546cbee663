"""/routers/{id}/settings and /routers/new: change a router, and make one."""

from typing import Annotated

from fastapi import Depends, Query, Request
from fastapi.responses import Response

from gateway.dashboard.forms import Form, attempt, read_form
from gateway.dashboard.frame import frame_of
from gateway.dashboard.pages import page_router, render, see_other
from gateway.dashboard.views.new_router import fields_of, new_router_page
from gateway.dashboard.views.settings import conflict_page, patch_of, refused_page, settings_page
from gateway.dashboard.visit import Administrator, Reader
from gateway.errors import BadRequest
from gateway.management.routers import change_router, create_router, get_router

router = page_router()
Sent = Annotated[Form, Depends(read_form)]


@router.get("/routers/new")
def new_router(request: Request, visit: Administrator) -> Response:
    """The form of another router."""
    return render(request, "new-router.html", frame_of(visit, "overview"), new_router_page(visit.management))


@router.post("/routers/new")
def make_router(request: Request, visit: Administrator, sent: Sent) -> Response:
    """Make a router, and go to its page once this process serves it."""
    tried = attempt(lambda: create_router(visit.management, fields_of(sent)))
    if tried.answer is not None:
        return see_other(request, f"/routers/{tried.answer.router.id}/settings?done=1")
    page = new_router_page(visit.management, sent, tried.problems)
    return render(request, "new-router.html", frame_of(visit, "overview"), page, 400)


@router.get("/routers/{router_id}/settings")
def settings(request: Request, visit: Reader, router_id: str, done: Annotated[bool, Query()] = False) -> Response:
    """How the router is set."""
    page = settings_page(visit.management, router_id, done=done)
    return render(request, "settings.html", frame_of(visit, "settings", router_id=router_id), page)


@router.post("/routers/{router_id}/settings")
def change_settings(request: Request, visit: Administrator, router_id: str, sent: Sent) -> Response:
    """Change what was changed in the form, unless somebody else was quicker."""
    management = visit.management
    revision = sent.text("revision")
    if not (revision.isascii() and revision.isdecimal() and len(revision) < 19):
        raise BadRequest("the form does not say which revision it was opened with: load the page again")
    router = get_router(management, router_id)
    tried = attempt(lambda: change_router(management, router_id, patch_of(sent, router), expected=int(revision)))
    if tried.answer is not None:
        return see_other(request, f"/routers/{router_id}/settings?done=1")
    if tried.code == "revision_conflict":
        page, status = conflict_page(management, router_id, sent), 412
        if not page.conflicts:
            return see_other(request, f"/routers/{router_id}/settings?done=1")
    else:
        page, status = refused_page(management, router_id, sent, tried.problems), 400
    return render(request, "settings.html", frame_of(visit, "settings", router_id=router_id), page, status)
