"""Runs an eval: asks every model each prompt, grades the answers, and keeps to the limit on what is spent."""

import asyncio
import hashlib
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from statistics import fmean

from gateway.catalog.catalog import Model
from gateway.completions.plain import FORWARDED_BY_ALL
from gateway.evals.asking import Asker, NoAnswer, Question, expected_usd, most_usd
from gateway.evals.graders import gradable
from gateway.evals.journal import Journal, Kept, key_of
from gateway.evals.judge import Judgement, question_to_judge, read_judgement
from gateway.evals.prompts import EvalPrompt
from gateway.evals.spend_limit import LimitReached, SpendLimit
from gateway.evals.summary import Graded
from gateway.providers.build import build_providers
from gateway.providers.http.client import HttpClient
from gateway.providers.upstream.provider import Provider
from gateway.routing.variants import ArmVariant
from gateway.settings import SIMULATED, Settings
from gateway.simulated import serve_simulated, true_quality
from gateway.tasks.prompt_parts import estimate_parts

USUAL_TOKENS = 150
THOUGHTFUL_TOKENS = 600
"""What an answer is expected to have, if its model thinks and if it does not: a guess, for the cost that is shown."""
CUT_OFF = "its answer was cut off at max_tokens"


@dataclass(frozen=True, slots=True)
class EvalPlan:
    """What is to be asked. `judge` None: no prompt needs one.

    A variant of a model is among `models` with the id and the price of its arm, and with its settings in `variants`.
    """

    prompts: Sequence[EvalPrompt]
    models: Sequence[Model]
    judge: Model | None
    max_usd: float
    concurrency: int
    timeout_seconds: float
    variants: Mapping[str, ArmVariant] = field(default_factory=dict)

    def pairs(self) -> Iterator[tuple[EvalPrompt, Model]]:
        """Every prompt with every model."""
        return ((prompt, model) for prompt in self.prompts for model in self.models)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the rest of a plan costs: as expected, and at most. `answered` of `calls` are in the journal."""

    calls: int
    answered: int
    expected_usd: float
    most_usd: float


@dataclass(frozen=True, slots=True)
class EvalResult:
    """What a run has come to. `spent_usd` counts the whole of it, interruptions included."""

    graded: tuple[Graded, ...]
    missing: int
    spent_usd: float
    limit_reached: bool
    interrupted: bool


def estimate(plan: EvalPlan, journal: Journal) -> Estimate:
    """Estimate the cost of what the journal does not have."""
    answered = calls = 0
    expected = most = 0.0
    for prompt, model in plan.pairs():
        calls += 1
        question = _question(prompt, plan.variants.get(model.id))
        if journal.answer(key_of(model.id, question.fields)) is not None:
            answered += 1
        else:
            expected += expected_usd(model, question, _usual_tokens(model))
            most += most_usd(model, question)
        if plan.judge is not None:
            for rubric in prompt.rubrics:
                judged = question_to_judge(prompt, rubric, Kept("x" * 4 * USUAL_TOKENS), structured=False)
                expected += expected_usd(plan.judge, judged, _usual_tokens(plan.judge))
                most += most_usd(plan.judge, judged)
    return Estimate(calls, answered, expected, most)


class EvalRun:
    """One run of a plan. `progress` is called with what came of each prompt with each model."""

    def __init__(
        self,
        plan: EvalPlan,
        providers: Mapping[str, Provider],
        journal: Journal,
        progress: Callable[[Graded], None],
    ) -> None:
        self._plan = plan
        self._providers = providers
        self._progress = progress
        self._limit = SpendLimit(plan.max_usd, journal.spent_usd + journal.lost_usd)
        self._slots = asyncio.Semaphore(plan.concurrency)
        self._journal = journal
        self._judge = None if plan.judge is None else self._asker(plan.judge)
        self._askers = [self._asker(model) for model in plan.models]
        self._graded: list[Graded] = []
        self._interrupted = False

    async def run(self) -> EvalResult:
        """Ask until all is answered, the limit is reached, or Ctrl-C: the calls that run then are waited for.

        Raises OSError and JournalError if the journal can't be written.
        """
        with _on_interrupt(self.interrupt):
            try:
                async with asyncio.TaskGroup() as workers:
                    for asker in self._askers:
                        prompts = iter(self._plan.prompts)
                        for _ in range(min(self._plan.concurrency, len(self._plan.prompts))):
                            workers.create_task(self._work(asker, prompts))
            except ExceptionGroup as group:
                raise group.exceptions[0] from None  # such as a full disk, which all workers meet
        return EvalResult(
            graded=tuple(self._graded),
            missing=len(self._plan.prompts) * len(self._plan.models) - len(self._graded),
            spent_usd=self._limit.spent_usd,
            limit_reached=self._limit.reached,
            interrupted=self._interrupted,
        )

    def interrupt(self) -> None:
        """Begin no further call."""
        self._interrupted = True
        for asker in (*self._askers, *([self._judge] if self._judge else [])):
            asker.stop("was not asked any more: the run was interrupted")

    def _asker(self, model: Model) -> Asker:
        return Asker(
            model,
            self._providers[model.provider],
            slots=self._slots,
            limit=self._limit,
            journal=self._journal,
            timeout_seconds=self._plan.timeout_seconds,
        )

    async def _work(self, asker: Asker, prompts: Iterator[EvalPrompt]) -> None:
        for prompt in prompts:
            try:
                graded = await self._ask(asker, prompt)
            except LimitReached:
                return
            if self._interrupted and graded.score is None:
                return
            self._graded.append(graded)
            self._progress(graded)

    async def _ask(self, asker: Asker, prompt: EvalPrompt) -> Graded:
        """Ask one model one prompt, and grade its answer. Raises LimitReached."""
        nothing = Graded(prompt.prompt_id, prompt.task, asker.model.id, None)
        if why := self._why_not(asker.model, prompt):
            return replace(nothing, why=why, asked=False)
        if prompt.needs_judge and self._judge is not None and self._judge.stopped:
            return replace(nothing, why=f"the judge {self._judge.stopped}")
        try:
            answer = await asker.ask(_question(prompt, self._plan.variants.get(asker.model.id)))
        except NoAnswer as error:
            return replace(nothing, why=str(error))
        answered = replace(nothing, answer=answer)
        if asker.model.provider == SIMULATED:
            return replace(answered, score=_drawn(prompt, asker.model))
        if answer.finish_reason == "length":
            return replace(answered, why=CUT_OFF)
        scores = await asyncio.to_thread(prompt.scores, gradable(answer.text, answer.calls))
        if None in scores:
            return replace(answered, why="its answer takes too long to grade")
        judged, judge_usd = await self._judged(prompt, answer)
        found = [score for score in (*scores, *(each.score for each in judged)) if score is not None]
        why = next((each.ground for each in judged if each.score is None), "")
        return replace(answered, score=None if why else fmean(found), why=why, judge_usd=judge_usd)

    async def _judged(self, prompt: EvalPrompt, answer: Kept) -> tuple[list[Judgement], float]:
        """What the judge says by each rubric, and what that cost. Raises LimitReached."""
        judge, cost_usd = self._judge, 0.0
        judgements: list[Judgement] = []
        if judge is None:
            return [], 0.0
        for rubric in prompt.rubrics:
            structured = "json_schema" in judge.model.abilities
            try:
                said = await judge.ask(question_to_judge(prompt, rubric, answer, structured=structured))
            except NoAnswer as error:
                judgements.append(Judgement(None, f"the judge {error}"))
            else:
                judgements.append(read_judgement(said))
                cost_usd += said.cost_usd
        return judgements, cost_usd

    def _why_not(self, model: Model, prompt: EvalPrompt) -> str:
        """Why a model is not asked this; "" if it is."""
        lacking = prompt.request.needs - model.abilities
        if lacking:
            return "lacks " + ", ".join(sorted(lacking))
        knows = self._providers[model.provider].knows
        unknown = [name for name in prompt.request.fields.keys() - FORWARDED_BY_ALL if not knows(name)]
        if unknown:
            return "can't be sent " + ", ".join(sorted(unknown))
        return ""


@asynccontextmanager
async def open_providers(settings: Settings) -> AsyncIterator[Mapping[str, Provider]]:
    """The configured providers, and the simulated one if it is used, while the context lasts."""
    async with AsyncExitStack() as opened:
        simulated_url = await opened.enter_async_context(serve_simulated()) if settings.simulated else None
        client = HttpClient()
        await client.start()
        opened.push_async_callback(client.close)
        yield build_providers(settings.providers, client, simulated_url)


@contextmanager
def _on_interrupt(interrupt: Callable[[], None]) -> Iterator[None]:
    """Interrupt at the first Ctrl-C; a second one ends the program as usual."""
    former = signal.getsignal(signal.SIGINT)
    loop = asyncio.get_running_loop()

    def interrupted(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, former)
        loop.call_soon_threadsafe(interrupt)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


def _question(prompt: EvalPrompt, variant: ArmVariant | None) -> Question:
    fields = prompt.request.fields if variant is None else variant.fields(prompt.request.fields)
    return Question(fields, sum(estimate_parts(prompt.request.features)), prompt.max_tokens)


def _usual_tokens(model: Model) -> int:
    return THOUGHTFUL_TOKENS if model.reasoning else USUAL_TOKENS


def _drawn(prompt: EvalPrompt, model: Model) -> float:
    """A simulated model's score, 0 or 1 by its made-up quality, because there is nothing to grade in its answers."""
    digest = hashlib.blake2b(f"{prompt.prompt_id}/{model.id}".encode(), digest_size=8).digest()
    return float(int.from_bytes(digest, "big") / 2.0**64 < true_quality(model.id, prompt.task))
