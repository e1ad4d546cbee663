"""Replays every decision of a mixed run from its record alone, as `explain` and the admin API do."""

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from bandit.policies import PLAIN
from bandit.types import rule_in_force
from gateway.reports.explanation import Explained, explain
from storage.database.engine import open_database
from storage.records import DecisionView
from storage.stores.ledger import Ledger
from storage.stores.routers import Routers
from tests.support.faulty_provider.server import run_faults
from tests.support.gateway import GatewayProcess
from tests.support.processes import RunFailed

IDENTICAL = "replayed: identical"
CONNECTIONS = 16
ASKED_OVER_HTTP = 50
"""Decisions of each router that are also replayed by `GET /admin/decisions/{id}`."""

MODELS = {
    "steady": ("ok", 1.0, 2.0),
    "cheap": ("ok", 0.1, 0.4),
    "dear": ("drip", 5.0, 25.0),
    "shaky": ("ok ok reset ok status-500 ok cut ok half-json", 0.5, 1.5),
    "limited": ("ok ok ok 429 ok 503-retry-after", 0.3, 1.0),
    "broken": ("status-500", 0.2, 0.8),
}
"""Model → what its provider does with its requests in turn, dollars per million tokens in and out."""

ROUTERS = {
    "rtr_thompson": "",
    "rtr_budget": 'objective = "best"\nbudget_usd_per_request = 0.00005\n',
    "rtr_daily": "max_usd_per_day = 0.02\n",
    "rtr_sticky": "sticky_seconds = 300\n",
    "rtr_limits": "latency_limit_seconds = 0.02\nquality_floor = 0.6\n",
    "rtr_floor": "quality_floor = 0.9\n",
    "rtr_dollars": "objective = { quality_usd = 0.01, second_usd = 0.001, failure_usd = 0.02 }\ntemperature = 1.5\n",
    "rtr_exploring": 'exploration = 0.5\nobjective = "cheapest"\n',
    "rtr_plain": "instructions = false\nmax_attempts = 1\n",
    "rtr_fixed": 'policy = "fixed:faulty/broken"\n',
    "rtr_shares": "",
    "rtr_variants": """\
rules = [
    { when = "translation", use = "faulty/dear@high", mode = "always" },
    { when = "code", use = "faulty/cheap@low", mode = "never" },
    { when = "code or chat", use = "faulty/dear", mode = "prefer", weight = 30 },
]
policies = [
    { policy = "thompson", share = 0.6 },
    { policy = "uniform", share = 0.3 },
    { policy = "fixed:faulty/steady", share = 0.1 },
]
default = { use = "faulty/steady", mode = "prefer", weight = 5 }
experiment_unit = "request"
""",
    **{f"rtr_{name}": f'policy = "{name}"\n' for name in PLAIN if name != "thompson"},
}
MODELS_OF = {
    "rtr_shares": '{ id = "faulty/steady", min_share = 0.3 }, { id = "faulty/cheap", max_share = 0.2 }, "faulty/dear"',
    "rtr_variants": """\
"faulty/steady",
{ id = "faulty/cheap", thinking = ["low", "high"] },
{ id = "faulty/dear", thinking = ["default", "high"], max_share = 0.5 },
{ id = "faulty/shaky", params = { temperature = 0.2 }, as = "careful" },
""",
}
"""Entries of the routers that don't have all models as they are."""

INSTRUCTIONS = (
    "Prefer lower cost for short summarization tasks.",
    "Use the cheapest model for chat and the strongest for code.",
    "Never use broken. Prefer low latency.",
    "Only use steady or cheap; quality over speed.",
    "Use a model with a cosy voice.",
)
PROMPTS = (
    "Hi, how are you?",
    "Write a Python function that merges two sorted lists, and explain its complexity.",
    "Summarize in one sentence: " + "the ledger says what happened and why. " * 20,
    "Translate into French: the ledger is kept.",
    "What is 17 * 23 + 4?",
)
_CONFIGURATION = """\
database_url = "{url}"
[providers.faulty]
base_url = "http://127.0.0.1:{provider_port}/v1"
timeout_seconds = 2
"""
_MODEL = """\
[models."faulty/{name}"]
upstream_name = "{turns}"
input_usd_per_million = {input_usd}
output_usd_per_million = {output_usd}
context_window = 100000
thinking = ["low", "high"]
"""


