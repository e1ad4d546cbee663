"""Judges a sample of the answers after they were sent: a bounded queue, and tasks that ask the judges.

Requests and answers are held in memory until they are judged, and nowhere else.
"""

import asyncio
import contextlib
import logging
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import msgspec

from bandit.decision import drawn_beside
from bandit.types import Epoch
from gateway.catalog.catalog import Model
from gateway.errors import GatewayError
from gateway.ids import new_id
from gateway.judging.judge import Judgement, Question, ask, question
from gateway.judging.prompt import Material
from gateway.judging.reply import Grade, Unscored
from gateway.providers.upstream.provider import Provider
from gateway.recorder import Recorder
from gateway.routing.model_states import ModelStates
from gateway.routing.router import LiveRouter
from gateway.telemetry.observer import Observer
from storage.errors import LedgerError
from storage.records import FeedbackRecord, JudgingRecord, Purpose
from storage.writing.failover import State

log = logging.getLogger(__name__)

SOURCE = "judge"
"""The source of a judge's scores, and the key that is recorded with them."""
MOST_WAITING = 256
MOST_BYTES = 8 * 2**20
"""Answers that may wait or be judged, and their size with their requests: further ones are dropped, and counted."""
LARGEST_BYTES = 128 * 2**10
"""A larger request with its answer is not judged."""
MOST_AT_ONCE = 8
"""Judges' calls that run at the same time."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer to be judged. `request` is its request's `messages`, as JSON; `model_id` the model that answered."""

    completion_id: str
    router: LiveRouter
    model_id: str
    request: msgspec.Raw
    answer: str

    @property
    def size(self) -> int:
        """Bytes that it takes in memory, as soon as it has a copy of its request's messages."""
        return len(memoryview(self.request)) + sys.getsizeof(self.answer)


def is_drawn(router: LiveRouter, completion_id: str) -> bool:
    """Whether an answer is drawn to be judged: the same whenever it is computed again."""
    judge = router.options.judge
    return judge is not None and drawn_beside(router.secret, SOURCE, completion_id) < judge.share


