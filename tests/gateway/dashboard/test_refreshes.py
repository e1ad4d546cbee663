"""Open pages are rendered in turns, once for all who see the same, and more seldom the more of them are open."""

import asyncio
from dataclasses import dataclass, field

import pytest
from fastapi.responses import Response

from gateway.dashboard import refreshes
from gateway.dashboard.refreshes import AGAIN_HEADER, LONGEST_SECONDS, PAUSE_HEADER, SHORTEST_SECONDS, Page, Refreshes
from gateway.turns import Turns

PAGE = Page("key_a", "/health")


@dataclass
class Renderer:
    """Counts its renderings, and how many there were at the same time."""

    count: int = 0
    running: int = 0
    most: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self) -> Response:
        self.count, self.running = self.count + 1, self.running + 1
        self.most = max(self.most, self.running)
        await self.gate.wait()
        self.running -= 1
        return Response("page", headers={"etag": '"1"'})


async def test_pages_are_rendered_in_turns_and_once_for_all_who_want_the_same() -> None:
    answering, renderer = Refreshes(lambda: 20, Turns()), Renderer()
    pages = [Page(key, url) for key in ("key_a", "key_b") for url in ("/", "/health")] * 5
    asked = [asyncio.create_task(answering.answer(page, None, renderer)) for page in pages]
    renderer.gate.set()
    answers = await asyncio.gather(*asked)
    assert (renderer.count, renderer.most) == (4, 1)
    assert {answer.body for answer in answers} == {b"page"}


async def test_what_the_browser_has_is_not_sent_again() -> None:
    answering, renderer = Refreshes(lambda: 1, Turns()), Renderer()
    renderer.gate.set()
    first = await answering.answer(PAGE, None, renderer)
    again = await answering.answer(PAGE, first.headers["etag"], renderer)
    assert (again.status_code, renderer.count) == (304, 1)


async def test_an_answer_that_was_kept_says_that_it_may_lack_what_has_just_changed() -> None:
    now = 0.0
    answering, renderer = Refreshes(lambda: 1, Turns(), lambda: now), Renderer()
    renderer.gate.set()
    told = []
    for now in (0.0, 0.5, 2.0):  # noqa: B007 - the clock reads it
        answer = await answering.answer(PAGE, None, renderer)
        told.append(AGAIN_HEADER in answer.headers)
    assert (told, renderer.count) == ([False, True, False], 2)


async def test_an_error_is_told_to_everybody_and_not_kept() -> None:
    answering = Refreshes(lambda: 1, Turns())

    async def fails() -> Response:
        raise LookupError

    for _ in range(2):
        with pytest.raises(LookupError):
            await answering.answer(PAGE, None, fails)


async def test_the_more_pages_are_open_the_longer_they_pause() -> None:
    now = 0.0

    async def slow() -> Response:
        nonlocal now
        now += 0.05
        return Response("page", headers={"etag": '"1"'})

    async def pause(open_pages: int) -> float:
        answering = Refreshes(lambda: open_pages, Turns(), lambda: now)
        for number in range(40):
            answer = await answering.answer(Page("key_a", f"/{number}"), None, slow)
        return float(answer.headers[PAUSE_HEADER])

    assert await pause(0) == SHORTEST_SECONDS
    assert await pause(4) == pytest.approx(4 * 0.05 / refreshes.SHARE, rel=0.02)
    assert await pause(1_000) == LONGEST_SECONDS


async def test_a_page_that_has_waited_for_the_database_makes_no_long_pauses() -> None:
    now = 0.0
    answering = Refreshes(lambda: 1, Turns(), lambda: now)

    async def frozen() -> Response:
        nonlocal now
        now += 25.0
        return Response("page", headers={"etag": '"1"'})

    answer = await answering.answer(PAGE, None, frozen)
    assert float(answer.headers[PAUSE_HEADER]) <= 10.0
