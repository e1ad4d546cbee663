"""Makers of records, a learning rule and a budget that can be checked by hand, and a writer that keeps deliveries."""

import itertools
import math
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future

from bandit.statistics import Deltas, Signal, StatisticKey, Sums
from bandit.types import Attempt, BudgetState, Ending, Epoch, Json, Scores
from storage.database.engine import Database
from storage.records import (
    CompletionRecord,
    Content,
    DecisionRecord,
    FeedbackReceipt,
    FeedbackRecord,
    OutcomeRecord,
    Status,
)
from storage.replication.changes import Changed
from storage.writing.scores import LearnScores
from storage.writing.spool import Spool
from storage.writing.transaction import Item
from storage.writing.writer import Committed, Writer
from tests.support.waiting import wait_until

NOW = Epoch(1_760_000_000.0)


def later(seconds: float) -> Epoch:
    """`NOW` plus seconds, which may be negative."""
    return Epoch(NOW + seconds)


BUDGETED = "rtr_budget"


def half_life(router_id: str, signal: Signal) -> float:
    """The half-life of each signal in `RecordMaker` and `learn_scores`."""
    return {Signal.SUCCESS: 3_600.0, Signal.QUALITY: 86_400.0, Signal.OUTCOMES: math.inf}.get(signal, 1_800.0)


def learn_scores(before: Scores, after: Scores) -> Deltas:
    """The quality statistics of a completion: minus its old mean, plus its new one."""
    key = StatisticKey(after.router_id, after.model_id, after.task, Signal.QUALITY)
    change = Sums(after.at, 86_400.0, 0.0)
    for scores, sign in ((before, -1.0), (after, 1.0)):
        mean = scores.mean()
        if mean is not None:
            weight = sign * scores.weight()
            change += Sums(after.at, 86_400.0, weight, weight * mean, weight * mean * mean)
    return {key: change}


def pace(router_id: str, state: BudgetState, cost_usd: float) -> BudgetState | None:
    """Counts answers in the multiplier and adds their cost, for one router."""
    if router_id != BUDGETED:
        return None
    return BudgetState(state.multiplier + 1.0, (state.mean_cost_usd or 0.0) + cost_usd)


