"""Simulated users: ask over HTTP, wait, and score each answer with the model's true quality plus noise."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from gateway.demo.gateway import DemoError, DemoGateway
from gateway.demo.prompts import Question
from gateway.simulated import DEFAULT_MODELS, true_quality

USERS = 12
NOISE = 0.15
"""Standard deviation of a score around the true quality."""


@dataclass(frozen=True, slots=True)
class Served:
    """One answered question. `quality` is the model's true one, `score` the noisy one that was sent as feedback."""

    task: str
    model: str
    cost_usd: float
    seconds: float
    quality: float
    score: float


async def ask_all(
    gateway: DemoGateway,
    router_id: str,
    asked: Sequence[Question],
    *,
    seed: int,
    scored: bool,
    served: Callable[[Served], None],
) -> None:
    """Ask all questions, up to `USERS` at once. `served` is called with each answer. Raises DemoError."""
    rng = random.Random(seed)  # noqa: S311 - a simulation
    waiting = iter(asked)
    limits = httpx.Limits(max_connections=USERS)
    headers = {"authorization": f"Bearer {gateway.key}"}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, limits=limits, trust_env=False) as client:

        async def user() -> None:
            for question in waiting:
                served(await _ask(client, router_id, question, rng, scored=scored))

        async with asyncio.TaskGroup() as users:
            for _ in range(USERS):
                users.create_task(user())


async def _ask(
    client: httpx.AsyncClient, router_id: str, question: Question, rng: random.Random, *, scored: bool
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
    score = min(max(rng.gauss(quality, NOISE), 0.0), 1.0)
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
