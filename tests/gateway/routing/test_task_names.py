"""A router has 64 task names at most, the same ones in every process; whatever else is stated is the class "other"."""

import asyncio
import threading
from collections.abc import Callable, Sequence

import pytest

from bandit.statistics import ANY_TASK, Signal, StatisticKey, Sums
from bandit.types import Epoch
from gateway.routing import task_names
from gateway.routing.router import RouterState
from gateway.routing.task_names import ALWAYS, OTHER, TaskAdmission, TaskNames
from gateway.tasks.classifier import TASK_NAMES
from storage.database.engine import Database, open_database
from storage.errors import DatabaseUnavailable
from storage.stores.tasks import LARGEST_COUNT, UNUSED_SECONDS, NewTask, TaskRow, Tasks
from tests.support.records import NOW, later

STATED = [f"task {number}" for number in range(200)]


class Replica:
    """A process: what it knows of one router's tasks, and a clock that can be put on."""

    def __init__(self, database: Database) -> None:
        self.names = TaskNames()
        self.now = NOW
        self.store = Tasks(database)
        self.admission = TaskAdmission(self.store, lambda: self.now)

    async def classify(self, stated: str) -> str:
        await self.admission.admit("rtr_a", self.names, stated)
        return self.names.use(stated, self.now)

    def follow(self) -> None:
        """What the loader does after a change."""
        self.names.replace(self.store.of(["rtr_a"])["rtr_a"], self.now)


@pytest.fixture
def replica(database: Database) -> Replica:
    return Replica(database)


async def test_a_name_is_a_class_from_its_first_request_on_and_what_has_no_room_is_other(replica: Replica) -> None:
    found = [await replica.classify(stated) for stated in STATED]
    assert found == STATED[:LARGEST_COUNT] + [OTHER] * (200 - LARGEST_COUNT)
    again = [await replica.classify(stated) for stated in reversed(STATED)]
    assert again == found[::-1]


async def test_two_replicas_come_to_the_same_64_names(replica: Replica, ledger_url: str) -> None:
    other_database = open_database(ledger_url)
    other = Replica(other_database)
    halves = [STATED[:100], STATED[100:]]

    async def classify(one: Replica, stated: list[str]) -> list[str]:
        return [await one.classify(name) for name in stated]

    found = await asyncio.gather(*(map(classify, (replica, other), halves)))
    taken = {name for names in found for name in names} - {OTHER}
    assert len(taken) == LARGEST_COUNT
    assert taken == replica.store.of(None)["rtr_a"].keys()
    replica.follow()
    other.follow()
    for one in (replica, other):
        assert {await one.classify(name) for name in STATED} == taken | {OTHER}
    other_database.close()


async def test_names_of_30_days_ago_make_room_and_every_replica_forgets_them(replica: Replica, ledger_url: str) -> None:
    other_database = open_database(ledger_url)
    other = Replica(other_database)
    for name in STATED[:LARGEST_COUNT]:
        await replica.classify(name)
    other.follow()
    replica.now = other.now = later(UNUSED_SECONDS + 1.0)
    assert await replica.classify("task 7") == "task 7", "in use until others need its place"
    assert await replica.classify("new") == "new"
    other.follow()
    assert await other.classify("new") == "new"
    assert await other.classify("task 3") == "task 3", "there is room for it again"
    other_database.close()


async def test_the_built_in_classes_take_no_place_and_ask_nobody(replica: Replica, database: Database) -> None:
    database.close()
    for stated in [*TASK_NAMES, OTHER]:
        assert await replica.classify(stated) == stated
    assert replica.store.of(None) == {}


