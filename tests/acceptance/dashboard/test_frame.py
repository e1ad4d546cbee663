"""What is around every page: the navigation, the standing below it, and a page for URLs at which there is nothing."""

import re

import httpx
import pytest

from tests.acceptance.dashboard.conftest import Visitor
from tests.acceptance.dashboard.test_sign_in import CSP
from tests.support.gateway import Running

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize(
    "path", ["/nowhere", "/routers/rtr_code/nowhere", "/favicon.ico", "/sign-out", "/admin/nowhere"]
)
def test_a_browser_gets_a_page_where_there_is_nothing(admin: httpx.Client, running: Running, path: str) -> None:
    answer = admin.get(path, headers=BROWSER)
    assert answer.status_code in {404, 405}
    assert "<h1>There is no such page</h1>" in answer.text
    assert f"There is no page at {path}" in answer.text
    assert "Nothing was changed" not in answer.text
    assert 'href="/keys"' in answer.text  # the navigation stays
    assert answer.headers["content-security-policy"] == CSP
    unknown = httpx.get(f"{running.url}{path}", headers=BROWSER)
    assert unknown.status_code == answer.status_code
    assert 'href="/keys"' not in unknown.text, "of nobody who is signed in"


@pytest.mark.parametrize("accept", ["*/*", "application/json", ""])
def test_a_client_of_the_api_gets_the_error_as_json(admin: httpx.Client, accept: str) -> None:
    answer = admin.get("/nowhere", headers={"accept": accept})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    posted = admin.post("/nowhere", headers=BROWSER)
    assert (posted.status_code, posted.headers["content-type"]) == (404, "application/json")


def test_pages_of_the_whole_gateway_keep_the_router_that_was_looked_at(visitor: Visitor) -> None:
    mine = visitor("reader")

    def shown(path: str) -> list[str]:
        return re.findall(r'href="/routers/(\w+)/what-if"', mine.get(path).text)

    assert shown("/keys") == ["rtr_code"], "the first one"
    assert shown("/routers/rtr_support/settings") == ["rtr_support"]
    assert shown("/keys") == shown("/keys/nobody") == ["rtr_support"]
    assert shown("/routers/rtr_none") == ["rtr_support"]


def test_a_router_that_a_key_may_not_see_is_never_in_its_navigation(visitor: Visitor, reader: httpx.Client) -> None:
    reader.get("/routers/rtr_support/settings")
    some = visitor("some")
    some.cookies.update({name: value for name, value in reader.cookies.items() if name.endswith("_router")})
    page = some.get("/keys").text
    assert "/routers/rtr_code/what-if" in page
    assert "rtr_support" not in page


def test_the_frame_tells_how_many_processes_serve(admin: httpx.Client) -> None:
    assert "Ledger ok · 1 replica<" in admin.get("/health").text
