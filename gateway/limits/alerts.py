"""Alerts that an API key has spent most of its dollars: a log line, and a webhook if there is one."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bandit.types import Epoch
from gateway.dollars import dollars
from storage.database.engine import Database
from storage.errors import DatabaseUnavailable
from storage.stores.alerts import claim_alert

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

PERCENTS = (80, 100)
"""Marks of a limit: each is told of once a day or month."""

MOST_WAITING = 1_000
TIMEOUT_SECONDS = 10.0
PAUSES_SECONDS = (1.0, 4.0, 16.0, 64.0)
"""Backoff between the tries of a call: one more try than pauses."""

_TRIED_AGAIN = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Alert:
    """A key has passed a mark of one of its limits. `start` is that of the UTC day or month."""

    key_id: str
    label: str
    limit: str  # usd_per_day or usd_per_month
    percent: int
    limit_usd: float
    spent_usd: float
    start: int
    at: Epoch

    def sentence(self) -> str:
        """The alert for people."""
        daily = self.limit == "usd_per_day"
        began = datetime.fromtimestamp(self.start, UTC)
        period = f"UTC day {began:%Y-%m-%d}" if daily else f"UTC month {began:%Y-%m}"
        told = (
            "its limit is reached, and requests are refused" if self.percent >= 100 else f"{self.percent}% are reached"
        )
        return (
            f"API key {self.key_id} ({self.label}) has spent {dollars(self.spent_usd, 4)} of its "
            f"{dollars(self.limit_usd, 6)} for the {period}: {told}"
        )

    def body(self) -> dict[str, object]:
        """What the webhook is sent. `text` is what chat services show."""
        return {
            "event": "key_limit",
            "text": self.sentence(),
            "key_id": self.key_id,
            "label": self.label,
            "limit": self.limit,
            "percent": self.percent,
            "limit_usd": self.limit_usd,
            "spent_usd": self.spent_usd,
            "period_start": self.start,
            "at": float(self.at),
        }


class Alerts:
    """Gives alerts, each once for all processes of a ledger, in tasks of its own. For the event loop alone."""

    def __init__(self, database: Database, webhook_url: str | None) -> None:
        self._database = database
        self._webhook_url = webhook_url
        self._waiting: asyncio.Queue[Alert] = asyncio.Queue(MOST_WAITING)
        self._calls: asyncio.Queue[Alert] = asyncio.Queue(MOST_WAITING)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Alerts":
        self._tasks = [asyncio.create_task(self._give())]
        if self._webhook_url is not None:
            self._tasks.append(asyncio.create_task(self._call(self._webhook_url)))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def put(self, alert: Alert) -> None:
        """Give an alert soon."""
        _put(self._waiting, alert)

    async def _give(self) -> None:
        while True:
            alert = await self._waiting.get()
            try:
                if await asyncio.to_thread(self._claim, alert):
                    log.warning("%s", alert.sentence(), extra={"about": f"{alert.key_id} {alert.limit}"})
                    if self._webhook_url is not None:
                        _put(self._calls, alert)
            except Exception:  # the task must outlive every alert
                log.exception("an alert could not be given")

    def _claim(self, alert: Alert) -> bool:
        # Larger percents are later marks of the same period, so 80 % is not told after 100 %. A limit that was changed
        # has marks of its own.
        mark = f"{alert.start:012d} {alert.percent:03d}"
        try:
            return claim_alert(self._database, f"{alert.key_id} {alert.limit} {alert.limit_usd:.12g}", mark)
        except DatabaseUnavailable:
            return True  # twice rather than never

    async def _call(self, url: str) -> None:
        """Send alerts to the webhook, one after another. No redirects: they could lead anywhere."""
        import httpx  # noqa: PLC0415 - 5 MB and 0.1 s of a start, and few have a webhook

        async with httpx.AsyncClient(follow_redirects=False, timeout=TIMEOUT_SECONDS) as client:
            while True:
                alert = await self._calls.get()
                try:
                    await _send(client, url, alert)
                except Exception as error:  # the task must outlive every answer
                    log.warning("the webhook at %s could not be called: %s", _host(url), type(error).__name__)


async def _send(client: "httpx.AsyncClient", url: str, alert: Alert) -> None:
    """Post an alert, and try again if that may help."""
    import httpx  # noqa: PLC0415 - as above

    why = ""
    for pause_seconds in (*PAUSES_SECONDS, None):
        try:
            # The client's own timeout is for each read: an answer that comes byte by byte would take for ever.
            async with asyncio.timeout(TIMEOUT_SECONDS):
                # Its body is not read, however long it is.
                async with client.stream("POST", url, json=alert.body()) as response:
                    status = response.status_code
        except (httpx.HTTPError, TimeoutError) as error:
            why = type(error).__name__  # not its text, which may hold the URL
        else:
            if 200 <= status < 300:
                return
            why = f"HTTP {status}"
            if status < 500 and status not in _TRIED_AGAIN:
                break
        if pause_seconds is not None:
            await asyncio.sleep(pause_seconds)
    log.warning("the webhook at %s did not take an alert: %s", _host(url), why)


def _host(url: str) -> str:
    """The part of the URL that may be told: its path may be a secret."""
    return urlsplit(url).hostname or "?"


def _put(queue: "asyncio.Queue[Alert]", alert: Alert) -> None:
    with contextlib.suppress(asyncio.QueueFull):
        queue.put_nowait(alert)
        return
    log.error("more than %d alerts wait: that of %s is dropped", MOST_WAITING, alert.key_id)
