"""A page stays live over what happens to its stream, and a form that is clicked twice is sent once."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import count

import pytest
from playwright.sync_api import Browser, Error, Locator, Page, Route

from gateway.dashboard import events, refreshes
from storage.records import Status
from storage.stores.keys import Keys
from tests.acceptance.dashboard.conftest import add_key
from tests.support.browser import chromium, is_there, tab
from tests.support.gateway import Running
from tests.support.records import RecordMaker, RunningWriter
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(not is_there(), reason="there is no Chromium here (Debian's package chromium)")

BODY = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}

PAUSE = 7_000
"""Milliseconds: longer than a page waits between two fetches, however slow the machine is, and no sleep."""


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refreshes, "LONGEST_SECONDS", PAUSE / 1_000 - 1.0)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


def test_a_page_comes_back_after_gaps_and_leaves_with_its_key(running: Running, browser: Browser) -> None:
    """Refused, cut off, hidden, asleep, and at last signed out."""
    secret = add_key(running, "gaps", ("read",))
    assert running.gateway.pages is not None
    hub = running.gateway.pages.events
    told = count(1)
    with tab(browser, running.url) as opened, running.http() as client:
        page = opened.page
        page.clock.install()
        opened.sign_in(secret)

        def shows(requests: int) -> None:
            """It fetches itself anew. A fetch that was under way already, on a busy machine, has its pause after it."""
            shown = f"#traffic >> text=/^{requests} request/"
            for _ in range(10):
                page.clock.fast_forward(PAUSE)
                with suppress(Error):
                    page.wait_for_selector(shown, timeout=6_000)
                    return
            page.wait_for_selector(shown, timeout=1_000)

        def shows_another_request() -> None:
            assert client.post("/rtr_code/chat/completions", json=BODY).status_code == 200
            shows(next(told))

        def seen(hidden: bool) -> None:
            page.evaluate(
                "hidden => { Object.defineProperty(document, 'hidden', { get: () => hidden, configurable: true });"
                " dispatchEvent(new Event('visibilitychange')); }",
                hidden,
            )

        page.route("**/events", lambda route: route.fulfill(status=503))
        opened.go("/routers/rtr_code")
        page.wait_for_selector("#live >> text=not live now")
        page.unroute("**/events")
        page.clock.fast_forward(PAUSE)
        page.wait_for_selector("#live >> text=/^live$/", timeout=60_000)
        shows_another_request()

        page.route("**/routers/rtr_code", lambda route: route.abort(), times=1)
        shows_another_request()

        seen(hidden=True)
        wait_until(lambda: hub.open_streams == 0, "a page that nobody sees has no stream")
        assert client.post("/rtr_code/chat/completions", json=BODY).status_code == 200
        page.clock.fast_forward(PAUSE)
        seen(hidden=False)
        shows(next(told))

        with page.expect_request("**/events"):
            page.clock.fast_forward(3_600_000)  # asleep for an hour: the stream is another one
        shows_another_request()

        (key,) = [key for key in Keys(running.gateway.database).all() if key.label == "gaps"]
        Keys(running.gateway.database).revoke(key.id, running.gateway.database.clock.now())
        page.wait_for_selector("h1 >> text=Sign in", timeout=60_000)


def ask(running: Running, router_id: str, times: int = 1) -> str:
    """Send requests; the id of the last answer."""
    with running.http() as client:
        for _ in range(times):
            answer = client.post(f"/{router_id}/chat/completions", json=BODY)
            assert answer.status_code == 200
    answered: str = answer.json()["id"]
    return answered


def is_new(page: Page, shown: str) -> bool:
    """Whether the page shows what it would if it were loaded now. `shown` is JavaScript, of a document `it`."""
    same: bool = page.evaluate(
        f"""async () => {{
            const fresh = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
            const shown = (it) => JSON.stringify({shown});
            return shown(fresh) === shown(document);
        }}"""
    )
    return same


def holding() -> tuple[list[Route], Callable[[Route], None]]:
    """Requests that are held, and what holds one: a list's bound method has no room for Playwright's mark."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    return held, hold


def rest_on_the_chart(page: Page) -> Locator:
    """Rest the pointer on the chart of the shares; the figures that it shows."""
    page.hover("#shares [data-cursor]")
    tip = page.locator("#shares .cursor-tip")
    tip.wait_for()
    return tip


def test_what_changes_while_a_page_loads_is_shown(running: Running, browser: Browser) -> None:
    """After it was rendered, and before its stream has looked for the first time."""
    held, hold = holding()
    with tab(browser, running.url) as opened:
        page = opened.page
        opened.sign_in(running.keys["reader"])
        page.wait_for_selector("#live >> text=/^live$/")  # the first page's stream is not the one that is held
        page.route("**/events", hold)
        opened.go("/routers/rtr_support")
        wait_until(lambda: page.evaluate("1") == 1 and len(held) == 1, "its stream is asked for")
        ask(running, "rtr_support", 3)
        page.wait_for_timeout(3_000)  # all looks at them are over
        held[0].continue_()
        page.wait_for_selector("#traffic >> text=/^3 requests/", timeout=20_000)


