"""A router's decisions of some days in memory: read once, then kept up with the ledger."""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from bandit.ope.fitted import Fitted, fit
from bandit.ope.logged import Logged
from bandit.ope.recorded import RecordedChoice, RecordedChoices, recorded_choice, stack
from bandit.types import Ending, Epoch, Objective
from gateway.choice_records import read_choice
from storage.calendar import DAY
from storage.stores.first_draws import AT_ONCE, FirstDraw, FirstDraws, Scored

MOST_SCANNED = 10
"""A uniform sample is read of up to this many times its size; of a larger window, the newest decisions are."""
MARGIN = 0.97
"""A sample is this much smaller than what may be held, so that chance takes nothing off its oldest end."""
ARRANGED_AT_ONCE = 200
LATE_SECONDS = 900.0
"""A request is recorded at its end, up to this long after its model was drawn."""

_FAILED = frozenset({Ending.TIMEOUT, Ending.FAILED, Ending.CUT})
"""Endings of a first draw that are the model's own failure. Other endings say nothing about the model."""

Progress = Callable[[float], None]


class Sampling(StrEnum):
    """Which of the window's decisions are held."""

    ALL = "all"
    NEWEST = "newest"
    UNIFORM = "uniform"


@dataclass(frozen=True, slots=True)
class Sampled:
    """Which of how many decisions a log holds. `since` is the oldest one's instant."""

    kind: Sampling
    decisions: int
    of: int
    since: float


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """A log, ready for questions. `left_out` counts what says nothing about a model; `objective` is the latest one."""

    fitted: Fitted
    choices: RecordedChoices
    objective: Objective
    sampled: Sampled
    left_out: Mapping[str, int]


