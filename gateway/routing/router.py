"""A router in memory: its definition, its state, and the snapshot that decisions are made from."""

import logging
import math
from collections.abc import Iterable, Mapping

from bandit.posteriors.news import News
from bandit.posteriors.snapshot import Snapshot, take_snapshot
from bandit.statistics import Deltas, StatisticKey, Sums
from bandit.types import BudgetState, Epoch, LoopTime
from gateway.catalog.catalog import Catalog, Model
from gateway.routing.daily_spend import DailySpend
from gateway.routing.definitions import Definition
from gateway.routing.published import Published
from gateway.routing.stickiness import Stickiness
from gateway.routing.task_names import TaskNames
from gateway.settings.router_options import CALL_SITES
from storage.records import Purpose

log = logging.getLogger(__name__)

PUBLISH_SECONDS = 0.05
"""A snapshot is used for at least this long under load; decisions take its instant as now."""

OLDEST_SECONDS = 30.0
"""A snapshot is used for no longer than this after anything was learned, however little it was."""

BESIDE_SECONDS = 25.0
"""It is renewed beside the requests at this age, so that none has to."""

USED_SECONDS = 60.0
"""Snapshots are renewed beside the requests for this long after the last one."""


class RouterState:
    """The state that a router keeps when its definition changes: statistics, budget, spend, conversations, task names.

    The event loop is its only writer. `sums` are the rows of the ledger as they were read, plus what this process has
    committed since, whether the router is served now or not.
    """

    __slots__ = (
        "_tasks_of_sums",
        "budget",
        "judge_spend",
        "news",
        "revision",
        "settled",
        "shadow_spend",
        "spend",
        "sticky",
        "sums",
        "tasks",
    )

    def __init__(self) -> None:
        self.sums: dict[StatisticKey, Sums] = {}
        self.budget = BudgetState()
        self.spend = DailySpend()
        self.judge_spend = DailySpend()
        self.shadow_spend = DailySpend()
        self.sticky = Stickiness()
        self.tasks = TaskNames()
        self._tasks_of_sums: set[str] = set()
        self.revision = 0  # counts the changes of sums and budget
        self.settled = 0  # the revision up to which the ledger's sums had what this process has learned, when it folded
        self.news = News()

    def add(self, deltas: Deltas, budget: BudgetState | None = None) -> None:
        """Add the deltas of a commit of this process."""
        sums = self.sums
        for key, delta in deltas.items():
            known = sums.get(key)
            if known is None:
                sums[key] = delta
                self._tasks_of_sums.add(key.task)
            else:
                sums[key] = known + delta
        self.news.add(deltas)
        self.budget = budget or self.budget
        self.revision += 1

    def spend_beside(self, purpose: str) -> DailySpend:
        """Return what was spent on calls beside requests for a purpose."""
        return self.judge_spend if purpose == Purpose.JUDGE else self.shadow_spend

    def sums_of_named_tasks(self) -> Mapping[StatisticKey, Sums]:
        """Return the statistics without those of tasks whose name was dropped; they count again if it comes back."""
        if all(task in self.tasks for task in self._tasks_of_sums):
            return self.sums
        return {key: sums for key, sums in self.sums.items() if key.task in self.tasks}

    def replace(self, sums: Mapping[StatisticKey, Sums], budget: BudgetState | None = None) -> None:
        """Replace rows that another process has changed."""
        self.news.note_replaced(self.sums, sums)
        self.sums.update(sums)
        self._tasks_of_sums.update(key.task for key in sums)
        self.budget = budget or self.budget
        self.revision += 1

    def forget(self) -> None:
        """Forget what the ledger said of statistics, budget and spend, before it is replaced by all that there is."""
        self.sums = {}
        self._tasks_of_sums = set()
        self.budget = BudgetState()
        self.spend.forget()
        self.judge_spend.forget()
        self.shadow_spend.forget()
        self.news.pressing = True
        self.revision += 1