def test_the_first_page_follows_from_the_first_answer_to_its_score(running: Running, browser: Browser) -> None:
    secret = add_key(running, "first page", ("read", "feedback"), ("rtr_hostile",))
    with tab(browser, running.url) as opened:
        page = opened.page
        opened.sign_in(secret)
        page.wait_for_selector("#live >> text=/^live$/")
        assert page.inner_text("h1") == "How do I get the first answer?"
        answered = ask(running, "rtr_hostile")
        page.wait_for_selector("h1 >> text=What did I save", timeout=20_000)
        assert page.locator("#curl").count() == 0
        assert "chatcmpl-req_" in page.inner_text("#score")

        page.click("text=How this is computed")
        with running.http() as client:
            scored = client.post("/feedback", json={"completion_id": answered, "score": 1})
        assert scored.status_code == 200
        page.wait_for_selector("#score", state="detached", timeout=20_000)
        wait_until(lambda: "1 in all" in page.inner_text("#overview"), "it is scored")
        assert page.locator("#overview details").get_attribute("open") is not None, "what was unfolded stays so"


def test_what_a_person_is_busy_with_stays_and_is_shown_anew_after_it(running: Running, browser: Browser) -> None:
    """A chart that the cursor is on, a marked text, and a field that has the focus."""
    with tab(browser, running.url) as opened:
        page = opened.page
        opened.sign_in(running.keys["reader"])
        ask(running, "rtr_code")
        opened.go("/routers/rtr_code")
        tip = rest_on_the_chart(page)
        before = page.inner_text("#traffic")
        ask(running, "rtr_code", 9)
        wait_until(lambda: page.inner_text("#traffic") != before, "the other parts are new")
        assert tip.is_visible()
        page.mouse.move(0, 0)
        wait_until(
            lambda: is_new(page, "JSON.parse(it.querySelector('[data-cursor]').dataset.cursor).buckets"),
            "the chart is new",
        )

        opened.go("/?router=rtr_code")
        page.evaluate("getSelection().selectAllChildren(document.querySelector('#overview .tile'))")
        marked = page.evaluate("getSelection().toString()")
        ask(running, "rtr_code")
        page.wait_for_timeout(4_000)
        assert page.evaluate("getSelection().toString()") == marked
        page.focus("#baseline")
        page.evaluate("getSelection().removeAllRanges()")
        wait_until(lambda: is_new(page, "it.querySelector('.tile .big').textContent"), "the figures are new")
        assert page.evaluate("document.activeElement.id") == "baseline"


def test_of_two_parts_that_somebody_is_busy_with_the_latest_state_is_shown(running: Running, browser: Browser) -> None:
    with tab(browser, running.url) as opened:
        page = opened.page
        opened.sign_in(running.keys["reader"])
        ask(running, "rtr_code")
        opened.go("/routers/rtr_code")
        page.evaluate("getSelection().selectAllChildren(document.querySelector('#beliefs h2'))")
        rest_on_the_chart(page)
        for _ in range(3):
            before = page.inner_text("#traffic")
            ask(running, "rtr_code", 2)
            wait_until(lambda before=before: page.inner_text("#traffic") != before, "the other parts are new")  # type: ignore[misc]
        page.mouse.move(0, 0)
        page.evaluate("getSelection().removeAllRanges()")
        beliefs = "it.querySelector('#beliefs').textContent.replace(/\\s+/g, ' ')"
        wait_until(lambda: is_new(page, beliefs), "what it believes is new")
        page.wait_for_timeout(2_500)
        assert is_new(page, beliefs), "and stays so"


def test_what_is_chosen_stays_and_what_is_pressed_is_clicked(running: Running, browser: Browser) -> None:
    with tab(browser, running.url) as opened:
        page = opened.page
        opened.sign_in(running.keys["reader"])
        ask(running, "rtr_code")
        opened.go("/?router=rtr_code")
        page.clock.install()
        page.focus("#baseline")
        page.keyboard.press("ArrowDown")
        chosen, url = page.input_value("#baseline"), page.url
        for _ in range(6):
            ask(running, "rtr_code")
            page.clock.fast_forward(PAUSE)
            page.wait_for_timeout(1_500)
        assert (page.input_value("#baseline"), page.url) == (chosen, url)
        assert page.evaluate("document.activeElement.id") == "baseline"

    with tab(browser, running.url) as opened:
        page = opened.page
        opened.sign_in(running.keys["reader"])
        opened.go("/?router=rtr_code")
        link = page.locator("#overview table.routers a[href$='/routers/rtr_code']")
        link.hover()
        page.mouse.down()
        ask(running, "rtr_code")
        page.wait_for_timeout(4_000)
        page.mouse.up()
        page.wait_for_url("**/routers/rtr_code")


