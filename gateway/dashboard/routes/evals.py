"""/evals: list, import and delete scorecards."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import Response

from gateway.dashboard.forms import Form, attempt, read_form
from gateway.dashboard.frame import frame_of
from gateway.dashboard.pages import page_router, render, see_other
from gateway.dashboard.views.evals import evals_page, import_sent
from gateway.dashboard.visit import Administrator, Reader
from gateway.management.evals import delete_eval

router = page_router()


@router.get("/evals")
def evals(request: Request, visit: Reader) -> Response:
    """All scorecards, and the form for another one."""
    frame = frame_of(visit, "evals")
    return render(request, "evals.html", frame, evals_page(visit.management, frame.routers))


@router.post("/evals")
def import_one(request: Request, visit: Administrator, sent: Annotated[Form, Depends(read_form)]) -> Response:
    """Import a scorecard from pasted CSV; every wrong line is told."""
    tried = attempt(lambda: import_sent(visit.management, sent))
    if tried.answer is not None:
        return see_other(request, "/evals")
    frame = frame_of(visit, "evals")
    wrong = [message for param, message in tried.all_problems if param == "rows"]
    page = evals_page(visit.management, frame.routers, sent, tried.problems, wrong)
    return render(request, "evals.html", frame, page, 400)


@router.post("/evals/{eval_id}/delete")
def delete_one(request: Request, visit: Administrator, eval_id: str) -> Response:
    """Delete a scorecard."""
    delete_eval(visit.management, eval_id)
    return see_other(request, "/evals")