class JudgingQueue:
    """Answers that wait for a judge, and the tasks that ask for them. For the event loop alone."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        model_states: ModelStates,
        recorder: Recorder,
        observer: Observer,
        clock: Callable[[], Epoch],
    ) -> None:
        self._providers = providers
        self._breakers = model_states.judges
        self._recorder = recorder
        self._observer = observer
        self._clock = clock
        self._waiting: deque[Answered] = deque()
        self._bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def add(self, answered: Answered) -> None:
        """Queue an answer, or drop it if there is no room."""
        if self._closed:
            self.skip(answered.router.id, Unscored.STOPPED)
        elif answered.size > LARGEST_BYTES:
            self.skip(answered.router.id, Unscored.TOO_LONG)
        elif len(self._waiting) >= MOST_WAITING or self._bytes + answered.size > MOST_BYTES:
            self.skip(answered.router.id, Unscored.DROPPED)
        else:
            # A copy: the raw messages are a part of the whole body, and would keep it.
            self._waiting.append(replace(answered, request=answered.request.copy()))
            self._bytes += answered.size
            if len(self._tasks) < MOST_AT_ONCE:
                task = asyncio.create_task(self._work())
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def skip(self, router_id: str, reason: Unscored) -> None:
        """Count an answer that was drawn, and for which no judge is asked."""
        self._observer.judged(router_id, "", Purpose.JUDGE, reason, 0.0)

    async def aclose(self) -> None:
        """Break off what runs, with its cost booked, and drop what waits."""
        self._closed = True
        while self._waiting:
            self.skip(self._waiting.popleft().router.id, Unscored.STOPPED)
        for task in list(self._tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _work(self) -> None:
        """Judge what waits, one after another, until nothing does."""
        while self._waiting:
            answered = self._waiting.popleft()
            try:
                await self._judge(answered)
            except Exception:  # the task must outlive every answer
                log.exception("%s could not be judged", answered.completion_id, extra={"about": "judging"})
            finally:
                self._bytes -= answered.size

    async def _judge(self, answered: Answered) -> None:
        router, options, now = answered.router, answered.router.options.judge, self._clock()
        judge = self._judge_of(answered)
        if options is None or judge is None:
            self.skip(router.id, Unscored.NO_JUDGE)
            return
        material = Material(options.rubric, answered.request, (answered.answer,))
        asked = question(judge, material, options.timeout_seconds)
        most_usd, spend = asked.most_usd, router.state.judge_spend
        if spend.left_usd(now) < most_usd:
            self.skip(router.id, Unscored.OVER_BUDGET)
            return
        if self._recorder.state is not State.OK:  # a score of what may be in the spool can't be recorded
            self.skip(router.id, Unscored.NOT_RECORDED)
            return
        spend.reserve(most_usd, now)
        judgement = Judgement(None, Unscored.STOPPED, asked.bill(None))  # if it is cancelled
        try:
            judgement = await self._ask(asked, answered.completion_id)
        finally:
            self._book(router, judge, judgement, most_usd)
        result: str = judgement.unscored or "scored"
        if judgement.grade is not None and not await self._record(answered, judge, judgement.grade):
            result = Unscored.NOT_RECORDED
        self._observer.judged(router.id, judge.id, Purpose.JUDGE, result, judgement.bill.cost_usd)

    async def _ask(self, asked: Question, completion_id: str) -> Judgement:
        loop, name = asyncio.get_running_loop(), asked.judge.id
        began_at = loop.time()
        self._breakers.begun(name, began_at)
        judgement = await ask(self._providers[asked.judge.provider], asked)
        if judgement.error is None:
            self._breakers.succeeded(name, loop.time(), began_at)
        else:
            log.info("%s did not judge %s: %s", name, completion_id, judgement.error.summary, extra={"about": name})
            self._breakers.failed(name, judgement.error, loop.time(), completion_id.encode())
        return judgement

    def _judge_of(self, answered: Answered) -> Model | None:
        """The first judge that may be asked; a model judges its own answer only if no other is configured."""
        judges, now = answered.router.definition.judges, asyncio.get_running_loop().time()
        own = _name_of(answered.router.models.get(answered.model_id), answered.model_id)
        others = [judge for judge in judges if _name_of(judge, judge.id) != own]
        return next((judge for judge in others or judges if self._breakers.available(judge.id, now)), None)

    def _book(self, router: LiveRouter, judge: Model, judgement: Judgement, most_usd: float) -> None:
        now, bill = self._clock(), judgement.bill
        router.state.judge_spend.settle(most_usd, bill.cost_usd, now)
        self._recorder.judging(
            JudgingRecord(
                router_id=router.id,
                purpose=Purpose.JUDGE,
                model_id=judge.id,
                at=now,
                scored=judgement.grade is not None,
                prompt_tokens=bill.tokens.prompt_tokens if bill.tokens else 0,
                completion_tokens=bill.tokens.completion_tokens if bill.tokens else 0,
                cost_usd=bill.cost_usd,
            )
        )

    async def _record(self, answered: Answered, judge: Model, grade: Grade) -> bool:
        """Record a score as any other; returns whether it is."""
        now, router = self._clock(), answered.router
        own = _name_of(router.models.get(answered.model_id), answered.model_id) == _name_of(judge, judge.id)
        record = FeedbackRecord(
            id=new_id("fbk", now),
            completion_id=answered.completion_id,
            key_id=SOURCE,
            any_key=True,
            routers=(router.id,),
            source=SOURCE,
            score=grade.score,
            at=now,
            comment=grade.ground or None,
            metadata={"judge": judge.id, **({"own_answer": True} if own else {})},
        )
        try:
            receipts = await self._recorder.feedback((record,))
        except (GatewayError, LedgerError) as error:
            log.info("a score of %s is not recorded: %s", answered.completion_id, error, extra={"about": "judging"})
            return False
        self._observer.scored(receipts, now)
        return True


def _name_of(model: Model | None, model_id: str) -> str:
    """A model's own name, the same at every provider that serves it."""
    return (model.upstream_name if model is not None else model_id).rpartition("/")[2].lower()
