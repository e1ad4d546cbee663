"""A client that asks, scores, retries and corrects its scores, and keeps what was acknowledged."""

import asyncio
import contextlib
import random
from collections import Counter
from dataclasses import dataclass, field

import aiohttp

from tests.reliability.durability.gateway import ROUTER

REQUEST = {
    "model": "dari/routing",
    "messages": [{"role": "user", "content": "Say in one sentence what a ledger is, and why it is kept."}],
    "stream": False,
}
SOURCES = ("user", "judge")
TIMEOUT_SECONDS = 60.0


@dataclass(slots=True)
class Memory:
    """What the gateway has acknowledged in all rounds, by completion id."""

    completions: set[str] = field(default_factory=set)
    scores: dict[tuple[str, str], float] = field(default_factory=dict)  # the last acknowledged one
    unsure: dict[tuple[str, str], set[float]] = field(default_factory=dict)  # sent later, not acknowledged
    statuses: Counter[str] = field(default_factory=Counter)  # of every answer, or the error's name

    @property
    def acknowledged(self) -> int:
        """Answers and scores."""
        return len(self.completions) + len(self.scores)


class Client:
    """Connections that each ask in a loop until `stop`."""

    def __init__(self, url: str, key: str, memory: Memory, seed: int) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"}
        self._memory = memory
        self._chance = random.Random(seed)
        self._stopped = asyncio.Event()

    async def run(self, connections: int, seconds: float) -> None:
        """Ask over this many connections for this long, or until `stop`."""
        timeout = aiohttp.ClientTimeout(TIMEOUT_SECONDS)
        session = aiohttp.ClientSession(headers=self._headers, timeout=timeout)
        async with session, asyncio.TaskGroup() as tasks:
            for _ in range(connections):
                tasks.create_task(self._ask_on(session))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), seconds)
            self._stopped.set()

    def stop(self) -> None:
        """Start no more requests."""
        self._stopped.set()

    async def _ask_on(self, session: aiohttp.ClientSession) -> None:
        while not self._stopped.is_set():
            try:
                await self._ask(session)
            except (aiohttp.ClientError, TimeoutError) as error:
                self._memory.statuses[type(error).__name__] += 1
                await asyncio.sleep(0.01)

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        stream = self._chance.random() < 0.25
        async with session.post(f"{self._url}/{ROUTER}/chat/completions", json={**REQUEST, "stream": stream}) as answer:
            body = await answer.read()
            self._memory.statuses[f"completion {answer.status}"] += 1
            if answer.status != 200 or (stream and not body.rstrip().endswith(b"data: [DONE]")):
                return
            completion_id = answer.headers["x-request-id"]
        self._memory.completions.add(completion_id)
        for _ in range(self._chance.choice((0, 1, 1, 2, 3))):
            source, score = self._chance.choice(SOURCES), self._chance.choice((0.0, 0.25, 0.5, 1.0))
            await self._score(session, completion_id, source, score)

    async def _score(self, session: aiohttp.ClientSession, completion_id: str, source: str, score: float) -> None:
        memory, key = self._memory, (completion_id, source)
        memory.unsure.setdefault(key, set()).add(score)
        feedback = {"completion_id": completion_id, "score": score, "source": source}
        async with session.post(f"{self._url}/feedback", json=feedback) as answer:
            await answer.read()
            memory.statuses[f"feedback {answer.status}"] += 1
            if answer.status == 200:
                memory.scores[key] = score
                del memory.unsure[key]