def replay_run(url: str, count: int, seed: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Make `count` decisions on an empty ledger and replay each; `different` names up to 20 that differ."""
    with tempfile.TemporaryDirectory(prefix="replay-") as name, _run_gateway(Path(name), url) as gateway:
        statuses = asyncio.run(_ask_all(gateway, count, seed, tell))
        tell("replaying over HTTP")
        over_http = _over_http(gateway)
    tell("replaying every decision")
    verdicts: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    different: list[str] = []
    with closing(open_database(url, migrate=False)) as database:
        for secret, view in _views(Routers(database), Ledger(database)):
            explained = explain(view, secret)
            verdict = explained.verdict
            verdicts[verdict] += 1
            seen.update(_kinds(explained))
            if verdict != IDENTICAL and len(different) < 20:
                different.append(f"{view.decision.completion_id} of {view.decision.router_id}: {verdict}")
    return {
        "failed": statuses["completion 500"],
        "decisions": verdicts.total(),
        "identical": verdicts[IDENTICAL],
        "over_http": dict(over_http),
        "different": different,
        "kinds": dict(sorted(seen.items())),
        "statuses": dict(sorted(statuses.items())),
    }


@contextmanager
def _run_gateway(folder: Path, database_url: str) -> Iterator[GatewayProcess]:
    with run_faults(folder / "provider.log") as provider_port:
        text = _CONFIGURATION.format(url=database_url, provider_port=provider_port)
        for name, (turns, input_usd, output_usd) in MODELS.items():
            text += _MODEL.format(name=name, turns=turns, input_usd=input_usd, output_usd=output_usd)
        every = ", ".join(f'"faulty/{name}"' for name in MODELS)
        for router_id, options in ROUTERS.items():
            text += f"[routers.{router_id}]\nmodels = [{MODELS_OF.get(router_id, every)}]\n{options}"
        with GatewayProcess(folder, text) as gateway:
            yield gateway


async def _ask_all(gateway: GatewayProcess, count: int, seed: int, tell: Callable[[str], None]) -> Counter[str]:
    """Ask until `count` decisions are recorded; requests that the daily limit refuses don't count."""
    chance, statuses, left = random.Random(seed), Counter[str](), count
    headers, every = {"Authorization": f"Bearer {gateway.key}"}, [*ROUTERS, *2 * ["rtr_variants"]]

    async def ask_on(session: aiohttp.ClientSession) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            if left % 100 == 0:
                tell(f"{count - left:,} of {count:,} requests")
            router_id, request = every[left % len(every)], _request(chance, PROMPTS[left % len(PROMPTS)])
            async with session.post(f"{gateway.url}/{router_id}/chat/completions", json=request) as answer:
                await answer.read()
                statuses[f"completion {answer.status}"] += 1
                if answer.status == 429:  # refused before a decision
                    left += 1
                if answer.status != 200 or chance.random() > 0.3:
                    continue
                scored = {"completion_id": answer.headers["x-request-id"], "score": chance.choice((0.0, 0.4, 1.0))}
            async with session.post(f"{gateway.url}/feedback", json=scored) as answer:
                statuses[f"feedback {answer.status}"] += 1

    async with aiohttp.ClientSession(headers=headers) as session, asyncio.TaskGroup() as tasks:
        for _ in range(CONNECTIONS):
            tasks.create_task(ask_on(session))
    return statuses


def _request(chance: random.Random, prompt: str) -> dict[str, Any]:
    request: dict[str, Any] = {
        "model": "dari/routing",
        "messages": [{"role": "user", "content": prompt}],
        "stream": chance.random() < 0.3,
        "prompt_cache_key": chance.choice(("a", "b")),
    }
    if chance.random() < 0.3:
        request["messages"] += [{"role": "assistant", "content": "Certainly."}, {"role": "user", "content": "Go on."}]
    if chance.random() < 0.3:
        request["routing"] = {"instructions": chance.choice(INSTRUCTIONS)}
    if chance.random() < 0.2:
        request["metadata"] = {"task": chance.choice(("billing", "triage"))}
    if chance.random() < 0.3:
        request["max_tokens"] = chance.choice((16, 256))
    return request


def _views(routers: Routers, ledger: Ledger) -> Iterator[tuple[bytes, DecisionView]]:
    for record in routers.all():
        cursor: str | None = None
        while True:
            page = ledger.decisions(record.id, cursor, 200)
            for view in page.views:
                yield record.secret, view
            cursor = page.cursor
            if cursor is None:
                break


def _over_http(gateway: GatewayProcess) -> Counter[str]:
    verdicts: Counter[str] = Counter()
    with gateway.client() as client:
        for router_id in ROUTERS:
            query = {"router_id": router_id, "limit": str(ASKED_OVER_HTTP)}
            for listed in client.get("/admin/decisions", params=query).raise_for_status().json()["data"]:
                shown = client.get(f"/admin/decisions/{listed['id']}")
                if shown.status_code != 200:
                    raise RunFailed(f"{listed['id']} is not shown: {shown.text}")
                verdicts[shown.json()["replay"]["verdict"]] += 1
    return verdicts


def _kinds(explained: Explained) -> Iterator[str]:
    """The kinds of decision that this one is an example of."""
    view = explained.view
    decision = view.decision
    yield f"policy {decision.policy}"
    yield f"status {view.outcome.status}"
    for kind, holds in {
        "with instructions": decision.instructions is not None,
        "streams": decision.stream,
        "with failover": len(view.attempts) > 1,
        "of a stated task": decision.task in {"billing", "triage"},
        "not drawn at random": not decision.randomised,
        "scored": bool(view.feedback),
        "of a variant": "@" in decision.drawn_model_id,
        "in an experiment": explained.choice.experiment is not None,
        "with a rule in force": rule_in_force(explained.choice.rules) is not None,
    }.items():
        if holds:
            yield kind
