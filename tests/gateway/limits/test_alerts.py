"""An alert is given once for all processes, and the webhook is called with it, whatever becomes of that."""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bandit.types import Epoch
from gateway.limits import alerts as alerts_module
from gateway.limits.alerts import Alert, Alerts
from storage.database.engine import Database
from tests.support.asgi import read_body
from tests.support.databases import Opening
from tests.support.sockets import listening
from tests.support.threads import serve_app
from tests.support.waiting import wait_until

SECRET = "T0P5ECRET"


def alert(percent: int, start: int = 1_764_115_200) -> Alert:
    return Alert("key_1", "bot", "usd_per_day", percent, 1.0, percent / 100, start, Epoch(start + 60.0))


def answering(*statuses: int) -> tuple[list[tuple[str, Any]], Callable[..., Any]]:
    """A webhook that answers with these statuses, the last one again and again, and the calls that it got."""
    calls: list[tuple[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        body = await read_body(receive)
        calls.append((scope["path"], json.loads(body)))
        headers = [(b"location", b"/elsewhere")]
        status = statuses[min(len(calls), len(statuses)) - 1]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"?" * 100_000})

    return calls, app


async def given(database: Database, url: str | None, *alerts: Alert, until: Callable[[], bool]) -> None:
    async with Alerts(database, url) as giving:
        for each in alerts:
            giving.put(each)
        await asyncio.to_thread(wait_until, until, "the alerts are given")


async def test_one_process_gives_an_alert_and_the_webhook_gets_it(
    database: Database, ledger_url: str, opening: Opening, caplog: pytest.LogCaptureFixture
) -> None:
    calls, app = answering(200)
    tomorrow = alert(80, 1_764_115_200 + 86_400)
    with serve_app(app) as url:
        marked = alert(100)
        await given(database, f"{url}/{SECRET}", alert(80), marked, alert(80), until=lambda: len(calls) == 2)
        # Another process has seen the same, and then something new.
        other = opening(ledger_url)
        await given(other, f"{url}/{SECRET}", alert(80), marked, tomorrow, until=lambda: len(calls) == 3)
    assert [(path, body["percent"]) for path, body in calls] == [(f"/{SECRET}", each) for each in (80, 100, 80)]
    assert calls[1][1] == marked.body()
    assert len([record for record in caplog.records if "has spent" in record.message]) == 3


async def test_a_webhook_that_fails_is_tried_again_and_no_redirect_is_followed(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts_module, "PAUSES_SECONDS", (0.01, 0.01))
    for day, (statuses, tries) in enumerate((((500, 429, 204), 3), ((503,), 3), ((302,), 1), ((404,), 1))):
        calls, app = answering(*statuses)
        start = 1_764_115_200 + 86_400 * day
        with serve_app(app) as url, caplog.at_level(logging.DEBUG, "gateway"):
            refused = statuses[-1] != 204
            caplog.clear()

            def is_done(calls: Any = calls, tries: int = tries, refused: bool = refused) -> bool:
                told = any("did not take" in record.message for record in caplog.records)
                return len(calls) == tries and told is refused

            await given(database, f"{url}/{SECRET}", alert(80, start), until=is_done)
        assert {path for path, _ in calls} == {f"/{SECRET}"}, "not /elsewhere"
        assert SECRET not in "".join(
            record.getMessage() for record in caplog.records if record.name.startswith("gateway")
        )


async def test_nobody_at_the_url_costs_a_log_line(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts_module, "PAUSES_SECONDS", (0.01,))

    def is_told() -> bool:
        return any("at 127.0.0.1 did not take an alert: ConnectError" in record.message for record in caplog.records)

    await given(database, f"http://127.0.0.1:9/{SECRET}", alert(80), until=is_told)


async def test_a_webhook_that_answers_byte_by_byte_is_given_up(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts_module, "PAUSES_SECONDS", ())
    monkeypatch.setattr(alerts_module, "TIMEOUT_SECONDS", 0.5)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.05)  # much less than any wait for one byte

    def is_told() -> bool:
        return any("did not take an alert: TimeoutError" in record.message for record in caplog.records)

    async with listening(drip) as port:
        await given(database, f"http://127.0.0.1:{port}/", alert(80), until=is_told)


async def test_marks_of_another_limit_are_claimed_apart(database: Database) -> None:
    calls, app = answering(200)
    raised = replace(alert(80), limit_usd=10.0)
    with serve_app(app) as url:
        await given(database, url, alert(100), raised, raised, until=lambda: len(calls) == 2)
    assert [(body["limit_usd"], body["percent"]) for _, body in calls] == [(1.0, 100), (10.0, 80)]
