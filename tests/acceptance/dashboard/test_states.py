"""What pages say while the database is away, and what one that is open keeps."""

import re
import threading
from contextlib import AbstractContextManager

import httpx
import pytest
from sqlalchemy import Connection

from gateway.dashboard import pages
from gateway.providers.upstream.provider import ProviderError, Verdict
from storage.database.engine import Database
from storage.errors import DatabaseUnavailable
from tests.support.browser import PHONE, chromium, is_there, tab
from tests.support.gateway import Running


def test_without_the_database_pages_say_so_and_health_what_to_do(
    running: Running, admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: Database) -> None:
        raise DatabaseUnavailable("it is away")

    with monkeypatch.context() as patched:
        patched.setattr(Database, "read", away)
        for path in ("/", "/routers/rtr_support", "/routers/rtr_support/decisions", "/keys", "/changes"):
            answer = admin.get(path)
            assert answer.status_code == 503, path
            assert "The database does not answer" in answer.text
            assert "Completions go on" in answer.text
            assert 'href="/models"' in answer.text  # the navigation stays
            assert answer.headers["retry-after"] == "2"
        health = admin.get("/health")
        assert health.status_code == 200
        assert "The database does not answer" in health.text
        assert "The ledger answers" not in health.text
        assert 'href="/routers/rtr_support"' in health.text  # of the router that was asked for last
        assert 'id="replicas" data-refresh hidden' in health.text, "a live page shows them again by it"
        refused = admin.post("/keys", data={"label": "in vain", "scopes": "routing"})
        assert refused.status_code == 503
    router = admin.get("/routers/rtr_support")
    assert router.status_code == 200
    assert 'id="experiment" data-refresh hidden' in router.text, "until one begins"
    assert "in vain" not in admin.get("/keys").text


@pytest.mark.skipif(not is_there(), reason="there is no Chromium here (Debian's package chromium)")
def test_a_page_that_was_opened_without_the_database_comes_with_it(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: Database) -> None:
        raise DatabaseUnavailable("it is away")

    with chromium() as browser, tab(browser, running.url) as opened:
        opened.sign_in(running.keys["admin"])
        with monkeypatch.context() as patched:
            patched.setattr(Database, "read", away)
            opened.go("/keys")
            assert "The database does not answer" in opened.page.inner_text("main")
        opened.page.wait_for_selector("#keys", timeout=20_000)


def test_a_page_whose_database_hangs_is_given_up(
    admin: httpx.Client, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """As a frozen PostgreSQL does to a connection that is open already: nothing comes, and nothing fails."""
    thawed = threading.Event()
    request.addfinalizer(thawed.set)
    read = Database.read

    def hanging(database: Database) -> AbstractContextManager[Connection]:
        assert thawed.wait(60)
        return read(database)

    with monkeypatch.context() as patched:
        patched.setattr(Database, "read", hanging)
        patched.setattr(pages, "LONGEST_SECONDS", 0.2)
        for headers in ({}, {"x-refresh": "1"}, {"x-refresh": "1"}):  # the second one is in the first one's turn
            answer = admin.get("/keys", headers=headers)
            assert answer.status_code == 503
            assert "The database does not answer" in answer.text
    thawed.set()
    assert admin.get("/keys", headers={"x-refresh": "1"}).status_code == 200


def test_a_model_that_is_parked_is_told_also_while_a_probe_may_be_sent_to_it(
    running: Running, admin: httpx.Client, reader: httpx.Client
) -> None:
    refused = ProviderError(Verdict.PARKED, "check the provider's api_key", status=401)
    running.gateway.model_states.cooldowns.failed("simulated/sage", refused, -1e6, b"")
    try:
        assert "parked: check the provider&#39;s api_key" in admin.get("/routers/rtr_support").text
        states = re.findall(r'<span class="chip bad">([^<]+)</span></td></tr>', reader.get("/").text)
        assert states == ["1 of 3 models away", "1 of 3 models away"], "of both routers that have it"
        if is_there():
            with chromium() as browser, tab(browser, running.url, size=PHONE) as opened:
                opened.sign_in(running.keys["admin"])
                assert opened.page.locator(".rail .count").count() == 1
                assert opened.problems("/health", axe=False) == []
    finally:
        running.forget_cooldowns()