class RecordMaker:
    """Makes records with unique ids and times."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def number(self) -> int:
        """The next unused number."""
        return next(self._numbers)

    def completion(
        self,
        router_id: str = "rtr_a",
        model_id: str = "m/one",
        *,
        completion_id: str | None = None,
        at: float | None = None,
        key_id: str = "key_1",
        status: Status = Status.ANSWERED,
        task: str = "code",
        cost_usd: float = 0.002,
        attempts: int = 1,
        choice: bytes = b'{"arms":[]}',
        content: Content | None = None,
        instructions: str | None = None,
        episode_id: str | None = None,
        deltas: Deltas | None = None,
    ) -> CompletionRecord:
        number = next(self._numbers)
        at = NOW + number if at is None else at
        answered = status in {Status.ANSWERED, Status.PARTIAL}
        tried = tuple(
            Attempt(
                number=index,
                model_id=model_id if index == attempts else "m/failing",
                propensity=0.5,
                randomised=index == 1,
                ending=Ending.COMPLETE if answered and index == attempts else Ending.FAILED,
                started_at=at,
                seconds=0.25,
                stream=False,
                status=200,
                prompt_tokens=100,
                completion_tokens=50,
                cost_usd=cost_usd / attempts,
                cost_stated=index == attempts,
                token_details={"cache_write_tokens": 40, "reasoning_tokens": 2**40} if index == attempts else {},
            )
            for index in range(1, attempts + 1)
        )
        return CompletionRecord(
            decision=DecisionRecord(
                completion_id=completion_id or f"req_{number:032x}",
                router_id=router_id,
                key_id=key_id,
                at=Epoch(at),
                choice_digest=f"digest of {choice!r}",
                choice=choice,
                algorithm="matching-1",
                policy="thompson",
                task=task,
                drawn_model_id=tried[0].model_id if tried else model_id,
                u=0.25,
                propensity=0.5,
                randomised=True,
                stream=False,
                estimated_prompt_tokens=98,
                request_bytes=300,
                instructions=instructions,
                episode_id=episode_id,
            ),
            attempts=tried,
            outcome=OutcomeRecord(
                status=status,
                ended_at=Epoch(at + 0.5),
                seconds=0.5,
                overhead_seconds=0.001,
                model_id=model_id if answered else None,
                attempts=attempts,
                prompt_tokens=100,
                cached_tokens=0,
                completion_tokens=50,
                cost_usd=cost_usd,
                estimated=False,
                finish_reason="stop",
                reason="Short code request: m/one has the best expected value.",
                http_status=200,
            ),
            deltas=self.deltas(router_id, model_id, task, at + 0.5) if deltas is None else deltas,
            content=content,
        )

    def deltas(self, router_id: str, model_id: str, task: str, at: float) -> Deltas:
        def sums(signal: Signal, weight: float, total: float = 0.0, squares: float = 0.0) -> Sums:
            return Sums(at, half_life(router_id, signal), weight, total, squares)

        return {
            StatisticKey(router_id, model_id, "", Signal.SUCCESS): sums(Signal.SUCCESS, 1.0, 1.0, 1.0),
            StatisticKey(router_id, model_id, "", Signal.OUTCOMES): sums(Signal.OUTCOMES, 1.0),
            StatisticKey(router_id, model_id, "", Signal.TOTAL): sums(Signal.TOTAL, 1.0, -1.3, 1.69),
            StatisticKey(router_id, model_id, task, Signal.COMPLETION_TOKENS): sums(
                Signal.COMPLETION_TOKENS, 1.0, 50.0, 2500.0
            ),
        }

    def score(
        self,
        completion_id: str,
        score: float,
        *,
        episode_id: str | None = None,
        source: str = "user",
        key_id: str = "key_1",
        any_key: bool = False,
        routers: tuple[str, ...] | None = None,
        comment: str | None = None,
        metadata: Mapping[str, Json] | None = None,
    ) -> FeedbackRecord:
        number = next(self._numbers)
        return FeedbackRecord(
            id=f"fbk_{number:032x}",
            completion_id=completion_id,
            key_id=key_id,
            any_key=any_key,
            routers=routers,
            source=source,
            score=score,
            at=NOW + number,
            comment=comment,
            episode_id=episode_id,
            metadata=metadata,
        )


class RunningWriter:
    """A running writer, and everything that it has delivered. What it has written is in the roll-ups at once."""

    def __init__(
        self,
        database: Database,
        *,
        spool: Spool | None = None,
        learn: LearnScores = learn_scores,
        deferring: bool = False,
    ) -> None:
        self.commits: list[Committed] = []
        self.changes: list[Changed] = []
        self.sums: dict[StatisticKey, Sums] = {}  # as an instance of the gateway would hold them in memory
        self.budgets: dict[str, BudgetState] = {}
        self._delivering = threading.Lock()
        self.writer = Writer(
            database,
            learn_scores=learn,
            pace=pace,
            deliver=self.deliver,
            follow=self.follow,
            spool=spool,
            deferring=deferring,
        )
        self.writer.start()

    def deliver(self, committed: Committed) -> None:
        with self._delivering:
            self.commits.append(committed)
            for key, sums in committed.deltas.items():
                self.sums[key] = self.sums[key] + sums if key in self.sums else sums
            self.budgets |= committed.budgets
        for token, result in committed.results:
            assert isinstance(token, Future)
            if isinstance(result, Exception):
                token.set_exception(result)
            else:
                token.set_result(result)

    def submit(self, item: Item) -> "Future[tuple[FeedbackReceipt, ...]]":
        future: Future[tuple[FeedbackReceipt, ...]] = Future()
        self.writer.submit(item, future)
        return future

    def write(self, *items: Item) -> list[tuple[FeedbackReceipt, ...]]:
        """Submit all, and wait for all. Raises the first item's exception."""
        return [future.result(60) for future in [self.submit(item) for item in items]]

    def follow(self, changed: Changed) -> None:
        with self._delivering:
            self.changes.append(changed)
            self.sums.update(changed.sums)
            self.budgets |= changed.budgets

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until a condition holds that a delivery brings about; no delivery comes while it is checked."""

        def holds() -> bool:
            with self._delivering:
                return condition()

        wait_until(holds, what)


Start = Callable[..., RunningWriter]
"""Starts a writer on a database."""


def assert_same_sums(found: dict[StatisticKey, Sums], expected: dict[StatisticKey, Sums]) -> None:
    """Assert that the sums are equal to 1e-9 at one instant; a sum of zero may be missing."""
    different = {key: (found.get(key), expected.get(key)) for key in differing(found, expected)}
    assert not different


def same_sums(found: dict[StatisticKey, Sums], expected: dict[StatisticKey, Sums]) -> bool:
    """Whether `assert_same_sums` holds."""
    return not differing(found, expected)


def differing(found: dict[StatisticKey, Sums], expected: dict[StatisticKey, Sums]) -> list[StatisticKey]:
    keys = []
    for key in found.keys() | expected.keys():
        pair = (found.get(key), expected.get(key))
        at = max(sums.at for sums in pair if sums is not None)
        for name in ("weight", "total", "squares"):
            a, b = (0.0 if sums is None else getattr(sums.faded_to(at), name) for sums in pair)
            if not math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9):
                keys.append(key)
    return keys
