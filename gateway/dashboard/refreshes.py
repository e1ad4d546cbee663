"""Answers open pages that fetch themselves again: in turns, and so seldom that completions don't notice."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from starlette.responses import Response

from bandit.quick import quick_dataclass
from gateway.turns import Turns

HEADER = "x-refresh"
"""A page's script sends it with its fetches; what a person asks for waits for nobody."""
PAUSE_HEADER = "x-pause-seconds"
AGAIN_HEADER = "x-again"
"""Of an answer that was kept: it may lack what has just changed. The script fetches it once more after its pause."""
SHARE = 0.01
"""The part of a process's time that all refreshes together take: Python renders in the process that answers."""
SHORTEST_SECONDS, LONGEST_SECONDS = 2.0, 60.0
LONGEST_RENDERING_SECONDS = 0.5
"""What takes longer has waited for the database: once that was frozen, all pages would pause for minutes."""
FRESH_SECONDS = 1.0
MOST_KEPT = 64
LATEST_WEIGHT = 0.2


class Page(NamedTuple):
    """A page as it is shown with one API key, and with the router that its navigation has from before."""

    key_id: str
    url: str
    last_router: str = ""


@quick_dataclass(frozen=True, slots=True)
class _Kept:
    """An answer, by what it is of: `body` None if the browser had it, and it was not sent."""

    at: float
    tag: str
    body: bytes | None


class Refreshes:
    """Renders one page at a time, and one for all who want the same. For the event loop alone."""

    def __init__(
        self, open_pages: Callable[[], int], turns: Turns, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._open_pages = open_pages
        self._turns = turns
        self._clock = clock
        self._turn = asyncio.Semaphore(1)
        self._kept: dict[Page, _Kept] = {}
        self._seconds = 0.0

    async def answer(self, page: Page, tag: str | None, render: Callable[[], Awaitable[Response]]) -> Response:
        """The page as it was rendered for the same key a moment ago, or anew. It says how long to wait for the next.

        `tag` is the ETag of what the browser has.
        """
        # Without turns 20 pages would render on 20 threads, and the event loop be one of 21 that want the GIL.
        async with self._turn:
            kept = self._kept.get(page)
            is_fresh = kept is not None and self._clock() - kept.at < FRESH_SECONDS
            response = _again(kept, tag) if kept is not None and is_fresh else None
            if response is None:
                began = self._clock()
                with self._turns.short():
                    response = await render()
                self._keep(page, response, self._clock(), self._clock() - began)
            else:
                response.headers[AGAIN_HEADER] = "1"
        pause = min(max(self._open_pages() * self._seconds / SHARE, SHORTEST_SECONDS), LONGEST_SECONDS)
        response.headers[PAUSE_HEADER] = f"{pause:.1f}"
        return response

    def _keep(self, page: Page, response: Response, now: float, seconds: float) -> None:
        self._seconds += LATEST_WEIGHT * (min(seconds, LONGEST_RENDERING_SECONDS) - self._seconds)
        tag = response.headers.get("etag")
        if tag is None or response.status_code not in {200, 304}:
            return
        self._kept.pop(page, None)
        self._kept[page] = _Kept(now, tag, bytes(response.body) if response.status_code == 200 else None)
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]


def _again(kept: _Kept, tag: str | None) -> Response | None:
    headers = {"etag": kept.tag}
    if tag == kept.tag:
        return Response(status_code=304, headers=headers)
    return None if kept.body is None else Response(kept.body, headers=headers, media_type="text/html; charset=utf-8")
