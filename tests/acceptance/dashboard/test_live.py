"""A page stays live over what happens to its stream, and a form that is clicked twice is sent once."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import count

import pytest
from playwright.sync_api import Browser, Error

from gateway.dashboard.events import Events
from gateway.dashboard.refreshes import LONGEST_SECONDS
from storage.stores.keys import Keys
from tests.acceptance.dashboard.conftest import add_key
from tests.support.browser import chromium, is_there, tab
from tests.support.gateway import Running
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(not is_there(), reason="there is no Chromium here (Debian's package chromium)")

BODY = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}


PAUSE = int(1_000 * LONGEST_SECONDS) + 1_000
"""Milliseconds: longer than a page waits between two fetches, however slow the machine is, and no sleep."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


def test_a_page_comes_back_after_gaps_and_leaves_with_its_key(running: Running, browser: Browser) -> None:
    """Refused, cut off, hidden, asleep, and at last signed out."""
    secret = add_key(running, "gaps", ("read",))
    events: Events = running.gateway.api.state.events
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
        wait_until(lambda: events.open_streams == 0, "a page that nobody sees has no stream")
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
