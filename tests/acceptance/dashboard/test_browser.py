"""The dashboard in a real browser: no console error, no sideways scroll, nothing that axe finds, and live.

`make dashboard-check` looks at every page in every theme and width; here is what must hold before a change is taken.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.browser import DESKTOP, PHONE, chromium, is_there, tab
from tests.support.gateway import Running

pytestmark = pytest.mark.skipif(not is_there(), reason="there is no Chromium here (Debian's package chromium)")

PAGES = (
    "/",
    "/health",
    "/routers/rtr_support",
    "/routers/rtr_support/decisions",
    "/routers/rtr_support/settings",
    "/routers/new",
    "/keys",
    "/models",
    "/evals",
    "/changes",
)

FIGURES = ("/routers/rtr_support", "/keys", "/")
"""Pages with all colours: in the dark the others have no more."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def decision(running: Running) -> str:
    body = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}
    with running.http() as client:
        answer = client.post("/rtr_support/chat/completions", json=body).json()
    return f"/decisions/{answer['id']}"


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_every_page_is_sound(running: Running, browser: Browser, decision: str, look: str) -> None:
    size = PHONE if look == "phone" else DESKTOP
    with tab(browser, running.url, dark=look == "dark", size=size) as opened:
        opened.sign_in(running.keys["admin"])
        pages = (*(FIGURES if look == "dark" else PAGES), decision)
        found = {path: problems for path in pages if (problems := opened.problems(path, axe=look != "phone"))}
    assert not found


def test_a_request_moves_the_page_without_a_reload(running: Running, browser: Browser) -> None:
    body = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}
    with tab(browser, running.url) as opened, running.http() as client:
        opened.sign_in(running.keys["admin"])
        opened.go("/routers/rtr_code")
        opened.page.wait_for_selector("#live:not([hidden])")
        assert "No request has come" in opened.page.inner_text("#shares")
        assert client.post("/rtr_code/chat/completions", json=body).status_code == 200
        opened.page.wait_for_selector("#traffic >> text=1 requests", timeout=20_000)
        assert opened.errors == []


def test_new_requests_are_told_and_not_put_under_the_readers_cursor(
    running: Running, browser: Browser, decision: str
) -> None:
    body = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}
    with tab(browser, running.url) as opened, running.http() as client:
        opened.sign_in(running.keys["admin"])
        opened.go("/routers/rtr_support/decisions")
        opened.page.wait_for_selector("#live:not([hidden])")
        rows = opened.page.locator("tr[data-row]").count()
        assert client.post("/rtr_support/chat/completions", json=body).status_code == 200
        opened.page.wait_for_selector("#newer >> text=1 newer", timeout=20_000)
        assert opened.page.locator("tr[data-row]").count() == rows
        opened.page.click("#newer")
        assert opened.page.locator("tr[data-row]").count() == rows + 1


def test_without_javascript_pages_are_read_and_filtered_and_forms_are_sent(
    running: Running, browser: Browser, decision: str
) -> None:
    with tab(browser, running.url, scripts=False) as opened:
        opened.sign_in(running.keys["admin"])
        opened.go("/routers/rtr_support")
        opened.page.select_option("select[name=task]", "code")
        opened.page.click("[data-auto]")
        assert "task=code" in opened.page.url
        opened.go(decision)
        assert "identical" in opened.page.inner_text("#story")
        opened.go("/keys")
        opened.page.fill("#label", "by hand")
        opened.page.click("text=Make the key")
        assert opened.page.inner_text("#secret").startswith("sk-bg-")
        assert opened.page.locator("[data-copy]").is_hidden()
