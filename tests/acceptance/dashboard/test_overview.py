"""The first page in each state: nothing asked yet, thin evidence, and a window full of requests."""

import re
from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from storage.calendar import DAY
from tests.support.browser import DESKTOP, PHONE, chromium, is_there, tab
from tests.support.gateway import Running
from tests.support.records import RecordMaker, RunningWriter

DRAWS = (("simulated/swift", 0.6, 0.0002), ("simulated/steady", 0.3, 0.002), ("simulated/sage", 0.1, 0.01))


def ask(running: Running) -> None:
    body = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}
    with running.http() as client:
        assert client.post("/rtr_code/chat/completions", json=body).status_code == 200


@pytest.fixture(scope="module")
def filled(running: Running) -> Running:
    """Six days of `rtr_support`, all scored: enough for two of its three models."""
    database, making = running.gateway.database, RecordMaker()
    now = database.clock.now()
    writing = RunningWriter(database)
    records = []
    for number in range(300):
        model, p, usd = DRAWS[0 if number % 10 < 6 else 1 if number % 10 < 9 else 2]
        made = making.completion("rtr_support", model, at=now - 60.0 - number % 6 * DAY, cost_usd=usd)
        records.append(replace(made, decision=replace(made.decision, propensity=p), deltas={}))
    writing.write(*records)
    writing.write(
        *((making.score(each.decision.completion_id, 0.2 + 0.5 * (n % 2)),) for n, each in enumerate(records))
    )
    writing.writer.close()
    return running


def test_a_router_without_requests_has_no_hero(running: Running, visitor: Callable[[str], httpx.Client]) -> None:
    page = visitor("some").get("/").text
    assert "How do I get the first answer?" in page
    assert 'id="saved"' not in page


def test_thin_evidence_is_said_in_words(running: Running, reader: httpx.Client) -> None:
    ask(running)
    page = reader.get("/?router=rtr_code").text
    assert "What did I save, and can I believe it?" in page
    assert "Not known yet" in page
    assert "requests sent there at random; 30 are needed" in page
    assert "How this is computed" in page


def test_savings_are_told_with_their_interval_and_as_json(filled: Running, reader: httpx.Client) -> None:
    ask(filled)
    page = reader.get("/?router=rtr_support&days=7").text
    figures = reader.get("/routers/rtr_support/savings.json?days=7").json()
    with filled.http("admin") as client:
        told = client.get("/admin/routers/rtr_support/savings").json()
    assert figures["saved_usd"] == told["saved_usd"]
    assert f"against always using {figures['baseline']}" in page
    assert "with 95% confidence" in page
    assert "simulated/</span>sage" in page
    assert "Spend per UTC day" in page
    swift = reader.get("/?router=rtr_support&days=7&baseline=simulated/swift").text
    assert "against always using simulated/swift" in swift
    assert '<option value="simulated/swift" selected>' in swift
    assert "baseline=simulated%2Fswift" in re.findall(r'href="([^"]*savings.json[^"]*)"', swift)[0]
    assert f"against always using {figures['baseline']}" in reader.get("/?router=rtr_support&days=7&baseline=x/y").text
    table = page[page.index('<table class="routers">') :]
    assert f"against {figures['baseline']}" in table
    assert "not enough evidence" in table, "rtr_code had one request"
    assert "today (UTC)" in reader.get("/?router=rtr_support&days=1").text
    assert reader.get("/?router=rtr_none&days=7").status_code == 200
    assert reader.get("/routers/rtr_none/savings.json").status_code == 404
    assert reader.get("/?days=0").status_code == 400


@pytest.mark.skipif(not is_there(), reason="there is no Chromium here (Debian's package chromium)")
def test_a_full_page_is_sound_in_every_look_and_changes_its_router(filled: Running) -> None:
    with chromium() as browser:
        for dark, size in ((False, DESKTOP), (True, DESKTOP), (False, PHONE)):
            with tab(browser, filled.url, dark=dark, size=size) as opened:
                opened.sign_in(filled.keys["admin"])
                assert opened.problems("/?router=rtr_support&days=7", axe=size == DESKTOP) == [], size
                assert "simulated" in opened.page.inner_text("#saved .sub")
        with tab(browser, filled.url) as opened:
            opened.sign_in(filled.keys["admin"])
            opened.go("/?days=7")
            opened.page.select_option("#router", "rtr_code")
            opened.page.wait_for_url("**router=rtr_code**")
            opened.page.select_option("#router", "rtr_support")
            opened.page.select_option("#baseline", "simulated/swift")
            opened.page.wait_for_url("**baseline=simulated%2Fswift**")
            opened.page.click("text=How this is computed")
            assert "stands for 1/p requests" in opened.page.inner_text("#saved details")
