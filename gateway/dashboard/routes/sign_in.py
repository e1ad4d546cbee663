"""/sign-in and /sign-out: begin and end a session."""

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from bandit.quick import quick_dataclass
from gateway.api_keys import READERS, require
from gateway.dashboard.forms import attempt, read_form
from gateway.dashboard.frame import Frame
from gateway.dashboard.pages import page_router, render, see_other
from gateway.dashboard.session import SESSION_SECONDS, take_link
from gateway.dashboard.visit import is_secure, sessions_of
from gateway.routes.authentication import is_local
from gateway.routes.services import services_of
from storage.records import KeyRecord

LINK_TAKEN = "This link was used before, or is older than ten minutes: start the gateway again, or sign in with a key."
LINK_ELSEWHERE = "A sign-in link works on the gateway's own machine alone: sign in with a key."

router = page_router()


@quick_dataclass(frozen=True, slots=True)
class SignInPage:
    """The sign-in page: what to say, and the page to go to afterwards."""

    said: str = ""
    next: str = "/"


@router.get("/sign-in")
async def sign_in_page(request: Request, once: str = "", next: str = "/") -> Response:  # noqa: A002 - in the URL
    """The form; with `once`, a link that signs in."""
    if not once:
        return render(request, "sign-in.html", Frame(""), SignInPage(next=_inside(next)))
    if not is_local(request):
        return render(request, "sign-in.html", Frame(""), SignInPage(LINK_ELSEWHERE), 403)
    services = services_of(request)
    key_id = await run_in_threadpool(take_link, services.database, once, services.clock())
    if key_id is None:
        return render(request, "sign-in.html", Frame(""), SignInPage(LINK_TAKEN), 403)
    return _signed_in(request, key_id, "/")


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Begin a session with an API key."""
    form = await read_form(request)
    services = services_of(request)
    there = _inside(form.text("next"))

    def authenticated() -> KeyRecord:
        key = services.keyring.authenticate(b"Bearer " + form.text("key").encode(), services.clock())
        require(key, READERS)
        return key

    tried = attempt(authenticated)
    if tried.answer is None:
        said = next(iter(tried.problems.values()))
        return render(request, "sign-in.html", Frame(""), SignInPage(said, there), 403)
    return _signed_in(request, tried.answer.id, there)


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session of this browser."""
    secure = is_secure(request)
    response = see_other(request, "/sign-in")
    response.delete_cookie(sessions_of(request).name(secure=secure), secure=secure, httponly=True, samesite="strict")
    return response


def _signed_in(request: Request, key_id: str, there: str) -> Response:
    sessions, secure = sessions_of(request), is_secure(request)
    response = see_other(request, there)
    response.set_cookie(
        sessions.name(secure=secure),
        sessions.begin(key_id, services_of(request).clock()),
        max_age=SESSION_SECONDS,
        secure=secure,
        httponly=True,
        samesite="strict",
    )
    return response


def _inside(path: str) -> str:
    """The path if it is one of our own pages, else the first one: never another site's URL."""
    ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and len(path) <= 2_000
    return path if ours else "/"
