"""The database decides which task names a router has: 64 at most, and those that are used."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.database.engine import Database, open_database
from storage.database.revisions import Topic
from storage.replication.changes import Changes, read_everything
from storage.stores.tasks import IDLE_SECONDS, LARGEST_COUNT, UNUSED_SECONDS, NewTask, TaskRow, Tasks
from tests.support.records import NOW, RecordMaker, RunningWriter

NAMES = [f"task {number}" for number in range(200)]


def admit(
    tasks: Tasks, router_id: str, task: str, at: float, name: str | None = None, built_in: str | None = None
) -> dict[str, TaskRow]:
    return tasks.admit([NewTask(router_id, task, at, name, built_in)])[router_id]


def test_the_first_64_names_get_in_and_no_other(database: Database) -> None:
    tasks = Tasks(database)
    for number, name in enumerate(NAMES):
        names = admit(tasks, "rtr_a", name, NOW + number)
        assert (name in names) is (number < LARGEST_COUNT)
    assert tasks.of(["rtr_a"]) == {"rtr_a": {name: TaskRow(NOW + at) for at, name in enumerate(NAMES[:LARGEST_COUNT])}}
    assert "rtr_b" not in tasks.of(None)
    assert admit(tasks, "rtr_b", "task 199", NOW) == {"task 199": TaskRow(NOW)}, "each router has its own"


def test_processes_that_let_names_in_at_once_agree_on_64(database: Database, ledger_url: str) -> None:
    others = [open_database(ledger_url) for _ in range(4)]
    together = threading.Barrier(len(others))

    def admit_some(number: int) -> None:
        together.wait()
        for name in NAMES[number::4][:40]:
            admit(Tasks(others[number]), "rtr_a", name, NOW)

    with ThreadPoolExecutor(len(others)) as pool:
        list(pool.map(admit_some, range(len(others))))
    assert len(Tasks(database).of(["rtr_a"])["rtr_a"]) == LARGEST_COUNT
    for other in others:
        other.close()


def test_names_that_were_not_used_for_30_days_make_room(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    tasks = Tasks(database)
    for name in NAMES[:LARGEST_COUNT]:
        admit(tasks, "rtr_a", name, NOW)
    running.write(making.completion(task="task 7", at=NOW + UNUSED_SECONDS))
    assert "new" not in admit(tasks, "rtr_a", "new", NOW + UNUSED_SECONDS)
    late = NOW + UNUSED_SECONDS + 60.0
    assert admit(tasks, "rtr_a", "task 3", late)["task 3"] == TaskRow(NOW), "one that has its place keeps it"
    assert admit(tasks, "rtr_a", "new", late) == {"task 7": TaskRow(NOW + UNUSED_SECONDS), "new": TaskRow(late)}


def test_the_writer_notes_the_use_of_names_by_the_hour_and_adds_none(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    tasks = Tasks(database)
    admit(tasks, "rtr_a", "invoices", NOW)

    def use(*instants: float) -> dict[str, dict[str, TaskRow]]:
        for at in instants:
            running.write(*(making.completion(task=task, at=NOW + at) for task in ("invoices", "code")))
        return tasks.of(None)

    assert use(20_000.0, 20_100.0) == {"rtr_a": {"invoices": TaskRow(NOW + 20_000.0)}}
    assert use(19_000.0) == {"rtr_a": {"invoices": TaskRow(NOW + 20_000.0)}}
    assert use(24_000.0) == {"rtr_a": {"invoices": TaskRow(NOW + 24_000.0)}}


@pytest.mark.parametrize(
    ("change", "is_told"),
    [
        (lambda tasks: admit(tasks, "rtr_a", "new", NOW), True),
        (lambda tasks: admit(tasks, "rtr_a", "known", NOW + 5.0), False),
    ],
)
def test_other_processes_are_told_when_a_name_gets_in(
    database: Database, change: Callable[[Tasks], object], is_told: bool
) -> None:
    tasks = Tasks(database)
    admit(tasks, "rtr_a", "known", NOW)
    changes = Changes(database, position=read_everything(database)[1])
    change(tasks)
    changed = changes.poll("now")
    changes.close()
    assert (changed is not None and changed.subjects.get(Topic.TASKS) == frozenset({"rtr_a"})) is is_told


def test_call_sites_are_numbered_if_they_begin_alike_and_take_places_like_others(database: Database) -> None:
    tasks = Tasks(database)
    admit(tasks, "rtr_a", "support", NOW)
    for number in range(100):
        rows = admit(tasks, "rtr_a", f"site:{number:02}", NOW, "support", "code")
    assert len(rows) == LARGEST_COUNT
    assert rows["site:00"] == TaskRow(NOW, "support (2)", "code")
    assert rows["site:61"].name == "support (63)"


def test_a_stated_task_takes_the_place_of_the_idle_call_site_that_was_used_first(database: Database) -> None:
    tasks = Tasks(database)
    admit(tasks, "rtr_a", "stated", NOW - 100.0)
    for number in range(LARGEST_COUNT - 1):
        admit(tasks, "rtr_a", f"site:{number:02}", NOW + number, f"name {number}", "code")
    late = NOW + IDLE_SECONDS
    assert "new" not in admit(tasks, "rtr_a", "new", late), "all were used within a day"
    assert "site:new" not in admit(tasks, "rtr_a", "site:new", late + 500.0, "new", "code")
    kept = admit(tasks, "rtr_a", "new", late + 1.0)
    assert len(kept) == LARGEST_COUNT
    assert {"new", "stated", "site:01"} <= kept.keys()
    assert "site:00" not in kept


def test_names_of_several_routers_get_in_together(database: Database) -> None:
    tasks = Tasks(database)
    admit(tasks, "rtr_a", "known", NOW)
    changes = Changes(database, position=read_everything(database)[1])
    wanted = [NewTask(f"rtr_{router}", name, NOW + 1.0) for router in "ab" for name in ("new", "known", "new")]
    wanted.append(NewTask("rtr_b", "site:1", NOW, "new", "code"))
    assert tasks.admit(wanted) == {
        "rtr_a": {"known": TaskRow(NOW), "new": TaskRow(NOW + 1.0)},
        "rtr_b": {
            "new": TaskRow(NOW + 1.0),
            "known": TaskRow(NOW + 1.0),
            "site:1": TaskRow(NOW, "new (2)", "code"),
        },
    }
    assert tasks.of(None) == tasks.admit(wanted), "once"
    changed = changes.poll("now")
    changes.close()
    assert changed is not None
    assert changed.subjects.get(Topic.TASKS) == frozenset({"rtr_a", "rtr_b"})
