"""A client that asks, scores, repeats itself and changes its mind, and remembers what was acknowledged."""

import asyncio
import contextlib
import random
from collections import Counter
from dataclasses import dataclass, field

import aiohttp

from benchmarks.ledger.serving import ROUTER

REQUEST = {
    "model": "dari/routing",
    "messages": [{"role": "user", "content": "Say in one sentence what a ledger is, and why it is kept."}],
    "stream": False,
}
SOURCES = ("user", "judge")
TIMEOUT_SECONDS = 60.0


@dataclass(slots=True)
class Memory:
    """What the gateway has acknowledged, over all rounds. Ids are those of completions."""

    completions: set[str] = field(default_factory=set)
    scores: dict[tuple[str, str], float] = field(default_factory=dict)  # the last that was acknowledged
    unsure: dict[tuple[str, str], set[float]] = field(default_factory=dict)  # sent after that, without an answer
    statuses: Counter[str] = field(default_factory=Counter)  # of every answer, and of what got none

    @property
    def acknowledged(self) -> int:
        """Answers and scores."""
        return len(self.completions) + len(self.scores)


class Client:
    """Some connections, each asking again and again until it is told to stop."""

    def __init__(self, url: str, key: str, memory: Memory, seed: int) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"}
        self._memory = memory
        self._chance = random.Random(seed)
        self._stopped = asyncio.Event()

    async def run(self, connections: int, seconds: float) -> None:
        """Ask over so many connections for so long, or until it is told to stop."""
        timeout = aiohttp.ClientTimeout(TIMEOUT_SECONDS)
        session = aiohttp.ClientSession(headers=self._headers, timeout=timeout)
        async with session, asyncio.TaskGroup() as tasks:
            for _ in range(connections):
                tasks.create_task(self._ask_on(session))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), seconds)
            self._stopped.set()

    def stop(self) -> None:
        """Ask no more."""
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
