"""Calls of judges and second models: through circuit breakers of their own, each booked with what it cost."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TypeVar

from bandit.types import Epoch
from gateway.catalog.catalog import Model
from gateway.ids import new_id
from gateway.judging.answered import JUDGE, Answered
from gateway.judging.asking import Question, Reply, ask
from gateway.judging.reply import Unscored
from gateway.providers.upstream.provider import Answer, Provider
from gateway.recorder import Recorder
from gateway.routing.cooldowns import Cooldowns
from gateway.routing.daily_spend import DailySpend
from gateway.routing.model_states import ModelStates
from gateway.telemetry.observer import Observer
from storage.records import FeedbackRecord, JudgingRecord
from storage.writing.failover import State

log = logging.getLogger(__name__)

T = TypeVar("T")


class BookedCalls:
    """Asks judges and second models, and books each call with its purpose. For the event loop alone."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        model_states: ModelStates,
        recorder: Recorder,
        observer: Observer,
        clock: Callable[[], Epoch],
    ) -> None:
        self._providers = providers
        self._model_states = model_states
        self.recorder = recorder
        self.observer = observer
        self.clock = clock

    def count(self, answered: Answered, judge_id: str, result: str) -> None:
        """Count what came of an answer that was drawn. `judge_id` "": none was asked."""
        self.observer.judged(answered.router.id, judge_id, answered.purpose, result)

    def judge_of(self, answered: Answered) -> Model | None:
        """The first judge that may be asked; a model judges its own answer only if no other is configured."""
        judges, now = judges_for(answered), asyncio.get_running_loop().time()
        others = [judge for judge in judges if not is_own(answered, judge)]
        breakers = self._model_states.judges
        return next((judge for judge in others or judges if breakers.available(judge.id, now)), None)

    def why_not(self, spend: DailySpend, most_usd: float) -> Unscored | None:
        """Why no call may begin: the day's dollars, or the database is away; None if one may."""
        if spend.left_usd(self.clock()) < most_usd:
            return Unscored.OVER_BUDGET
        if self.recorder.state is not State.OK:  # a score of what may be in the spool can't be recorded
            return Unscored.NOT_RECORDED
        return None

    async def ask_judge(self, answered: Answered, question: Question, read: Callable[[Answer], T]) -> Reply[T]:
        """Ask a judge, and book the call."""
        return await self._ask(answered, question, read, self._model_states.judges, scores=True)

    async def ask_second(self, answered: Answered, question: Question, read: Callable[[Answer], T]) -> Reply[T]:
        """Ask a second model, and book the call."""
        return await self._ask(answered, question, read, self._model_states.shadows, scores=False)

    async def _ask(
        self, answered: Answered, question: Question, read: Callable[[Answer], T], breakers: Cooldowns, *, scores: bool
    ) -> Reply[T]:
        loop, model = asyncio.get_running_loop(), question.model
        reply: Reply[T] = Reply(None, Unscored.STOPPED, question.bill(None))  # if it is cancelled
        began_at = loop.time()
        breakers.begun(model.id, began_at)
        try:
            reply = await ask(self._providers[model.provider], question, read)
        finally:
            self._book(answered, model, reply, scored=scores and reply.said is not None)
        if reply.error is None:
            breakers.succeeded(model.id, loop.time(), began_at)
        else:
            told = "%s beside %s (%s): %s"
            log.info(
                told, model.id, answered.completion_id, answered.purpose, reply.error.summary, extra={"about": model.id}
            )
            breakers.failed(model.id, reply.error, loop.time(), answered.completion_id.encode())
        return reply

    def _book(self, answered: Answered, model: Model, reply: Reply[T], *, scored: bool) -> None:
        now, bill, router = self.clock(), reply.bill, answered.router
        router.state.spend_beside(answered.purpose).settle(0.0, bill.cost_usd, now)
        self.observer.judging_cost(router.id, model.id, answered.purpose, bill.cost_usd)
        self.recorder.judging(
            JudgingRecord(
                router_id=router.id,
                purpose=answered.purpose,
                model_id=model.id,
                at=now,
                scored=scored,
                prompt_tokens=bill.tokens.prompt_tokens if bill.tokens else 0,
                completion_tokens=bill.tokens.completion_tokens if bill.tokens else 0,
                cost_usd=bill.cost_usd,
            )
        )


def judges_for(answered: Answered) -> tuple[Model, ...]:
    """The configured judges that are able to judge an answer."""
    return tuple(judge for judge in answered.router.definition.judges if answered.needs <= judge.abilities)


def feedback_of(answered: Answered, judge: Model, score: float, ground: str, now: Epoch) -> FeedbackRecord:
    """A judge's score of an answer, recorded as any other score is."""
    second = {} if answered.second is None else {"compared_with": answered.second.arm_id}
    own = {"own_answer": True} if is_own(answered, judge) else {}
    return FeedbackRecord(
        id=new_id("fbk", now),
        completion_id=answered.completion_id,
        key_id=JUDGE,
        any_key=True,
        routers=(answered.router.id,),
        source=JUDGE,
        score=score,
        at=now,
        comment=ground or None,
        metadata={"judge": judge.id, **second, **own},
    )


def is_own(answered: Answered, judge: Model) -> bool:
    """Whether a judge would judge what it answered itself, here or at another provider."""
    answering = [_name_of(answered.router.models.get(answered.model_id), answered.model_id)]
    if answered.second is not None:
        answering.append(_name_of(answered.second.model, answered.second.model.id))
    return _name_of(judge, judge.id) in answering


def _name_of(model: Model | None, model_id: str) -> str:
    """A model's own name, the same at every provider that serves it."""
    return (model.upstream_name if model is not None else model_id).rpartition("/")[2].lower()