def test_a_list_without_rows_says_that_one_has_come(running: Running, browser: Browser) -> None:
    with tab(browser, running.url) as opened:
        opened.sign_in(running.keys["reader"])
        opened.go("/routers/rtr_code/decisions?ending=failed")
        ask(running, "rtr_code")
        database, made = (
            running.gateway.database,
            RecordMaker().completion("rtr_code", at=running.gateway.database.clock.now()),
        )
        writing = RunningWriter(database)
        writing.write(replace(made, outcome=replace(made.outcome, status=Status.FAILED, http_status=502), deltas={}))
        writing.writer.close()
        opened.page.wait_for_selector("#newer:visible >> text=1 newer", timeout=20_000)


def test_a_router_that_is_made_is_followed_and_one_that_is_deleted_is_gone(running: Running, browser: Browser) -> None:
    made = {"id": "rtr_new", "name": "Newest", "models": ["simulated/swift"]}
    with tab(browser, running.url) as opened, running.http("admin") as client:
        page, requests = opened.page, list[str]()
        opened.sign_in(running.keys["reader"])
        page.wait_for_selector("#live >> text=/^live$/")
        assert client.post("/admin/routers", json=made).is_success
        row = page.locator("table.routers tr", has_text="Newest")
        row.wait_for(timeout=20_000)
        ask(running, "rtr_new")
        wait_until(lambda: row.locator("td").nth(1).inner_text() == "1", "its request is counted")
        opened.go("/routers/rtr_new")
        page.wait_for_selector("#live >> text=/^live$/")
        assert client.delete("/admin/routers/rtr_new").is_success
        page.wait_for_selector("#live", state="detached", timeout=20_000)
        page.on("request", lambda request: requests.append(request.url))
        page.wait_for_timeout(6_500)
        assert requests == [], "there is nothing to fetch again"


def test_the_lamp_does_not_say_live_while_nothing_comes(
    running: Running, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "PING_SECONDS", 1e9)
    held, hold = holding()
    with tab(browser, running.url) as opened:
        page = opened.page
        page.clock.install()
        opened.sign_in(running.keys["reader"])
        opened.go("/keys")
        page.wait_for_selector("#live >> text=/^live$/")
        page.route("**/events", hold)  # what is swallowed neither answers nor fails
        page.clock.fast_forward(60_000)
        page.wait_for_selector("#live >> text=not live now")
        page.unroute("**/events")
        page.route("**/keys", lambda route: route.fulfill(status=404, body="a proxy's"), times=1)
        page.clock.fast_forward(60_000)
        page.wait_for_selector("#live >> text=does not answer")
        page.route("**/keys", hold, times=1)
        page.clock.fast_forward(10_000)
        wait_until(lambda: page.evaluate("1") == 1 and len(held) > 1, "it is fetched again")
        page.clock.fast_forward(6_000)
        page.wait_for_selector("#live >> text=waiting for the gateway")
        page.route("**/keys", lambda route: route.fulfill(status=503))
        page.clock.fast_forward(60_000)
        page.wait_for_selector("#live >> text=does not answer")
        page.clock.fast_forward(60_000)
        page.wait_for_timeout(1_500)
        assert "does not answer" in page.inner_text("#live"), "though the stream is open"
        page.unroute("**/keys")
        page.clock.fast_forward(60_000)
        page.wait_for_selector("#live >> text=/^live$/")


def test_a_stream_that_says_nothing_any_more_is_opened_anew(
    running: Running, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "PING_SECONDS", 0.1)
    asked: list[str] = []
    with tab(browser, running.url) as opened:
        page = opened.page
        page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/events") else None)
        page.clock.install()
        opened.sign_in(running.keys["reader"])
        opened.go("/keys")
        page.wait_for_selector("#live >> text=/^live$/")
        asked.clear()
        for _ in range(5):
            page.clock.fast_forward(20_000)
            page.wait_for_timeout(2_500)  # a ping comes at each look
        assert asked == []
        monkeypatch.setattr(events, "PING_SECONDS", 1e9)
        page.wait_for_timeout(1_500)
        with page.expect_request("**/events"):
            page.clock.fast_forward(60_000)


def test_a_form_that_is_clicked_twice_is_sent_once(running: Running, browser: Browser) -> None:
    with tab(browser, running.url) as opened:
        page = opened.page
        opened.sign_in(running.keys["admin"])
        opened.go("/keys")
        page.fill("#label", "clicked twice")
        page.evaluate("() => { const b = document.querySelector('#new button'); b.click(); b.click(); }")
        page.wait_for_selector("#secret")
        keys = [key for key in Keys(running.gateway.database).all() if key.label == "clicked twice"]
        assert len(keys) == 1
        page.go_back()
        assert page.locator("#new button").is_enabled()
