"""Clients of every kind: they read everything, leave early, read slowly or not at all, and score answers."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import aiohttp

from tests.reliability.soak.gateway import ENDLESS, LARGE, MIXED

REQUEST = {
    "model": "dari/routing",
    "messages": [{"role": "user", "content": "Say in one sentence what patience is."}],
    "seed": 7,
}
LONGEST_SECONDS = 30.0
PATIENCE_SECONDS = 3.0
"""How long clients read slowly, or don't read at all."""
Asking = AbstractAsyncContextManager[aiohttp.ClientResponse]
_KINDS: tuple[tuple[float, str], ...] = (
    (0.48, "plain"),
    (0.30, "stream"),
    (0.08, "plain, left"),
    (0.08, "stream, left"),
    (0.04, "refused"),
    (0.014, "stream, read slowly"),
    (0.004, "endless, not read"),
    (0.002, "large"),
)
"""Share of the requests, and their kind."""


@dataclass(slots=True)
class Memory:
    """What came back. `routed` are the ids of answers by a router, `unknown` counts clients that left before a header.

    Each sentence in `wrong` is a defect.
    """

    requests: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    routed: list[str] = field(default_factory=list)
    unrouted: list[str] = field(default_factory=list)
    unknown: int = 0
    wrong: list[str] = field(default_factory=list)


class Clients:
    """Connections that each ask in a loop, with kinds of requests that the seed determines."""

    def __init__(self, url: str, key: str, connections: int, seed: int, memory: Memory) -> None:
        self._url = url
        self._key = key
        self._connections = connections
        self._seed = seed
        self._memory = memory
        self._stopped = False
        self._asks: dict[str, Callable[[random.Random, aiohttp.ClientSession], Awaitable[None]]] = {
            "plain": self._plain,
            "stream": self._stream,
            "plain, left": self._leave_plain,
            "stream, left": self._leave_stream,
            "refused": self._refused,
            "stream, read slowly": self._read_slowly,
            "endless, not read": self._read_nothing,
            "large": self._large,
        }

    async def run(self, seconds: float) -> None:
        """Ask for this long, then finish what is under way."""
        self._stopped = False
        connector = aiohttp.TCPConnector(limit=0)
        headers = {"Authorization": f"Bearer {self._key}"}
        timeout = aiohttp.ClientTimeout(LONGEST_SECONDS)
        session = aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout)
        async with session, asyncio.TaskGroup() as tasks:
            for number in range(self._connections):
                tasks.create_task(self._ask_again(random.Random(f"{self._seed}/{number}"), session))
            await asyncio.sleep(seconds)
            self._stopped = True

    async def _ask_again(self, chance: random.Random, session: aiohttp.ClientSession) -> None:
        kinds = [kind for _, kind in _KINDS]
        shares = [share for share, _ in _KINDS]
        while not self._stopped:
            (kind,) = chance.choices(kinds, shares)
            self._memory.requests[kind] += 1
            try:
                await self._asks[kind](chance, session)
            except (aiohttp.ClientError, TimeoutError) as error:
                self._memory.wrong.append(f"{kind}: {error!r}")
                self._memory.unknown += 1

    def _post(self, session: aiohttp.ClientSession, router_id: str, *, stream: bool, **more: object) -> Asking:
        return session.post(
            f"{self._url}/{router_id}/chat/completions", json={**REQUEST, "stream": stream, **more}, read_bufsize=4096
        )

    def _note(self, answer: aiohttp.ClientResponse) -> str:
        self._memory.statuses[f"{answer.status}"] += 1
        request_id = answer.headers["x-request-id"]
        routed = "x-router-attempts" in answer.headers
        (self._memory.routed if routed else self._memory.unrouted).append(request_id)
        if answer.status == 500:
            self._memory.wrong.append(f"{request_id} was answered with 500")
        return request_id

    async def _plain(self, chance: random.Random, session: aiohttp.ClientSession, router_id: str = MIXED) -> None:
        structured = {"response_format": {"type": "json_object"}} if chance.random() < 0.2 else {}
        async with self._post(session, router_id, stream=False, **structured) as answer:
            request_id = self._note(answer)
            body = await answer.json(content_type="application/json")
        if ("choices" in body) is not (answer.status == 200) or ("error" in body) is (answer.status == 200):
            self._memory.wrong.append(f"{request_id}: {answer.status} with {str(body)[:200]}")
        if answer.status == 200 and chance.random() < 0.3:
            await self._score(chance, session, request_id)

    async def _large(self, chance: random.Random, session: aiohttp.ClientSession) -> None:
        await self._plain(chance, session, LARGE)

    async def _stream(self, chance: random.Random, session: aiohttp.ClientSession) -> None:
        async with self._post(session, MIXED, stream=True) as answer:
            request_id = self._note(answer)
            body = await answer.read()
        if answer.status == 200:
            self._check_end(request_id, body)
            if chance.random() < 0.3:
                await self._score(chance, session, request_id)

    def _check_end(self, request_id: str, body: bytes) -> None:
        """A stream ends in `[DONE]` or in an error, never in both and never in neither."""
        done, broken = body.endswith(b"data: [DONE]\n\n"), b'data: {"error":' in body
        self._memory.statuses["whole streams" if done else "cut streams"] += 1
        if done is broken:
            self._memory.wrong.append(f"{request_id} ends in {body[-200:]!r}")

    async def _leave_plain(self, chance: random.Random, session: aiohttp.ClientSession) -> None:
        await self._leave(chance, session, stream=False)

    async def _leave_stream(self, chance: random.Random, session: aiohttp.ClientSession) -> None:
        await self._leave(chance, session, stream=True)

    async def _leave(self, chance: random.Random, session: aiohttp.ClientSession, *, stream: bool) -> None:
        request_id = None
        try:
            async with asyncio.timeout(chance.choice((0.0, 0.002, 0.01, 0.05, 0.3))):
                async with self._post(session, MIXED, stream=stream) as answer:
                    request_id = self._note(answer)
                    await answer.content.readany()
                    answer.close()
        except TimeoutError:
            self._memory.unknown += request_id is None

    async def _refused(self, chance: random.Random, session: aiohttp.ClientSession) -> None:
        """A request that is refused before a decision has an id, but no outcome."""
        async with self._post(session, MIXED, stream=False, temperature="hot") as answer:
            self._note(answer)
            await answer.read()

    async def _read_slowly(self, chance: random.Random, session: aiohttp.ClientSession) -> None:
        async with self._post(session, ENDLESS, stream=True) as answer:
            request_id = self._note(answer)
            tail = b""
            patience = time.monotonic() + PATIENCE_SECONDS
            while part := await answer.content.read(65_536):
                if time.monotonic() > patience:
                    answer.close()
                    return
                tail = (tail + part)[-1_000:]
                await asyncio.sleep(0.02)
            if answer.status == 200:
                self._check_end(request_id, tail)

    async def _read_nothing(self, chance: random.Random, session: aiohttp.ClientSession) -> None:
        async with self._post(session, ENDLESS, stream=True) as answer:
            self._note(answer)
            await asyncio.sleep(PATIENCE_SECONDS)
            answer.close()

    async def _score(self, chance: random.Random, session: aiohttp.ClientSession, request_id: str) -> None:
        feedback = {"completion_id": request_id, "score": chance.choice((0.0, 0.5, 1.0))}
        async with session.post(f"{self._url}/feedback", json=feedback) as answer:
            await answer.read()
            self._memory.statuses[f"feedback {answer.status}"] += 1
