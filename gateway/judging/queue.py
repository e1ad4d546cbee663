"""A bounded queue of answers that were sent, and the tasks that have them judged or compared.

Requests and answers are held in memory until then, and nowhere else.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from gateway.judging.answered import Answered
from gateway.judging.reply import Unscored

log = logging.getLogger(__name__)

MOST_WAITING = 256
MOST_BYTES = 8 * 2**20
"""Answers that may wait or be judged, and their size with their requests: further ones are dropped, and counted."""
LARGEST_BYTES = 128 * 2**10
"""A larger request with its answer is not judged."""
MOST_AT_ONCE = 8
"""Answers that are judged at the same time."""


class JudgingQueue:
    """Answers that wait, and the tasks that `handle` them, one at a time each. For the event loop alone.

    `count` is told why an answer is not handled.
    """

    def __init__(
        self, handle: Callable[[Answered], Awaitable[None]], count: Callable[[Answered, Unscored], None]
    ) -> None:
        self._handle = handle
        self._count = count
        self._waiting: deque[Answered] = deque()
        self._bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def add(self, answered: Answered) -> None:
        """Queue an answer, or drop it if there is no room."""
        if self._closed:
            self._count(answered, Unscored.STOPPED)
        elif answered.size > LARGEST_BYTES:
            self._count(answered, Unscored.TOO_LONG)
        elif len(self._waiting) >= MOST_WAITING or self._bytes + answered.size > MOST_BYTES:
            self._count(answered, Unscored.DROPPED)
        else:
            self._waiting.append(answered.copy())
            self._bytes += answered.size
            if len(self._tasks) < MOST_AT_ONCE:
                task = asyncio.create_task(self._work())
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def skip(self, answered: Answered, why: Unscored) -> None:
        """Count an answer that was drawn, and can't be handled."""
        self._count(answered, why)

    async def aclose(self) -> None:
        """Break off what runs, with its cost booked, and drop what waits."""
        self._closed = True
        while self._waiting:
            self._count(self._waiting.popleft(), Unscored.STOPPED)
        for task in list(self._tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _work(self) -> None:
        """Handle what waits, one after another, until nothing does."""
        while self._waiting:
            answered = self._waiting.popleft()
            try:
                await self._handle(answered)
            except asyncio.CancelledError:
                self._count(answered, Unscored.STOPPED)
                raise
            except Exception:  # the task must outlive every answer
                log.exception("%s could not be judged", answered.completion_id, extra={"about": "judging"})
            finally:
                self._bytes -= answered.size
