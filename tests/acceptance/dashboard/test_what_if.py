"""A question to the log, its answer, and making it so: by HTTP as the page asks, and in a browser."""

import re
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from html import unescape

import httpx
import pytest
from playwright.sync_api import Browser
from sqlalchemy import Connection

from gateway.analyst.client import Analyst
from gateway.analyst.messages import Call
from storage.database.engine import Database
from storage.errors import DatabaseUnavailable
from tests.acceptance.dashboard.conftest import Visitor
from tests.support.browser import DESKTOP, PHONE, chromium, is_there, tab
from tests.support.drawn_log import fill
from tests.support.gateway import Running
from tests.support.records import RecordMaker, RunningWriter
from tests.support.waiting import wait_until

MODELS = ("simulated/swift", "simulated/steady", "simulated/sage")
COUNT = 600
PAGE = "/routers/rtr_support/what-if"
CHEAPER = "quality_usd=0.001"
BROWSER = pytest.mark.skipif(not is_there(), reason="there is no Chromium here (Debian's package chromium)")


@pytest.fixture(scope="module")
def served(running: Running) -> Running:
    """The gateway, whose router has a log of two days."""
    database = running.gateway.database
    writer = RunningWriter(database)
    start = database.clock.now() - 2 * 86_400
    fill(writer, RecordMaker(), COUNT, 40, router_id="rtr_support", start=start, step=200.0, models=MODELS)
    writer.writer.close()
    return running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


def answer(client: httpx.Client, query: str, router_id: str = "rtr_support") -> str:
    """The whole answer, asked for until it is there."""
    told: list[str] = []

    def is_whole() -> bool:
        got = client.get(f"/routers/{router_id}/what-if/answer?{query}")
        assert got.status_code == 200, got.text
        told.append(got.text)
        return re.search(r'id="answer"[^>]* data-done="1(\.0)?"', got.text) is not None

    wait_until(is_whole, f"the answer to {query}", 60)
    return told[-1]


def fields_of(page: str) -> dict[str, list[str]]:
    """The fields of the dialog that applies a proposal."""
    form = page[page.index("<dialog") :]
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form):
        fields.setdefault(name, []).append(unescape(value))
    return fields


def test_the_question_is_in_the_url_and_answered_in_words_figures_and_curves(
    served: Running, admin: httpx.Client
) -> None:
    page = admin.get(f"{PAGE}?days=7&{CHEAPER}&model=simulated/swift&model=simulated/steady&exploration=0.1").text
    assert '<output id="quality_usd-out" for="quality_usd">$0.001</output>' in page
    assert 'value="simulated/sage">' in page
    assert 'value="simulated/swift" checked>' in page
    assert '<output id="exploration-out" for="exploration">10%</output>' in page
    assert "The configuration file declares this router" in page

    told = answer(admin, CHEAPER)
    assert "Per 1,000 requests, with 95% intervals: spend $" in told
    assert re.search(r'<td class="num better">−\$[\d.]+</td>', told)
    assert 'class="num same">no difference seen</td>' in told
    assert 'aria-label="Quality and wait against spend. now: $' in told
    assert "always steady" in told
    assert f"From all {COUNT} requests of the last 30 days." in told
    assert "evidence: as good as" in told
    assert "[routers.rtr_support]\nobjective = { quality_usd = 0.001, second_usd = " in unescape(told)

    as_it_is = answer(admin, "")
    assert "This is how the router is set: nothing would change." in as_it_is
    assert "no difference seen" not in as_it_is
    assert "<dialog" not in as_it_is


def test_without_requests_or_evidence_the_page_says_what_is_missing(served: Running, admin: httpx.Client) -> None:
    assert "There is nothing to learn from yet" in answer(admin, "policy=uniform", "rtr_code")
    thin = answer(admin, "policy=fixed:simulated/sage&days=1&quality_usd=0.5")
    assert "Thin evidence: as good as" in thin
    assert "too little evidence" in thin
    assert "can be evaluated, and not applied" in answer(admin, "policy=best")


