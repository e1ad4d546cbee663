"""What the writer remembers of its own commits, so as not to write the same choice or task name again and again."""

from collections import OrderedDict
from zlib import compress

from storage.records import DecisionRecord
from storage.rows import clean

CHOICE_SECONDS = 600.0
"""Decisions this far apart do not share a kept choice: retention can tell by its age that nobody needs it."""

TASK_SECONDS = 3_600.0
"""A task's last use is brought up to date this often."""

_MOST_CHOICES = 4_096
_MOST_TASKS = 10_000


class Memory:
    """Choices and tasks that are committed. What a transaction adds counts from its `Recall.keep` on."""

    def __init__(self) -> None:
        self.choices: OrderedDict[str, tuple[str, float]] = OrderedDict()  # digest → id and instant of its first use
        self.tasks: OrderedDict[tuple[str, str], float] = OrderedDict()  # router and task → last use that is kept

    def begin(self) -> "Recall":
        """What one transaction knows: the memory, and what it has written itself."""
        return Recall(self)


class Recall:
    """The memory as one transaction sees it, and the rows that are new in it."""

    __slots__ = ("_choices", "_memory", "_tasks", "choice_rows")

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._choices: dict[str, tuple[str, float]] = {}
        self._tasks: dict[tuple[str, str], float] = {}
        self.choice_rows: list[tuple[object, ...]] = []

    def choice_id(self, decision: DecisionRecord) -> str:
        """The id under which the decision's choice is kept: that of the decision which used it first."""
        digest, at = decision.choice_digest, decision.at
        known = self._choices.get(digest) or self._memory.choices.get(digest)
        if known is not None and 0.0 <= at - known[1] < CHOICE_SECONDS:
            return known[0]
        self._choices[digest] = (decision.completion_id, at)
        self.choice_rows.append((decision.completion_id, decision.router_id, at, compress(decision.choice)))
        return decision.completion_id

    def use_task(self, decision: DecisionRecord) -> None:
        """Note that the decision's task was used."""
        key = (decision.router_id, decision.task)
        if decision.at - self._memory.tasks.get(key, 0.0) < TASK_SECONDS:
            return
        self._tasks[key] = max(self._tasks.get(key, decision.at), decision.at)

    def task_uses(self) -> list[tuple[str, str, float]]:
        """Router, task and last use, in one order for all processes, so that none deadlocks with another."""
        return sorted((router_id, clean(task), at) for (router_id, task), at in self._tasks.items())

    def keep(self) -> None:
        """The transaction is committed: remember what it wrote."""
        self._memory.choices.update(self._choices)
        self._memory.tasks.update(self._tasks)
        for held, most in ((self._memory.choices, _MOST_CHOICES), (self._memory.tasks, _MOST_TASKS)):
            while len(held) > most:
                held.popitem(last=False)
