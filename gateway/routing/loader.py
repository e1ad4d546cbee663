"""Loads routers, keys and task names: all of them, or those that have changed."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bandit.types import ArmPrior, Epoch, HalfLives
from gateway.api_keys import Keyring
from gateway.catalog.catalog import Catalog
from gateway.routing.definitions import Definition, define
from gateway.routing.evidence import EvaluatedModels
from gateway.routing.priors import borrow_priors
from gateway.settings.router_options import OptionsError, half_lives_of
from storage.database.engine import Database
from storage.database.revisions import Topic
from storage.records import RouterRecord
from storage.replication.changes import Subjects, united
from storage.stores.evals import Evals
from storage.stores.keys import Keys
from storage.stores.priors import ArmKey, Priors
from storage.stores.routers import Routers
from storage.stores.tasks import TaskRow, Tasks

log = logging.getLogger(__name__)

EVERYTHING: Mapping[Topic, Subjects] = dict.fromkeys((Topic.ROUTERS, Topic.KEYS, Topic.EVALS, Topic.TASKS))


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was loaded: routers in `router_ids`, keys in `key_ids`, tasks of routers in `task_router_ids` (None: all).

    What is not in `definitions` or `keys` is gone; `unreadable` says of routers why their settings can't be read.
    Of deleted routers only the half-lives are loaded: their completions can still be scored.
    """

    at: Epoch
    router_ids: Subjects = frozenset()
    definitions: Mapping[str, Definition] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    deleted: Mapping[str, HalfLives] = field(default_factory=dict)
    key_ids: Subjects = frozenset()
    keys: Keyring = field(default_factory=Keyring)
    task_router_ids: Subjects = frozenset()
    tasks: Mapping[str, Mapping[str, TaskRow]] = field(default_factory=dict)  # by router


class Loader:
    """Loads for one thread at a time. Keeps the evaluations between calls: every router's definition needs them."""

    def __init__(self, database: Database, catalog: Catalog, clock: Callable[[], Epoch]) -> None:
        self._database = database
        self._catalog = catalog
        self._clock = clock
        self._evaluated = EvaluatedModels()

    def with_catalog(self, catalog: Catalog) -> "Loader":
        """A loader of the same database with another catalog."""
        return Loader(self._database, catalog, self._clock)

    def load(self, subjects: Mapping[Topic, Subjects]) -> Loaded:
        """Load what has changed. Raises DatabaseUnavailable."""
        router_ids = subjects.get(Topic.ROUTERS, frozenset())
        if Topic.EVALS in subjects:
            router_ids = united(router_ids, self._load_evals())
        key_ids = subjects.get(Topic.KEYS, frozenset())
        keys = Keyring() if key_ids == frozenset() else Keyring(Keys(self._database).of(key_ids))
        task_router_ids = subjects.get(Topic.TASKS, frozenset())
        tasks = {} if task_router_ids == frozenset() else Tasks(self._database).of(task_router_ids)
        loaded = Loaded(self._clock(), key_ids=key_ids, keys=keys, task_router_ids=task_router_ids, tasks=tasks)
        if router_ids == frozenset():
            return loaded
        records = Routers(self._database).of(router_ids)
        priors = self._priors_of(router_ids, records)
        definitions: dict[str, Definition] = {}
        unreadable: dict[str, str] = {}
        for record in records:
            try:
                definitions[record.id] = define(record, self._catalog, priors, self._evaluated)
            except OptionsError as error:
                log.error("the settings of router %s can't be read: %s", record.id, error)
                unreadable[record.id] = str(error)
        deleted = {
            record.id: half_lives_of(record.settings) or HalfLives()
            for record in Routers(self._database).deleted(router_ids)
        }
        return replace(
            loaded,
            router_ids=router_ids,
            definitions=definitions,
            unreadable=unreadable,
            deleted=deleted,
        )

    def _load_evals(self) -> Subjects:
        """Reload the evaluations, and return the routers that changed ones are for."""
        before = self._evaluated
        self._evaluated = EvaluatedModels(Evals(self._database).all(), before)
        former, now = before.records, self._evaluated.records
        affected = {
            record.router_id
            for eval_id in former.keys() | now.keys()
            if former.get(eval_id) != now.get(eval_id)
            for record in (former.get(eval_id), now.get(eval_id))
            if record is not None
        }
        named = frozenset(router_id for router_id in affected if router_id is not None)
        return None if None in affected else named

    def _priors_of(self, router_ids: Subjects, records: Sequence[RouterRecord]) -> Mapping[ArmKey, ArmPrior]:
        """Read the priors of all enabled arms, after creating those of new ones."""
        usable = [
            (record.id, model)
            for record in records
            for model in record.models
            if model.enabled and self._catalog.get(model.model_id) is not None
        ]
        arms = {(router_id, model.arm_id) for router_id, model in usable}
        store = Priors(self._database)
        priors = store.of(router_ids)
        joined = arms - priors.keys()
        if joined:
            models = {model.arm_id: model.model_id for _, model in usable}
            store.create(borrow_priors(self._database, self._catalog, joined, models), self._clock())
            priors = store.of(router_ids)  # another process may have been first
        return priors
