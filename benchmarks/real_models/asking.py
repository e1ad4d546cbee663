"""Asking real models through the real client: directly, and through the gateway with a score for each answer."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx
from openai import OpenAI

from benchmarks.real_models.questions import Question, judge


@dataclass(frozen=True, slots=True)
class Server:
    """A real OpenAI-compatible server, its name and its prices (dollars per million tokens)."""

    name: str
    url: str
    input_usd: float
    output_usd: float

    @property
    def model_id(self) -> str:
        """The model's id in the gateway: a provider of the same name with one model."""
        return f"{self.name}/{self.name}"

    def cost_usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        """The cost of a call."""
        return (prompt_tokens * self.input_usd + completion_tokens * self.output_usd) / 1e6


@dataclass(frozen=True, slots=True)
class Asked:
    """One question, the arm that answered (a model or a variant), and the answer's score, seconds and cost."""

    arm_id: str
    score: float
    seconds: float
    cost_usd: float
    answer: str
    reason: str = ""
    completion_id: str = ""


def own_settings(question: Question) -> dict[str, object]:
    """The settings of a request for which no variant has its own."""
    return {"max_tokens": question.max_tokens, "temperature": 0}


class Gateway:
    """The running gateway, asked as an application would ask it."""

    def __init__(
        self, url: str, router_id: str, key: str, servers: list[Server], *, send_task: bool, variants: bool = False
    ) -> None:
        self._client = OpenAI(base_url=f"{url}/{router_id}", api_key=key, max_retries=0, timeout=120)
        self._http = httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=30, trust_env=False)
        self._router_id = router_id
        self._servers = {server.model_id: server for server in servers}
        self._send_task = send_task
        self._variants = variants

    def ask(self, question: Question) -> Asked:
        """Ask, judge the answer, and send the score as feedback. Raises the clients' errors."""
        began = time.perf_counter()
        raw = self._client.chat.completions.with_raw_response.create(
            model="dari/routing",
            messages=[{"role": "user", "content": question.prompt}],
            # What a request says itself is kept: it would exclude every variant that says something else.
            extra_body={} if self._variants else own_settings(question),
            metadata={"task": question.kind.value} if self._send_task else {},
        )
        answer = raw.parse()
        seconds = time.perf_counter() - began
        text = answer.choices[0].message.content or ""
        score = judge(question, text)
        self._http.post(
            "/feedback", json={"completion_id": answer.id, "score": score, "source": "rule"}
        ).raise_for_status()
        assert answer.usage is not None
        cost = self._servers[answer.model].cost_usd(answer.usage.prompt_tokens, answer.usage.completion_tokens)
        routing = (answer.model_extra or {})["dari_routing"]
        arm_id = raw.headers.get("x-router-variant", answer.model)
        return Asked(arm_id, score, seconds, cost, text, routing["reason"], answer.id)

    def replayed(self, asked: Sequence[Asked]) -> int:
        """How many of these decisions replay identically."""
        paths = [f"/admin/decisions/{each.completion_id}" for each in asked]
        return sum(self._http.get(path).raise_for_status().json()["replay"]["identical"] for path in paths)

    def judged(self) -> str:
        """What the router's judge has done so far."""
        judge = self._http.get(f"/admin/routers/{self._router_id}/stats").raise_for_status().json()["judge"]
        agreement = judge["agreement"]
        return f"{judge['calls']} calls, {judge['scored']} scores, ${judge['cost_usd']:.6f}, agreement {agreement}"


def ask_alone(server: Server, question: Question, arm_id: str, settings: Mapping[str, object]) -> Asked:
    """Ask one server directly, with these settings. Raises the client's errors."""
    client = OpenAI(base_url=server.url, api_key="none", max_retries=0, timeout=120)
    began = time.perf_counter()
    answer = client.chat.completions.create(
        model=server.name,
        messages=[{"role": "user", "content": question.prompt}],
        extra_body=settings,
    )
    seconds = time.perf_counter() - began
    text = answer.choices[0].message.content or ""
    assert answer.usage is not None
    cost = server.cost_usd(answer.usage.prompt_tokens, answer.usage.completion_tokens)
    return Asked(arm_id, judge(question, text), seconds, cost, text)