class SlowStore(Tasks):
    """A database that answers when it is told to, or is away."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.asked: list[str] = []
        self.answers = threading.Event()
        self.away = False

    def admit(self, wanted: Sequence[NewTask]) -> dict[str, dict[str, TaskRow]]:
        self.asked += [new.task for new in wanted]
        if self.away:
            raise DatabaseUnavailable("away")
        assert self.answers.wait(60)
        return super().admit(wanted)


async def test_a_name_is_asked_for_once_and_requests_that_know_theirs_wait_for_nothing(
    replica: Replica, database: Database
) -> None:
    replica.names.replace({"known": TaskRow(NOW)}, NOW)
    store = SlowStore(database)
    admission = TaskAdmission(store, lambda: NOW)
    first = [asyncio.create_task(admission.admit("rtr_a", replica.names, "new")) for _ in range(5)]
    await asyncio.sleep(0)
    await admission.admit("rtr_a", replica.names, "known")
    assert not any(task.done() for task in first)
    store.answers.set()
    await asyncio.gather(*first)
    assert store.asked == ["new"]
    assert "new" in replica.names


async def test_names_that_are_being_let_in_count_as_taken(
    replica: Replica, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_names, "WAIT_SECONDS", 60.0)  # 64 transactions may take longer than a second
    store = SlowStore(database)
    admission = TaskAdmission(store, lambda: NOW)
    waiting = [asyncio.create_task(admission.admit("rtr_a", replica.names, name)) for name in STATED]
    done, still_waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    while len(done) < 200 - LARGEST_COUNT:
        more, still_waiting = await asyncio.wait(still_waiting, return_when=asyncio.FIRST_COMPLETED)
        done |= more
    store.answers.set()
    await asyncio.gather(*waiting)
    assert len(replica.store.of(None)["rtr_a"]) == LARGEST_COUNT


async def test_while_the_database_is_away_a_new_name_is_other_and_asks_seldom(
    replica: Replica, database: Database
) -> None:
    store = SlowStore(database)
    store.away = True
    admission = TaskAdmission(store, lambda: NOW)
    for name in STATED[:10]:
        await admission.admit("rtr_a", replica.names, name)
        assert replica.names.use(name, NOW) == OTHER
    assert store.asked == ["task 0"]


async def test_a_database_that_does_not_answer_is_not_waited_for_long(
    replica: Replica, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_names, "WAIT_SECONDS", 0.01)
    store = SlowStore(database)
    admission = TaskAdmission(store, lambda: NOW)
    await admission.admit("rtr_a", replica.names, "new")
    assert replica.names.use("new", NOW) == OTHER
    await admission.admit("rtr_a", replica.names, "another")
    assert store.asked == ["new"], "the next request does not wait at all"
    store.answers.set()
    await asyncio.gather(*replica.names.waiting.values())
    assert replica.names.use("new", NOW) == "new"


def test_a_snapshot_has_no_column_of_a_task_without_a_name(
    sums_of: Callable[[str], dict[StatisticKey, Sums]],
) -> None:
    state = RouterState()
    state.tasks.replace({"named": TaskRow(NOW)}, NOW)
    for task in ("named", "forgotten", "code", OTHER, ANY_TASK):
        state.add(sums_of(task))
    assert {key.task for key in state.sums_of_named_tasks()} == {"named", "code", OTHER, ANY_TASK}
    revision = state.tasks.revision
    state.tasks.replace({"named": TaskRow(NOW), "forgotten": TaskRow(NOW)}, NOW)
    assert state.tasks.revision > revision, "a snapshot is taken anew"
    assert state.sums_of_named_tasks() == state.sums


@pytest.fixture
def sums_of() -> Callable[[str], dict[StatisticKey, Sums]]:
    def sums(task: str) -> dict[StatisticKey, Sums]:
        return {StatisticKey("rtr_a", "m/one", task, Signal.QUALITY): Sums(NOW, 60.0, 1.0)}

    return sums


def test_a_use_is_remembered_until_the_database_knows_of_it() -> None:
    names = TaskNames()
    names.replace(dict.fromkeys(STATED[:LARGEST_COUNT], TaskRow(NOW)), NOW)
    used = Epoch(NOW + UNUSED_SECONDS)
    for name in STATED[:LARGEST_COUNT]:
        names.use(name, used)
    names.replace(dict.fromkeys(STATED[:LARGEST_COUNT], TaskRow(NOW)), used)
    assert not names.have_room(later(UNUSED_SECONDS + 60.0))
    assert names.have_room(later(2 * UNUSED_SECONDS + 60.0))
    assert {ANY_TASK, OTHER, *TASK_NAMES} == ALWAYS


def test_a_use_that_was_stored_by_a_clock_a_year_ahead_drops_no_name_and_keeps_none_for_a_year() -> None:
    names, year = TaskNames(), 365 * 86_400.0
    names.replace(dict.fromkeys(STATED[:LARGEST_COUNT], TaskRow(NOW)), NOW)
    names.replace({STATED[0]: TaskRow(later(year))}, NOW)
    assert all(name in names for name in STATED[:LARGEST_COUNT])
    for name in STATED[1:LARGEST_COUNT]:
        names.use(name, later(UNUSED_SECONDS))
    assert names.have_room(later(UNUSED_SECONDS + 60.0)), "the first was not used since"


async def test_closing_does_not_wait_for_a_database_that_does_not_answer(replica: Replica, database: Database) -> None:
    store = SlowStore(database)
    admission = TaskAdmission(store, lambda: NOW)
    request = asyncio.create_task(admission.admit("rtr_a", replica.names, "new"))
    await asyncio.sleep(0)
    await asyncio.wait_for(admission.close(), 30)
    await request
    assert replica.names.use("new", NOW) == OTHER
    store.answers.set()
