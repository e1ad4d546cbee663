"""A router in memory: its definition, its state, and the snapshot that decisions are made from."""

import hashlib
import logging
import math
from collections.abc import Iterable, Mapping

import msgspec

from bandit.decision import choose
from bandit.learning import merge
from bandit.posteriors.snapshot import Snapshot, take_snapshot
from bandit.quick import quick_dataclass
from bandit.statistics import Deltas, StatisticKey, Sums
from bandit.types import AppliedRule, BudgetState, Choice, Context, Epoch, LoopTime, Steering
from gateway.catalog.catalog import Catalog, Model
from gateway.routing.daily_spend import DailySpend
from gateway.routing.definitions import Definition
from gateway.routing.stickiness import Stickiness
from gateway.routing.task_names import TaskNames
from gateway.settings.router_options import CALL_SITES
from storage.records import Purpose

log = logging.getLogger(__name__)

PUBLISH_SECONDS = 0.05
"""A snapshot is used for at least this long under load; decisions take its instant as now."""


@quick_dataclass(frozen=True, slots=True)
class CachedChoice:
    """A choice, and what all decisions that are drawn from it share: its JSON, and by model dollars and reason.

    `reasons` is filled with those of first draws when they are first asked for.
    """

    choice: Choice
    json: bytes
    choice_digest: str
    costs_usd: Mapping[str, float]
    best_model_id: str  # by the mean utility
    reasons: dict[str, str]


class Published:
    """One snapshot and the choices already made from it: equal questions get equal probabilities."""

    __slots__ = ("_choices", "at", "snapshot")

    def __init__(self, snapshot: Snapshot, at: Epoch) -> None:
        self.snapshot = snapshot
        self.at = at
        self._choices: dict[tuple[object, ...], CachedChoice] = {}

    def choose(
        self,
        context: Context,
        candidates: tuple[str, ...],
        steering: Steering,
        left_out: tuple[tuple[str, str], ...],
        rules: tuple[AppliedRule, ...] = (),
    ) -> CachedChoice:
        """Return the distribution over the candidates, from the cache if it was computed before."""
        key = (context, candidates, steering, left_out, rules)
        cached = self._choices.get(key)
        if cached is None:
            choice = choose(self.snapshot, context, candidates, steering, left_out, rules)
            json = msgspec.json.encode(choice)
            cached = CachedChoice(
                choice,
                json,
                hashlib.blake2b(json, digest_size=16).hexdigest(),
                {arm.model_id: arm.cost_usd for arm in choice.arms},
                max(choice.arms, key=lambda arm: (arm.low >= 1.0, arm.mean_usd)).model_id,  # to obey a rule is no trial
                {},
            )
            self._choices[key] = cached
        return cached


class RouterState:
    """The state that a router keeps when its definition changes: statistics, budget, spend, conversations, task names.

    The event loop is its only writer. `sums` are the rows of the ledger as they were read, plus what this process has
    committed since, whether the router is served now or not.
    """

    __slots__ = (
        "_tasks_of_sums",
        "budget",
        "judge_spend",
        "revision",
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

    def add(self, deltas: Deltas, budget: BudgetState | None = None) -> None:
        """Add the deltas of a commit of this process."""
        merge(self.sums, deltas)
        self._tasks_of_sums.update(key.task for key in deltas)
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
        self._published_revision = -1
        self._next_at = LoopTime(0.0)
        self._warned: frozenset[str] = frozenset()
        same = (self.settings, definition.arms, definition.evidence)
        if former is not None and (former.settings, former.definition.arms, former.definition.evidence) == same:
            self._published, self._published_revision = former._published, former._published_revision
            self._next_at = former._next_at
            self._warned = former._warned

    @property
    def newest_snapshot(self) -> Snapshot | None:
        """The snapshot that decisions are made from, unless statistics or names of tasks have changed since."""
        if self._published is None or self._published_revision != self.state.revision + self.state.tasks.revision:
            return None
        return self._published.snapshot

    def published(self, now: Epoch, loop_time: LoopTime) -> Published:
        """Return the snapshot for a decision at `now`, which is `loop_time` by the event loop."""
        current, state = self._published, self.state
        revision = state.revision + state.tasks.revision
        if current is not None and (self._published_revision == revision or loop_time < self._next_at):
            return current
        former = current.snapshot if current is not None else None
        sums = state.sums_of_named_tasks()
        snapshot = take_snapshot(
            self.settings,
            self.definition.arms,
            sums,
            state.budget,
            now,
            former,
            self.definition.evidence,
            state.tasks.built_in,
        )
        self._warn(snapshot.warnings)
        self._published = Published(snapshot, now)
        self._next_at = LoopTime(loop_time + PUBLISH_SECONDS)  # by a clock that nobody sets
        self._published_revision = revision
        return self._published

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
        self._least_context = min((each.context_window or math.inf for each in models.values()), default=math.inf)
        self._least_output = min((each.output_limit or math.inf for each in models.values()), default=math.inf)

    def _warn(self, warnings: Iterable[str]) -> None:
        fresh = frozenset(warnings) - self._warned
        for warning in sorted(fresh):
            log.warning("router %s: %s", self.id, warning)
        self._warned |= fresh
