"""The writer's cache of choices and task names that it has committed, and need not write again."""

from collections import OrderedDict

from storage.records import DecisionRecord
from storage.rows import clean

CHOICE_SECONDS = 600.0
"""Decisions this far apart don't share a stored choice, so that retention can delete choices by age."""

TASK_SECONDS = 3_600.0
"""A task's last use is updated this often."""

_MOST_CHOICES = 4_096
_MOST_TASKS = 10_000


class WriteCache:
    """Committed choices and task uses. A transaction's own are added by `CacheUpdate.commit`.

    It holds for one state of the `ledger`, the values of `Statements.ledger`: a restore may lack what is cached. None:
    not known yet, and nothing is cached.
    """

    def __init__(self, ledger: tuple[object, ...] | None = None) -> None:
        self.ledger = ledger
        self.choices: OrderedDict[str, tuple[str, float]] = OrderedDict()  # digest → id, instant of the first use
        self.tasks: OrderedDict[tuple[str, str], float] = OrderedDict()  # router, task → last use that is stored

    def knows_task(self, decision: DecisionRecord) -> bool:
        """Test whether the stored use of the decision's task is recent enough."""
        return 0.0 <= decision.at - self.tasks.get((decision.router_id, decision.task), 0.0) < TASK_SECONDS

    def begin(self) -> "CacheUpdate":
        """Begin a transaction's view of the cache."""
        return CacheUpdate(self)


class CacheUpdate:
    """One transaction's view of the cache: what is committed, and what it adds."""

    __slots__ = ("_cache", "_choices", "_tasks", "choice_rows")

    def __init__(self, cache: WriteCache) -> None:
        self._cache = cache
        self._choices: dict[str, tuple[str, float]] = {}
        self._tasks: dict[tuple[str, str], float] = {}
        self.choice_rows: list[tuple[object, ...]] = []

    def choice_id(self, decision: DecisionRecord) -> str:
        """Return the id of the decision's stored choice: that of the decision that used it first."""
        digest, at = decision.choice_digest, decision.at
        known = self._choices.get(digest) or self._cache.choices.get(digest)
        if known is not None and 0.0 <= at - known[1] < CHOICE_SECONDS:
            return known[0]
        self._choices[digest] = (decision.completion_id, at)
        self.choice_rows.append((decision.completion_id, decision.router_id, at, decision.choice))
        return decision.completion_id

    def use_task(self, decision: DecisionRecord) -> None:
        """Note a use of the decision's task."""
        if self._cache.knows_task(decision):
            return
        key = (decision.router_id, decision.task)
        self._tasks[key] = max(self._tasks.get(key, decision.at), decision.at)

    def task_uses(self) -> list[tuple[str, str, float]]:
        """Return router, task and last use, sorted, so that processes can't deadlock."""
        return sorted((router_id, clean(task), at) for (router_id, task), at in self._tasks.items())

    def commit(self) -> None:
        """Add to the cache what the transaction has written."""
        if not self._choices and not self._tasks:
            return
        self._cache.choices.update(self._choices)
        self._cache.tasks.update(self._tasks)
        for cached, most in ((self._cache.choices, _MOST_CHOICES), (self._cache.tasks, _MOST_TASKS)):
            while len(cached) > most:
                cached.popitem(last=False)
