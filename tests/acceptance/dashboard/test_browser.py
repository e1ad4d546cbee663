"""The dashboard in a real browser: no console error, no sideways scroll, nothing that axe finds, and live.

`make dashboard-check` looks at every page in every theme and width; here is what must hold before a change is taken.
"""

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser

from gateway.dashboard.session import make_link
from gateway.demo.gateway import DemoGateway
from gateway.demo.prompts import questions
from gateway.demo.users import ask_all
from storage.database.engine import Database
from storage.errors import DatabaseUnavailable
from tests.acceptance.dashboard.conftest import HOSTILE_MODEL
from tests.support.browser import DESKTOP, PHONE, chromium, is_there, tab
from tests.support.gateway import Running
from tests.support.waiting import wait_for_room_in_the_minute, wait_until

pytestmark = pytest.mark.skipif(not is_there(), reason="there is no Chromium here (Debian's package chromium)")

PAGES = (
    "/",
    "/health",
    "/routers/rtr_support",
    "/routers/rtr_support/decisions",
    "/routers/rtr_support/what-if",
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
        opened.page.wait_for_selector("#traffic >> text=1 request,", timeout=20_000)
        assert opened.errors == []


def test_an_open_page_keeps_its_figures_while_the_database_is_away(
    running: Running, browser: Browser, decision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}

    def away(_: Database) -> None:
        raise DatabaseUnavailable("it is away")

    with tab(browser, running.url) as opened, running.http() as client:
        opened.sign_in(running.keys["admin"])
        opened.go("/routers/rtr_support")
        opened.page.wait_for_selector("#live >> text=live")
        shares = opened.page.locator("#shares svg").count()
        with monkeypatch.context() as patched:
            patched.setattr(Database, "read", away)
            assert client.post("/rtr_support/chat/completions", json=body).status_code == 200
            opened.page.wait_for_selector("#live >> text=figures of", timeout=20_000)
            assert opened.page.locator("#shares svg").count() == shares > 0
        assert client.post("/rtr_support/chat/completions", json=body).status_code == 200
        opened.page.wait_for_selector("#live >> text=/^live$/", timeout=20_000)


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
        opened.page.click("nav[aria-label=Class] >> text=code")
        assert "task=code" in opened.page.url
        opened.go(decision)
        assert "identical" in opened.page.inner_text("#story")
        opened.go("/keys")
        opened.page.fill("#label", "by hand")
        opened.page.click("text=Make the key")
        assert opened.page.inner_text("#secret").startswith("sk-bg-")
        assert opened.page.locator("[data-copy=secret]").is_hidden()


def test_from_the_printed_link_to_a_revoked_key(running: Running, browser: Browser) -> None:
    """What a person does on the first day: watch, understand, hand out a key, limit it, take it back."""
    database = running.gateway.database
    link = make_link(database, database.clock.now())
    demo = DemoGateway(running.url, running.keys["routing"])
    body = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}
    with tab(browser, running.url) as opened, tab(browser, running.url) as second:
        page = opened.page
        page.on("dialog", lambda dialog: dialog.accept())
        opened.go(str(link))
        page.wait_for_selector("nav[aria-label=Pages]")

        opened.go("/routers/rtr_code")
        page.wait_for_selector("#live:not([hidden])")
        asked = questions(24, 1)
        asking = ask_all(demo, "rtr_code", asked, seed=1, scored=True, served=lambda _: None)
        with ThreadPoolExecutor(1) as pool:  # Playwright has an event loop on this thread
            pool.submit(asyncio.run, asking).result()
        page.wait_for_selector("#classes >> text=code", timeout=20_000)
        page.locator("[data-cursor]").press("ArrowLeft")
        assert re.search(r"UTC\s+\d+% (swift|steady|sage)", page.inner_text(".cursor-tip"))
        opened.go("/routers/rtr_code/decisions")
        page.click("tr[data-row] a")
        page.wait_for_selector("#story >> text=identical")
        page.click("text=Older →")
        page.wait_for_selector("text=← Newer")

        opened.go("/keys")
        page.fill("#label", "a guest")
        page.fill("#requests_per_minute", "1")
        page.click("text=Make the key")
        secret = page.inner_text("#secret")
        with running.http(secret) as guest:
            wait_until(lambda: guest.get("/rtr_code/models").status_code == 200, "the key works")
            wait_for_room_in_the_minute(seconds=20)
            assert guest.post("/rtr_code/chat/completions", json=body).status_code == 200
            assert guest.post("/rtr_code/chat/completions", json=body).status_code == 429
            opened.go("/keys")
            page.wait_for_selector("tr:has-text('a guest') >> text=1 of 1", timeout=20_000)
            page.click("tr:has-text('a guest') >> text=Change")
            page.click("text=Revoke")
            page.wait_for_selector("tr:has-text('a guest') >> text=revoked")
            wait_until(lambda: guest.get("/rtr_code/models").status_code == 401, "the key is refused")

        opened.go("/evals")
        page.fill("#name", "Pasted")
        page.fill("#metric", "accuracy")
        page.fill("#rows", "model_id,score\nsimulated/swift,many\nsimulated/sage,91\nnobody,80\nsimulated/steady,140")
        page.click("main button.primary")
        assert page.locator("#wrong li").count() == 3

        second.sign_in(running.keys["admin"])
        for each, attempts in ((opened, "2"), (second, "3")):
            each.go("/routers/rtr_code/settings")
            each.page.fill("#max_attempts", attempts)
        page.click("text=Save")
        page.wait_for_selector("text=Applied.")
        second.page.click("text=Save")
        second.page.wait_for_selector("text=Somebody was quicker")
        second.page.click("text=Apply mine on top")
        second.page.wait_for_selector("text=Applied.")
        # The browser itself reports the forms that were refused: a scorecard, and a tab that was too late.
        refused = re.compile(r"responded with a status of (400|412)")
        assert [each for each in (*opened.errors, *second.errors) if not refused.search(each)] == []