def test_the_analyst_draws_the_answer_that_the_gateway_would_and_reads_the_router_in_its_place(
    served: Running, admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = f"days=7&{CHEAPER}&second_usd=0.5&model=simulated/swift&model=simulated/sage&exploration=0.1"
    answer(admin, query)
    read, count = Database.read, 0

    def counted(database: Database) -> AbstractContextManager[Connection]:
        nonlocal count
        count += threading.current_thread().name.startswith("AnyIO")  # not what the gateway itself reads meanwhile
        return read(database)

    with monkeypatch.context() as patched:
        patched.setattr(Database, "read", counted)
        drawn = admin.get(f"{PAGE}/answer?{query}")
        assert count == 0
        patched.setattr(Analyst, "call", not_running)
        assert admin.get(f"{PAGE}/answer?{query}").text == drawn.text
        assert count == 1
    assert drawn.headers["content-security-policy"].startswith("default-src 'self'")
    assert drawn.headers["cache-control"] == "no-store"
    assert drawn.headers["content-type"] == "text/html; charset=utf-8"
    assert httpx.get(f"{served.url}{PAGE}/answer").status_code == 303  # to sign in


async def not_running(analyst: Analyst, call: Call) -> None:
    """No answer: the question is asked in full."""


def test_questions_that_make_no_sense_are_refused(served: Running, admin: httpx.Client) -> None:
    for query in ("days=0", "quality_usd=-1", "policy=astrology", "model=simulated/nobody&policy=fixed:x"):
        refused = admin.get(f"{PAGE}/answer?{query}")
        assert refused.status_code == 400, query
        assert "This did not work" in refused.text
    assert admin.get("/routers/rtr_nobody/what-if").status_code == 404


def test_a_key_that_only_reads_asks_and_applies_nothing(served: Running, reader: httpx.Client) -> None:
    told = answer(reader, CHEAPER)
    assert "Copy as TOML" in told
    assert "data-open" not in told
    assert "<dialog" not in told
    assert reader.post(PAGE, data={"revision": "1", "quality_usd": "0.001"}).status_code == 403


def test_a_proposal_is_applied_with_its_forecast_and_of_two_tabs_the_later_one_is_told(
    served: Running, admin: httpx.Client, visitor: Visitor
) -> None:
    first, second = (fields_of(answer(client, CHEAPER)) for client in (admin, visitor("admin")))
    applied = admin.post(PAGE, data=first)
    assert applied.status_code == 303
    done = admin.get(applied.headers["location"]).text
    assert "Applied. All replicas follow within 2 s." in done
    with served.http("admin") as http:
        latest = http.get("/admin/changes", params={"target": "rtr_support", "limit": 1}).json()["data"][0]
        assert latest["after"]["objective"]["quality_usd"] == 0.001
        assert latest["forecast"]["days"] == 30
        cost = latest["forecast"]["figures"]["cost_usd"]
        assert cost["low"] < cost["mean"] < cost["high"]
        settings = http.get("/admin/routers/rtr_support").json()["settings"]
        assert settings["objective"]["quality_usd"] == 0.001
    assert "Compared with what happens after a day." in admin.get("/changes").text

    again = admin.post(PAGE, data=second)
    assert (again.status_code, again.headers["location"]) == (303, applied.headers["location"]), "it is so already"
    refused = admin.post(PAGE, data={**second, "quality_usd": "0.002"})
    assert refused.status_code == 412
    assert "Somebody was quicker" in refused.text
    assert admin.post(PAGE, data={**second, "revision": "soon"}).status_code == 400
    assert admin.post(PAGE, data={**second, "exploration": "7"}).status_code == 400

    undo = re.search(r'action="(/changes/chg_[^"]+/revert)"', done)
    assert undo is not None
    assert admin.post(undo[1]).status_code == 303
    with served.http("admin") as http:
        assert http.get("/admin/routers/rtr_support").json()["settings"]["objective"] == "balanced"


def test_a_rule_is_left_out_on_trial_and_for_good(served: Running, admin: httpx.Client) -> None:
    rules = [{"when": "code", "use": "simulated/sage"}, {"when": "math", "use": "simulated/swift", "mode": "never"}]
    with served.http("admin") as http:
        assert http.patch("/admin/routers/rtr_support", json={"rules": rules}).status_code == 200
        page = admin.get(f"{PAGE}?without_rule=1").text
        assert '<option value="1" selected>prefer simulated/sage (20) when code</option>' in page
        assert "simulated/swift when math" not in page  # a ban can't be asked about
        told = answer(admin, "without_rule=1")
        assert "<del>prefer simulated/sage (20) when code</del> → <ins>left out</ins>" in told
        assert 'rules = [{ "when" = "math", "use" = "simulated/swift", "mode" = "never" }]' in unescape(told)
        for query in ("without_rule=2", "without_rule=3", "without_rule=x", "without_rule=51"):
            assert admin.get(f"{PAGE}/answer?{query}").status_code == 400, query
        assert admin.post(PAGE, data=fields_of(told)).status_code == 303
        settings = http.get("/admin/routers/rtr_support").json()["settings"]
        assert [rule["when"] for rule in settings["rules"]] == ["math"]
        assert http.patch("/admin/routers/rtr_support", json={"rules": None}).status_code == 200


@BROWSER
def test_in_a_browser_a_slider_moves_the_answer_and_what_is_applied_is_undone(
    served: Running, browser: Browser, admin: httpx.Client
) -> None:
    with tab(browser, served.url) as opened:
        page = opened.page
        opened.sign_in(served.keys["admin"])
        opened.go(PAGE)
        page.wait_for_selector("#answer >> text=Move a slider", timeout=60_000)
        page.focus("#quality_usd")
        for _ in range(25):
            page.keyboard.press("ArrowLeft")
        assert "quality_usd=0.00" in page.url
        page.wait_for_selector("text=Apply to Support replies…", timeout=60_000)
        page.wait_for_selector('#answer[data-done="1"], #answer[data-done="1.0"]', timeout=60_000)
        assert opened.axe() == []
        page.emulate_media(color_scheme="dark")
        assert opened.axe() == []
        page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        assert opened.sideways() == 0
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
        shown = page.url
        page.click("[data-open]")
        assert page.locator("dialog").inner_text().count("→") == 1
        page.keyboard.press("Escape")
        assert page.locator("dialog").is_hidden()
        page.click("[data-open]")
        assert opened.axe() == []
        page.click("dialog >> text=Apply >> nth=-1")
        page.wait_for_selector("text=Applied. All replicas follow")
        page.click("text=Undo")
        page.wait_for_selector("h1 >> text=Who changed what?")
        page.goto(shown)
        page.wait_for_selector("#answer >> text=Per 1,000 requests, with", timeout=60_000)
        assert opened.errors == []
        assert opened.sideways() == 0


@BROWSER
def test_in_a_browser_the_last_answer_stays_while_the_database_is_away(
    served: Running, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: Database) -> None:
        raise DatabaseUnavailable("it is away")

    body = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}
    with tab(browser, served.url) as opened, served.http() as client:
        page = opened.page
        opened.sign_in(served.keys["reader"])
        opened.go(PAGE)
        page.wait_for_selector("#answer >> text=Move a slider", timeout=60_000)
        assert page.locator("[data-open], dialog").count() == 0, "a key that only reads has nothing to apply"
        with monkeypatch.context() as patched:
            patched.setattr(Database, "read", away)
            patched.setattr(Analyst, "call", not_running)  # its database is there
            page.focus("#quality_usd")
            for _ in range(25):
                page.keyboard.press("ArrowLeft")
            page.wait_for_selector("#away:not([hidden]) >> text=The database does not answer", timeout=20_000)
            assert "Move a slider" in page.inner_text("#answer")
            assert page.locator("#answer svg").count() > 0
            assert client.post("/rtr_support/chat/completions", json=body).status_code == 200
            assert opened.axe() == []
        page.wait_for_selector("#answer >> text=Copy as TOML", timeout=60_000)
        assert page.locator("#away").is_hidden()
        assert page.locator("[data-open], dialog").count() == 0
        assert opened.sideways() == 0
