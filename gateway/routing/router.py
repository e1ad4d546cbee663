"""The routers as they are now: settings, statistics and the snapshot that decisions are made from."""

import dataclasses
import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from bandit.decision import choose
from bandit.learning import merge
from bandit.posteriors.snapshot import Snapshot, take_snapshot
from bandit.types import (
    Arm,
    BudgetState,
    Choice,
    Context,
    Deltas,
    Epoch,
    RouterSettings,
    StatisticKey,
    Steering,
    Sums,
)
from gateway.catalog.catalog import Model
from gateway.routing.daily_spend import DailySpend
from gateway.routing.stickiness import Stickiness
from gateway.settings.router_options import RouterOptions

log = logging.getLogger(__name__)

PUBLISH_SECONDS = 0.05
"""A snapshot lives at least this long under load; decisions use its instant as now."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """A choice with its JSON, encoded once for all decisions that are drawn from it."""

    choice: Choice
    json: bytes
    choice_digest: str


class Published:
    """One snapshot and the choices already weighed on it: equal questions get equal probabilities."""

    __slots__ = ("_weighed", "at", "snapshot")

    def __init__(self, snapshot: Snapshot, at: Epoch) -> None:
        self.snapshot = snapshot
        self.at = at
        self._weighed: dict[tuple[object, ...], Weighed] = {}

    def weigh(
        self,
        context: Context,
        candidates: tuple[str, ...],
        steering: Steering,
        left_out: tuple[tuple[str, str], ...],
    ) -> Weighed:
        """The distribution over the candidates, from memory where this was asked before."""
        key = (context, candidates, steering, left_out)
        weighed = self._weighed.get(key)
        if weighed is None:
            choice = choose(self.snapshot, context, candidates, steering, left_out)
            json = msgspec.json.encode(choice)
            weighed = Weighed(choice, json, hashlib.blake2b(json, digest_size=16).hexdigest())
            self._weighed[key] = weighed
        return weighed


class LiveRouter:
    """One router in memory; the event loop is its only writer."""

    def __init__(
        self,
        options: RouterOptions,
        settings: RouterSettings,
        secret: bytes,
        models: Mapping[str, Model],
        arms: tuple[Arm, ...],
        sums: dict[StatisticKey, Sums],
        budget: BudgetState,
        spend: DailySpend,
        created_at: float,
    ) -> None:
        self.spend = spend
        self.created_at = created_at
        self.id = settings.router_id
        self.options = options
        self.settings = settings
        self.secret = secret
        self.models = models  # the enabled ones, by id, in order
        self.budget = budget
        self.sticky = Stickiness(options.sticky_seconds) if options.sticky_seconds is not None else None
        self._arms = arms
        self._sums = sums
        self._published: Published | None = None
        self._changed = True
        self._warned: frozenset[str] = frozenset()

    def published(self, now: Epoch) -> Published:
        """The snapshot for a decision at `now`."""
        current = self._published
        if current is not None and (not self._changed or now - current.at < PUBLISH_SECONDS):
            return current
        snapshot = take_snapshot(self.settings, self._arms, self._sums, self.budget, now)
        self._warn(snapshot.warnings)
        self._changed = False
        self._published = Published(snapshot, now)
        return self._published

    def apply(self, deltas: Deltas, budget: BudgetState | None = None) -> None:
        """Add what was committed."""
        merge(self._sums, deltas)
        self.budget = budget or self.budget
        self._changed = True

    def replace(self, sums: Mapping[StatisticKey, Sums], budget: BudgetState | None = None) -> None:
        """Take rows as another process left them."""
        self._sums.update(sums)
        self.budget = budget or self.budget
        self._changed = True

    def reprice(self, models: Mapping[str, Model]) -> None:
        """Take the models with other prices that are this router's: what is expected of them changes at once."""
        self.models = {model_id: models.get(model_id, model) for model_id, model in self.models.items()}
        self._arms = tuple(dataclasses.replace(arm, price=self.models[arm.model_id].price) for arm in self._arms)
        self._published = None

    def _warn(self, warnings: Iterable[str]) -> None:
        fresh = frozenset(warnings) - self._warned
        for warning in sorted(fresh):
            log.warning("router %s: %s", self.id, warning)
        self._warned |= fresh