class LiveRouter:
    """A router with one definition. When its record changes, another one replaces it, with the same state.

    A request keeps the router that decided it.
    """

    def __init__(self, definition: Definition, state: RouterState, former: "LiveRouter | None" = None) -> None:
        self.definition = definition
        self.id = definition.settings.router_id
        self.options = definition.options
        self.settings = definition.settings
        self.secret = definition.secret
        self.rules = definition.rules
        self._use_models(definition.models)
        self.variants = definition.variants
        self.created_at = definition.created_at
        self.spend = state.spend
        self.tasks = state.tasks
        self.knows_call_sites = definition.options.tasks == CALL_SITES
        self.is_plain = (
            bool(definition.models)
            and definition.rules is None
            and definition.settings.experiment is None
            and not definition.variants
        )
        self.sticky: Stickiness | None = None
        state.spend.limit_usd = definition.options.max_usd_per_day
        judge, shadow = definition.options.judge, definition.options.shadow
        state.judge_spend.limit_usd = None if judge is None else judge.max_usd_per_day
        state.shadow_spend.limit_usd = None if shadow is None else shadow.max_usd_per_day
        if definition.options.sticky_seconds is not None:
            self.sticky = state.sticky
            self.sticky.seconds = definition.options.sticky_seconds
        self.state = state
        self._published: Published | None = None
        self._published_of = (-1, -1)
        self.next_at = LoopTime(0.0)  # no other snapshot is taken before
        self._taken_at = LoopTime(0.0)
        self._asked_at = LoopTime(-math.inf)
        self._warned: frozenset[str] = frozenset()
        same = (self.settings, definition.arms, definition.evidence)
        if former is not None and (former.settings, former.definition.arms, former.definition.evidence) == same:
            self._published, self._published_of = former._published, former._published_of
            self.next_at, self._taken_at, self._asked_at = former.next_at, former._taken_at, former._asked_at
            self._warned = former._warned

    @property
    def newest_snapshot(self) -> Snapshot | None:
        """The snapshot that decisions are made from, unless what has changed since is worth another one."""
        if self._published is None or self._has_news(self._published):
            return None
        return self._published.snapshot

    def published(self, now: Epoch, loop_time: LoopTime) -> Published:
        """Return the snapshot for a decision at `now`, which is `loop_time` by the event loop."""
        self._asked_at = loop_time
        current = self._published
        if current is not None and (loop_time < self.next_at or not self._is_due(current, loop_time)):
            return current
        return self.renewed(now, loop_time)

    def renewed(self, now: Epoch, loop_time: LoopTime) -> Published:
        """Return a snapshot of all that was learned until `PUBLISH_SECONDS` ago."""
        current, state = self._published, self.state
        of = (state.revision, state.tasks.revision)
        if current is not None and (self._published_of == of or loop_time < self.next_at):
            return current
        snapshot = take_snapshot(
            self.settings,
            self.definition.arms,
            state.sums_of_named_tasks(),
            state.budget,
            now,
            current.snapshot if current is not None else None,
            self.definition.evidence,
            state.tasks.built_in,
        )
        self._warn(snapshot.warnings)
        self._published, self._published_of = Published(snapshot, now, current), of
        self._taken_at, self.next_at = loop_time, LoopTime(loop_time + PUBLISH_SECONDS)  # by a clock that nobody sets
        state.news = News()
        return self._published

    def renewal_at(self, loop_time: LoopTime) -> LoopTime | None:
        """Return when the snapshot should be renewed beside the requests; None if nobody needs it."""
        current = self._published
        if current is None or loop_time > self._asked_at + USED_SECONDS:
            return None
        if self._has_news(current):
            return self.next_at
        return LoopTime(self._taken_at + BESIDE_SECONDS)

    def renew(self, now: Epoch, loop_time: LoopTime) -> None:
        """Renew the snapshot, and the last choices that were made from it."""
        former = self._published
        published = self.renewed(now, loop_time)
        if former is not None and published is not former:
            published.prepare(former)

    def _is_due(self, current: Published, loop_time: LoopTime) -> bool:
        """Whether a decision should not be made from the snapshot any more."""
        if self._published_of == (self.state.revision, self.state.tasks.revision):
            return False
        return loop_time >= self._taken_at + OLDEST_SECONDS or self._has_news(current)

    def _has_news(self, current: Published) -> bool:
        """Whether what was learned since is worth another snapshot. A new class is not: nothing is known of it."""
        return self.state.news.outdates(current.snapshot, self.state.budget)

    def reprice(self, catalog: Catalog) -> None:
        """Use the catalog's present prices from now on."""
        repriced = self.definition.repriced(catalog)
        if repriced is not self.definition:
            self.definition = repriced
            self._use_models(repriced.models)
            self._published = None

    def takes_everywhere(self, prompt_tokens: int, max_tokens: int) -> bool:
        """Whether every model's context holds a request of this length, and none limits its answer to less."""
        return prompt_tokens + max_tokens <= self._least_context and max_tokens <= self._least_output

    def _use_models(self, models: Mapping[str, Model]) -> None:
        self.models = models
        self.arm_ids = tuple(models)
        self._least_context = min((each.context_window or math.inf for each in models.values()), default=math.inf)
        self._least_output = min((each.output_limit or math.inf for each in models.values()), default=math.inf)

    def _warn(self, warnings: Iterable[str]) -> None:
        fresh = frozenset(warnings) - self._warned
        for warning in sorted(fresh):
            log.warning("router %s: %s", self.id, warning)
        self._warned |= fresh