class RouterLog:
    """The decisions of one router in the last `days`, up to `most`. Every method raises DatabaseUnavailable.

    `pause` is called between steps of reading and arranging them.
    """

    def __init__(
        self, draws: FirstDraws, router_id: str, days: float, most: int, pause: Callable[[], None] = lambda: None
    ) -> None:
        self._ledger = draws
        self._pause = pause
        self._router_id = router_id
        self._days = days
        self._most = most
        self._share = 1.0
        self._of = 0
        self._draws: dict[str, FirstDraw] = {}
        self._scores: dict[str, Scored] = {}
        self._choices: dict[str, RecordedChoice | None] = {}
        self._distinct: dict[bytes, RecordedChoice | None] = {}
        self._evidence: Evidence | None = None
        self.started_at = self.read_at = Epoch(0.0)

    def __len__(self) -> int:
        return len(self._draws)

    def read(self, now: Epoch, progress: Progress = lambda _: None) -> None:
        """Read the decisions anew. `progress` is told the part that has been read."""
        since = self._since(now)
        self._of = self._ledger.count(self._router_id, since)
        wanted = self._most / max(self._of, 1)
        self._share = MARGIN * wanted if 1.0 / MOST_SCANNED <= wanted < 1.0 else 1.0
        self._draws, self._scores = {}, {}
        expected = max(min(self._of, self._most), 1)
        self._take(since, lambda: progress(min(len(self._draws) / expected, 1.0)))
        self._choices = {id_: self._choices[id_] for id_ in {draw.choice_id for draw in self._draws.values()}}
        held = set(self._choices.values())
        self._distinct = {digest: choice for digest, choice in self._distinct.items() if choice in held}
        self._evidence = None
        self.started_at = self.read_at = now

    def refresh(self, now: Epoch) -> None:
        """Add the decisions, and renew the scores, that have come since the last look."""
        since = Epoch(max(self.read_at - LATE_SECONDS, self._since(now)))
        former, before = len(self._draws), dict(self._scores)
        self._take(since)
        scored = self._ledger.scored_since(since, self._most)
        self._take_scores([id_ for id_ in scored if id_ in self._draws])
        if len(self._draws) != former or self._scores != before:
            self._forget(now)
            self._evidence = None
        self.read_at = now

    def evidence(self, now: Epoch) -> Evidence:
        """The arrays of what is held."""
        if self._evidence is None:
            self._evidence = self._arranged(now, list(self._draws.values()))
        return self._evidence

    def thinned(self, now: Epoch, most_choices: int) -> Evidence:
        """The same, of a uniform sample if there are more choices than that."""
        whole = self.evidence(now)
        share = most_choices / max(len(whole.choices.p), 1)
        if share >= 1.0:
            return whole
        kept = sorted(self._draws)[:: math.ceil(1.0 / share)]
        return self._arranged(now, [self._draws[id_] for id_ in kept])

    def _since(self, now: Epoch) -> Epoch:
        return Epoch(max(now - self._days * DAY, 0.0))

    def _take(self, since: Epoch, progress: Callable[[], None] = lambda: None) -> None:
        """Add the decisions since an instant, with their choices and scores."""
        count = 0
        for page in self._ledger.pages(self._router_id, since, self._share):
            taken = page[: self._most - count]
            count += len(taken)
            fresh = [draw for draw in taken if draw.completion_id not in self._draws]
            self._take_choices({draw.choice_id for draw in fresh} - self._choices.keys())
            self._draws.update((draw.completion_id, draw) for draw in fresh)
            self._take_scores([draw.completion_id for draw in fresh])
            progress()
            self._pause()
            if count >= self._most:
                return

    def _take_scores(self, completion_ids: Sequence[str]) -> None:
        for start in range(0, len(completion_ids), AT_ONCE):
            self._scores.update(self._ledger.scores(completion_ids[start : start + AT_ONCE]))

    def _take_choices(self, choice_ids: Iterable[str]) -> None:
        wanted = sorted(choice_ids)
        raw = self._ledger.choices(wanted)
        for id_ in wanted:
            record = raw.get(id_, b"")
            # The ledger stores a choice again every ten minutes; here the same is held, and computed with, once.
            digest = hashlib.blake2b(record, digest_size=16).digest()
            if digest not in self._distinct:
                self._distinct[digest] = _read(record)
            self._choices[id_] = self._distinct[digest]

    def _forget(self, now: Epoch) -> None:
        """Drop what has left the window, and the oldest of what is too much."""
        since = self._since(now)
        newest = sorted(self._draws.values(), key=lambda draw: (draw.at, draw.completion_id), reverse=True)
        kept = [draw for draw in newest[: self._most] if draw.at >= since]
        self._draws = {draw.completion_id: draw for draw in kept}
        self._scores = {id_: scored for id_, scored in self._scores.items() if id_ in self._draws}
        self._of += len(newest) - len(kept) if self._share == 1.0 else 0

    def _arranged(self, now: Epoch, draws: Sequence[FirstDraw]) -> Evidence:
        left_out: Counter[str] = Counter()
        numbers: dict[RecordedChoice, int] = {}
        choices: list[RecordedChoice] = []
        log: list[Logged] = []
        for number, draw in enumerate(sorted(draws, key=lambda draw: (draw.at, draw.completion_id), reverse=True)):
            if number % ARRANGED_AT_ONCE == 0:
                self._pause()
            choice = self._choices[draw.choice_id]
            if choice is None:
                left_out["its choice can't be read any more"] += 1
                continue
            if choice not in numbers:
                numbers[choice] = len(choices)
                choices.append(choice)
            one = logged(draw, self._scores.get(draw.completion_id), numbers[choice])
            if isinstance(one, str):
                left_out[one] += 1
            else:
                log.append(one)
        self._pause()
        stacked = stack(choices)
        self._pause()
        return Evidence(
            fitted=fit(log, stacked.models, stacked.p, now),
            choices=stacked,
            objective=Objective(*stacked.objective[0].tolist()) if choices else Objective(0.0, 0.0, 0.0),
            sampled=self._sampled(),
            left_out=left_out,
        )

    def _sampled(self) -> Sampled:
        count = len(self._draws)
        whole = count < self._most or self._of <= count
        kind = Sampling.UNIFORM if self._share < 1.0 else Sampling.ALL if whole else Sampling.NEWEST
        since = min((draw.at for draw in self._draws.values()), default=0.0)
        return Sampled(kind, count, count if kind is Sampling.ALL else max(self._of, count), since)


def _read(record: bytes) -> RecordedChoice | None:
    try:
        return recorded_choice(read_choice(record))
    except msgspec.DecodeError:
        return None


def logged(draw: FirstDraw, scored: Scored | None, choice: int) -> Logged | str:
    """A first draw as off-policy evaluation needs it. A string says why it is unusable."""
    if draw.ending is None:
        return "no model was called"
    answered = draw.ending is Ending.COMPLETE
    if not answered and draw.ending not in _FAILED:
        return f"the first model's call ended {draw.ending}: no fault of its own"
    known = scored if answered else None
    return Logged(
        at=draw.at,
        task=draw.task,
        model_id=draw.model_id,
        choice=choice,
        randomised=draw.randomised,
        answered=answered,
        cost_usd=draw.cost_usd,
        seconds=draw.seconds,
        score=None if known is None else known.score,
        scored_at=None if known is None else known.at,
        weight=1.0 if known is None else known.weight,
    )
