"""What one process changes, the others hold within a second, exactly as the database has it."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import event, text

from bandit.statistics import StatisticKey, Sums
from storage.calendar import DAY, MINUTE
from storage.database import revisions
from storage.database.connection import WriteConnection
from storage.database.engine import Database
from storage.database.numbers import draw_number
from storage.database.revisions import Topic
from storage.key_usage import Cell, Usage
from storage.records import KeyLimits, KeyRecord, RouterRecord
from storage.replication.changes import Changed, Changes, read_everything
from storage.stores.arms import Arms
from storage.stores.evals import EvalRecord, Evals
from storage.stores.keys import Keys
from storage.stores.resumptions import Resumptions
from storage.stores.routers import Routers
from storage.writing.transaction import Transactions
from tests.support.databases import Opening
from tests.support.records import BUDGETED, NOW, RecordMaker, RunningWriter, Start, learn_scores, pace, same_sums

ROUTER = RouterRecord("rtr_a", "A", b"s", {}, (), NOW, NOW)
KEY = KeyRecord("key_1", "a" * 64, "", ("routing",), None, NOW)


@pytest.fixture
def changes(database: Database) -> Iterator[Changes]:
    changes = Changes(database)
    yield changes
    changes.close()


def version(database: Database) -> str | None:
    """A new one at every poll; None on PostgreSQL."""
    if database.sqlite:
        return f"{time.monotonic()}"
    direct = WriteConnection(database)
    try:
        return direct.version()
    finally:
        direct.close()


@pytest.fixture
def other(ledger_url: str, opening: Opening, start_writer: Start) -> RunningWriter:
    """A writer of another process, as far as the database can tell."""
    return start_writer(opening(ledger_url))


def test_the_first_look_finds_everything_and_the_next_nothing(
    database: Database, running: RunningWriter, making: RecordMaker, changes: Changes
) -> None:
    Routers(database).put(ROUTER)
    Keys(database).add(KEY)
    running.write(making.completion(BUDGETED, cost_usd=0.5, at=time.time()))
    changed = changes.poll(version(database))
    assert changed is not None
    assert changed.subjects == dict.fromkeys(set(Topic) - {Topic.STATISTICS}), "any of them may be new"
    assert changed.sums == Arms(database).sums()
    assert changed.budgets == read_everything(database)[0].budgets
    assert list(changed.spend_usd.values()) == [0.5]
    assert changes.poll(version(database)) is None


def test_a_look_finds_what_changed_since_the_last_and_no_more(
    database: Database, running: RunningWriter, making: RecordMaker, changes: Changes
) -> None:
    running.write(making.completion("rtr_a"), making.completion("rtr_b"))
    changes.poll(version(database))
    running.write(making.completion("rtr_b"))
    changed = changes.poll(version(database))
    assert changed is not None
    assert {key.router_id for key in changed.sums} == {"rtr_b"}
    assert (changed.subjects, changed.budgets) == ({}, {})
    Routers(database).put(ROUTER)
    Routers(database).delete("rtr_b", NOW)
    Keys(database).add(KEY)
    changed = changes.poll(version(database))
    assert changed is not None
    assert changed.subjects == {Topic.ROUTERS: frozenset({"rtr_a", "rtr_b"}), Topic.KEYS: frozenset({"key_1"})}
    assert changed.sums == {}


def test_a_look_reads_no_statistics_that_this_process_alone_has_changed(
    database: Database, other: RunningWriter, making: RecordMaker, changes: Changes
) -> None:
    own, asked = Transactions(database, learn_scores, pace), list[str]()
    changes.poll(version(database))
    event.listen(database.unpooled, "before_cursor_execute", lambda _c, _u, sql, *_: asked.append(sql))
    own.write([making.completion("rtr_a")])
    own.write([making.completion(BUDGETED)])
    Keys(database).add(KEY)
    assert changes.poll(version(database), own_numbers=own.own_numbers) == Changed({Topic.KEYS: frozenset({"key_1"})})
    assert own.own_numbers == 2
    assert not any("FROM arms" in sql for sql in asked)
    own.write([making.completion("rtr_a")])
    other.write(making.completion("rtr_b"))
    assert routers_in(changes.poll(version(database), own_numbers=1)) == {"rtr_a", "rtr_b"}
    own.write([making.completion("rtr_a")])
    assert changes.poll(version(database), own_numbers=1) is None, "it was read up to the last"
    own.close()


def test_a_look_finds_what_this_process_has_used_of_a_limited_key(
    database: Database, making: RecordMaker, changes: Changes
) -> None:
    """A request that began before its key's limits were known here ends with nothing to add its usage to."""
    Keys(database).add(replace(KEY, limits=KeyLimits(usd_per_day=1.0)))
    own, now = Transactions(database, learn_scores, pace), database.clock.now()
    changes.poll(version(database))
    own.write([making.completion(key_id="key_1", at=now, cost_usd=0.25)])
    changed = changes.poll(version(database), own_numbers=own.own_numbers)
    assert changed is not None
    assert changed == Changed(usage=changed.usage)
    assert changed.usage[Cell("key_1", DAY, int(now // DAY) * DAY)] == Usage(1, 150, 0.25)
    own.close()


def test_a_process_alone_is_told_of_none_of_its_statistics_again(
    database: Database, opening: Opening, ledger_url: str, start_writer: Start, making: RecordMaker
) -> None:
    alone = start_writer(database, deferring=True)
    alone.until(lambda: bool(alone.changes), "what there was is told")
    for number in range(5):
        alone.write(*(making.completion() for _ in range(60)))  # some are left to a fold
        time.sleep(0.25)  # it looks, and nobody else has written
        Keys(opening(ledger_url)).add(replace(KEY, id=f"key_{number}", hash=f"{number}"))
        alone.until(
            lambda number=number: any(  # type: ignore[misc]
                f"key_{number}" in (changed.subjects.get(Topic.KEYS) or ()) for changed in alone.changes
            ),
            "a key is told",
        )
    assert all(changed.sums == {} for changed in alone.changes)


def test_a_process_is_told_when_what_it_had_left_to_a_fold_was_added(
    database: Database, start_writer: Start, making: RecordMaker
) -> None:
    busy = start_writer(database, deferring=database.sqlite)
    for _ in range(3):
        told = len(busy.changes)
        busy.write(*(making.completion() for _ in range(150)))
        if not database.sqlite:
            continue
        busy.until(lambda told=told: any(each.folded for each in busy.changes[told:]), "a fold is told")  # type: ignore[misc]
        assert same_sums(Arms(database).sums(), busy.sums)
    if not database.sqlite:
        assert not any(each.folded for each in busy.changes)


def test_a_look_goes_on_where_everything_was_read(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    Routers(database).put(ROUTER)
    running.write(making.completion("rtr_a"))
    everything, position = read_everything(database)
    assert everything.sums == Arms(database).sums()
    running.write(making.completion("rtr_b"))
    Keys(database).add(KEY)
    changes = Changes(database, position=position)
    changed = changes.poll(version(database))
    changes.close()
    assert changed is not None
    assert changed.subjects == {Topic.KEYS: frozenset({"key_1"})}
    assert routers_in(changed) == {"rtr_b"}


@pytest.mark.parametrize("unnamed", ["forgotten", "by an older version"])
def test_changes_without_a_name_mean_that_anything_may_have_changed(
    database: Database, changes: Changes, unnamed: str
) -> None:
    Routers(database).put(ROUTER)
    changes.poll(version(database))
    Routers(database).put(ROUTER)
    Routers(database).put(ROUTER)
    with database.write() as connection:
        if unnamed == "forgotten":
            connection.execute(text("DELETE FROM changes WHERE revision = 2"))
        else:
            connection.execute(text("UPDATE revisions SET value = value + 1 WHERE topic = 'routers'"))
    changed = changes.poll(version(database))
    assert changed is not None
    assert changed.subjects == {Topic.ROUTERS: None}


def test_the_names_of_long_past_changes_are_forgotten(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisions, "KEPT_CHANGES", 10)
    monkeypatch.setattr(revisions, "FORGOTTEN_AT_ONCE", 15)
    for number in range(30):
        Keys(database).revoke(f"key_{number}", NOW)
    Routers(database).put(ROUTER)
    with database.read() as connection:
        kept = connection.execute(text("SELECT topic, count(*) FROM changes GROUP BY topic ORDER BY topic")).all()
    assert [tuple(row) for row in kept] == [("keys", 10), ("routers", 1)]


@pytest.mark.parametrize("number", ["currval('statistic_numbers')", "pg_current_xact_id()::text::bigint"])
def test_a_transaction_that_commits_late_is_not_missed(
    postgresql_url: str, opening: Opening, start_writer: Start, making: RecordMaker, number: str
) -> None:
    """It has a lower number than what was seen before it; an older version writes its transaction's id."""
    database = opening(postgresql_url)
    running, changes = start_writer(database), Changes(database)
    running.write(making.completion("rtr_late"), making.completion("rtr_early"))
    changes.poll(None)
    with database.write() as late:
        late.execute(draw_number(database.engine.dialect))
        for change in ("arms SET weight = 7,", "statistic_changes SET"):
            late.execute(text(f"UPDATE {change} revision = {number} WHERE router_id = 'rtr_late'"))
        running.write(making.completion("rtr_early"))
        assert routers_in(changes.poll(None)) == {"rtr_early"}
        running.write(making.completion("rtr_early"))
        assert routers_in(changes.poll(None)) == {"rtr_early"}
    changed = changes.poll(None)
    assert changed is not None
    assert {sums.weight for key, sums in changed.sums.items() if key.router_id == "rtr_late"} == {7.0}
    assert changes.poll(None) is None, "nothing is read twice"
    changes.close()


def routers_in(changed: Changed | None) -> set[str]:
    """The routers whose statistics are told."""
    return set() if changed is None else {key.router_id for key in changed.sums}


def test_what_commits_while_a_look_reads_hides_no_other_change_of_its_router(
    database: Database, running: RunningWriter, making: RecordMaker, changes: Changes
) -> None:
    """Another transaction of the same router commits after the look's last number, and before its rows."""
    changes.poll(version(database))
    running.write(making.completion("rtr_a", task="before"))
    held: dict[StatisticKey, Sums] = {}
    later = [making.completion("rtr_a", task="meanwhile")]

    def commit_another(*args: object) -> None:
        if "statistic_changes" in str(args[2]) and later:
            running.write(later.pop())

    event.listen(database.unpooled, "before_cursor_execute", commit_another)
    for _ in range(2):
        changed = changes.poll(version(database))
        held.update({} if changed is None else changed.sums)
    assert not later, "a transaction was committed during the look"
    assert held == Arms(database).sums()


def test_a_late_lower_number_hides_no_higher_one_of_its_router(
    postgresql_url: str, opening: Opening, start_writer: Start, making: RecordMaker
) -> None:
    """Both commit after the look's last number, and before its locks; the higher one first."""
    database = opening(postgresql_url)
    running, changes = start_writer(database), Changes(database)
    running.write(making.completion("rtr_a"))
    changes.poll(None)
    with database.engine.connect() as late:
        late.execute(draw_number(database.engine.dialect))
        held: dict[StatisticKey, Sums] = {}
        later = [making.completion("rtr_a", task="meanwhile")]

        def commit_both(*args: object) -> None:
            if "pg_locks" in str(args[2]) and later:
                running.write(later.pop())
                late.execute(text("UPDATE statistic_changes SET revision = currval('statistic_numbers')"))
                late.commit()

        event.listen(database.unpooled, "before_cursor_execute", commit_both)
        for _ in range(2):
            changed = changes.poll(None)
            held.update({} if changed is None else changed.sums)
            running.write(making.completion("rtr_b"))
        assert not later, "both were committed during the look"
    changes.close()
    kept = Arms(database).sums("rtr_a")
    assert {key: held.get(key) for key in kept if key.task == "meanwhile"} == {
        key: sums for key, sums in kept.items() if key.task == "meanwhile"
    }


def test_beside_an_open_transaction_a_look_reads_no_row_twice(
    postgresql_url: str, opening: Opening, start_writer: Start, making: RecordMaker
) -> None:
    database = opening(postgresql_url)
    running, changes = start_writer(database), Changes(database)
    with database.write() as open_:
        open_.execute(text("SELECT pg_current_xact_id()"))
        running.write(making.completion("rtr_a"), making.completion("rtr_b"))
        assert routers_in(changes.poll(None)) == {"rtr_a", "rtr_b"}
        for _ in range(3):
            running.write(making.completion("rtr_b"))
            assert routers_in(changes.poll(None)) == {"rtr_b"}
            assert changes.poll(None) is None
    changes.close()


def test_a_ledger_from_elsewhere_is_read_once_whatever_its_numbers_are(
    database: Database, running: RunningWriter, making: RecordMaker, changes: Changes
) -> None:
    """Restored into a cluster with lower transaction ids, or copied from the other kind of database."""
    running.write(making.completion("rtr_a"), making.completion("rtr_b"))
    with database.write() as connection:
        for table in ("arms", "activity", "statistic_changes"):
            connection.execute(text(f"UPDATE {table} SET revision = revision + 1000000000"))  # noqa: S608
    assert routers_in(changes.poll(version(database))) == {"rtr_a", "rtr_b"}
    running.write(making.completion("rtr_b"))
    assert routers_in(changes.poll(version(database))) == {"rtr_b"}


def test_after_an_older_state_was_restored_everything_is_found_again(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    running.write(making.completion("rtr_a"))
    position = read_everything(database)[1]
    changes = Changes(database, position={**position, Topic.STATISTICS: position[Topic.STATISTICS] + 1_000})
    assert routers_in(changes.poll(version(database))) == {"rtr_a"}
    assert changes.position == position
    changes.close()


def test_after_forgetting_everything_is_found_again(
    database: Database, running: RunningWriter, making: RecordMaker, changes: Changes
) -> None:
    running.write(making.completion())
    changes.poll(version(database))
    changes.forget()
    changed = changes.poll(version(database))
    assert changed is not None
    assert changed.sums == Arms(database).sums()


def test_two_writers_hold_what_the_database_has(
    database: Database, running: RunningWriter, other: RunningWriter, making: RecordMaker
) -> None:
    records = [making.completion(BUDGETED if number % 5 == 0 else "rtr_a") for number in range(60)]
    futures = [(running, other)[number % 2].submit(record) for number, record in enumerate(records)]
    futures += [
        (running, other)[number % 3 == 0].submit((making.score(record.decision.completion_id, 0.5),))
        for number, record in enumerate(records)
        if futures[number].result(60) == ()
    ]
    assert all(len(future.result(60)) == 1 for future in futures[60:])
    expected = Arms(database).sums()
    budgets = read_everything(database)[0].budgets
    for held in (running, other):
        held.until(
            lambda held=held: same_sums(held.sums, expected) and held.budgets == budgets,  # type: ignore[misc]
            "a writer holds what the database has",
        )


def test_revoked_keys_changed_routers_and_resumed_models_are_told(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    running.until(lambda: bool(running.changes), "the first changes are told")
    Keys(database).add(KEY)
    Keys(database).revoke("key_1", NOW + 1)
    Routers(database).put(ROUTER)
    record = EvalRecord("evl_1", "n", "m", "u", 0.0, 1.0, None, NOW, NOW, "imp_1", {})
    Evals(database).put(record, lambda _: None)
    Resumptions(database).announce("p/a")
    named = {
        Topic.KEYS: "key_1",
        Topic.ROUTERS: "rtr_a",
        Topic.EVALS: "evl_1",
        Topic.RESUMPTIONS: "p/a",
    }
    for topic, subject in named.items():
        running.until(
            lambda topic=topic, subject=subject: any(  # type: ignore[misc]
                subject in (changed.subjects.get(topic) or ()) for changed in running.changes
            ),
            f"{subject} is told",
        )


def test_a_lost_listening_connection_is_made_again(
    postgresql_url: str, opening: Opening, start_writer: Start, making: RecordMaker
) -> None:
    running, other = start_writer(opening(postgresql_url)), start_writer(opening(postgresql_url))
    other.write(making.completion("rtr_before"))
    running.until(lambda: any(key.router_id == "rtr_before" for key in running.sums), "the first completion is told")
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    listening = "datname = current_database() AND (query LIKE '%LISTEN%' OR query LIKE '%pg_notify%')"
    with opening(postgresql_url).write() as connection:
        connection.execute(text(f"{others} AND {listening}"))
    other.write(making.completion("rtr_after"))
    running.until(lambda: any(key.router_id == "rtr_after" for key in running.sums), "the second completion is told")


def test_what_is_held_never_differs_from_the_rows_while_others_write(
    database: Database, running: RunningWriter, other: RunningWriter, making: RecordMaker
) -> None:
    """The same thread commits and looks: no delta is added to rows that hold it already."""
    stop = threading.Event()

    def write_on() -> None:
        while not stop.is_set():
            other.write(making.completion("rtr_a"))

    thread = threading.Thread(target=write_on, daemon=True)
    thread.start()
    for _ in range(60):
        running.write(making.completion("rtr_a"))
    stop.set()
    thread.join(60)
    assert not thread.is_alive(), "the other writer did not end"
    expected = Arms(database).sums()
    for held in (running, other):
        held.until(lambda held=held: same_sums(held.sums, expected), "it holds what the database has")  # type: ignore[misc]


def test_a_look_finds_what_others_use_of_a_limited_key(
    database: Database, other: RunningWriter, making: RecordMaker, changes: Changes
) -> None:
    now = database.clock.now()
    today, minute = int(now // DAY) * DAY, int(now // MINUTE) * MINUTE
    other.write(making.completion(key_id="key_1", at=now), making.completion(key_id="key_2", at=now))
    for key_id in ("key_1", "key_2"):
        Keys(database).add(replace(KEY, id=key_id, hash=key_id))
    changes.poll(version(database))
    limited = replace(KEY, hash="key_1", limits=KeyLimits(usd_per_day=1.0))
    assert Keys(database).replace(limited, former=replace(KEY, hash="key_1"))
    changed = changes.poll(version(database))
    assert changed is not None
    assert changed.usage.keys() >= {Cell("key_1", DAY, today), Cell("key_1", MINUTE, minute)}, "its limit is new"
    other.write(making.completion(key_id="key_2", at=now))
    changed = changes.poll(version(database))
    assert changed is not None
    assert changed.usage == {}, "a key without limits is followed by nobody"
    other.write(making.completion(key_id="key_1", at=now, cost_usd=0.25))
    changed = changes.poll(version(database))
    assert changed is not None
    assert changed.usage[Cell("key_1", DAY, today)] == Usage(2, 300, 0.252)
    everything = read_everything(database)[0]
    assert everything.usage[Cell("key_1", DAY, today)] == Usage(2, 300, 0.252)
