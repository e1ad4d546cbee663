"""Simulated users: they ask over HTTP, wait, and score what they get by the model's true quality, with noise."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from gateway.demo.house import DemoError, House
from gateway.demo.prompts import Question
from gateway.simulated import DEFAULT_MODELS, true_quality

USERS = 12
NOISE = 0.15
"""Deviation of one score around the true quality."""


@dataclass(frozen=True, slots=True)
class Served:
    """One question, answered. `quality` is the true one, `score` what the user said."""

    task: str
    model: str
    cost_usd: float
    seconds: float
    quality: float
    score: float


async def ask_all(
    house: House,
    router_id: str,
    asked: Sequence[Question],
    *,
    seed: int,
    scored: bool,
    served: Callable[[Served], None],
) -> None:
    """Ask every question, several users at once; `served` hears of each answer. Raises DemoError."""
    chance = random.Random(seed)  # noqa: S311 - a simulation
    waiting = iter(asked)
    limits = httpx.Limits(max_connections=USERS)
    headers = {"authorization": f"Bearer {house.key}"}
    async with httpx.AsyncClient(base_url=house.url, headers=headers, limits=limits, trust_env=False) as client:

        async def user() -> None:
            for question in waiting:
                served(await _ask(client, router_id, question, chance, scored=scored))

        async with asyncio.TaskGroup() as users:
            for _ in range(USERS):
                users.create_task(user())


async def _ask(
    client: httpx.AsyncClient, router_id: str, question: Question, chance: random.Random, *, scored: bool
) -> Served:
    body = {
        "model": "dari/routing",
        "messages": [{"role": "user", "content": question.text}],
        "metadata": {"task": question.task},
    }
    started = time.perf_counter()
    answer = await _post(client, f"/{router_id}/chat/completions", body)
    seconds = time.perf_counter() - started
    model = str(answer["model"]).removeprefix("simulated/")
    quality = true_quality(model, question.task)
    score = min(max(chance.gauss(quality, NOISE), 0.0), 1.0)
    if scored:
        await _post(client, "/feedback", {"completion_id": answer["id"], "score": score})
    usage = answer["usage"]
    cost_usd = DEFAULT_MODELS[model].price.cost_usd(usage["prompt_tokens"], usage["completion_tokens"])
    return Served(question.task, model, cost_usd, seconds, quality, score)


async def _post(client: httpx.AsyncClient, path: str, body: object) -> dict[str, Any]:
    try:
        answer = await client.post(path, json=body, timeout=30.0)
    except httpx.HTTPError as error:
        raise DemoError(f"POST {path} failed ({type(error).__name__})") from None
    if answer.status_code != 200:
        raise DemoError(f"POST {path} was answered with {answer.status_code}: {answer.text[:300]}")
    found: dict[str, Any] = answer.json()
    return found