def test_filters_are_chosen_with_the_keyboard_alone(running: Running, browser: Browser, decision: str) -> None:
    with tab(browser, running.url) as opened:
        opened.sign_in(running.keys["reader"])
        opened.go("/routers/rtr_support/decisions")
        field = opened.page.locator("select[name=model]")
        wanted = field.locator("option").nth(2).get_attribute("value") or ""
        opened.page.evaluate("document.addEventListener('submit', () => { sessionStorage.sent = 1; })")
        field.focus()
        opened.page.keyboard.press("ArrowDown")
        opened.page.keyboard.press("ArrowDown")
        assert opened.page.evaluate("sessionStorage.sent") is None  # at an option on the way
        opened.page.keyboard.press("Tab")
        opened.page.wait_for_url(f"**?*model={quote(wanted, safe='')}*")
        assert field.input_value() == wanted
        opened.page.wait_for_function("document.activeElement.name === 'task'")  # the next one
        assert opened.errors == []


def test_the_longest_names_make_no_page_wider(running: Running, browser: Browser) -> None:
    """The last test: its router and key stay."""
    router, widest = f"rtr_{'w' * 60}", "W" * 200
    models = [HOSTILE_MODEL, "simulated/swift"]
    sent = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}], "metadata": {"task": "W" * 64}}
    with running.http("admin") as admin, running.http() as client:
        created = admin.post("/admin/routers", json={"id": router, "name": widest, "enabled_models": models})
        assert created.status_code == 201, created.text
        assert admin.post("/admin/api-keys", json={"label": widest, "scopes": ["routing"]}).status_code == 201
        wait_until(lambda: client.get(f"/{router}/models").status_code == 200, "the router is served")
        answer = client.post(f"/{router}/chat/completions", json=sent)
        assert answer.status_code == 200, answer.text
    paths = ("", "/decisions?task=" + "W" * 64, "/what-if", "/settings")
    pages = ("/", *(f"/routers/{router}{path}" for path in paths), f"/decisions/{answer.json()['id']}", "/keys")
    with tab(browser, running.url) as opened:
        opened.sign_in(running.keys["admin"])
        found = {}
        for path in pages:
            opened.go(path)
            for width in (DESKTOP[0], PHONE[0]):
                opened.page.set_viewport_size({"width": width, "height": 900})
                if opened.sideways():
                    found[path, width] = opened.sideways()
        assert found == {}
        assert opened.errors == []
        assert opened.page.locator("text=Sign out").is_visible()  # on a phone too
