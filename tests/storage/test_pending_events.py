"""Roll-ups plus pending events are what the ledger adds up to, whoever folds them, and whenever a process dies."""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from storage.calendar import DAY, day_of
from storage.database.engine import Database
from storage.errors import DatabaseUnavailable, RecordRefused
from storage.maintenance.activity_rebuild import ActivityRebuild
from storage.maintenance.fixed_sums_rebuild import FixedSumsRebuild
from storage.maintenance.future import FutureEvents
from storage.maintenance.rebuild import Rebuild
from storage.maintenance.transfer import copy_ledger
from storage.maintenance.usage import UsageRebuild
from storage.pending_events import PARTS, part_of
from storage.records import Content
from storage.stores.arms import Arms
from storage.stores.rebuilds_due import mark_due, read_due
from storage.tables import activity, arms, fixed_sums, key_usage, pending_events
from storage.writing.transaction import Transactions
from tests.support.databases import Opening
from tests.support.records import (
    NOW,
    RecordMaker,
    RunningWriter,
    Start,
    assert_same_sums,
    half_life,
    later,
    learn_scores,
    pace,
)

ADDED_TO = (activity, fixed_sums, key_usage, arms)


@pytest.fixture
def ledger(tmp_path: Path, opening: Opening) -> Database:
    return opening(f"sqlite:///{tmp_path / 'busy.db'}")


@pytest.fixture
def busy(ledger: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Transactions]:
    """Transactions of a process that leaves everything to a fold."""
    monkeypatch.setattr("storage.writing.deferring.DIRECT", 0)
    transactions = Transactions(ledger, learn_scores, pace, deferring=True)
    yield transactions
    transactions.close()


def write(transactions: Transactions, making: RecordMaker) -> None:
    """Write requests of each kind, and scores of them that are corrected and of two sources."""
    records = [
        making.completion(
            model_id=f"m/{number % 2}", key_id=f"key_{number % 3}", cost_usd=0.01 * number, at=NOW + number
        )
        for number in range(9)
    ]
    failed = making.completion(attempts=2, cost_usd=0.5, task="ünï — 你好")
    explored = replace(records[0], decision=replace(records[0].decision, explored=True))
    kept = making.completion(content=Content(b"{}", b"{}"), key_id="key_2")
    for record in (explored, failed, kept):
        transactions.write([record])
    transactions.write(records[1:])
    for record, score in zip((records[0], records[0], *records), (0.25, 0.75, *[0.5] * 9), strict=True):
        transactions.write([(making.score(record.decision.completion_id, score, key_id=record.decision.key_id),)])
    own = records[0].decision
    transactions.write([(making.score(own.completion_id, 1.0, source="judge", key_id=own.key_id),)])


def pending(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(pending_events)).scalar_one()


def rows(database: Database) -> list[list[Any]]:
    """The rows of all that events are added to."""
    with database.read() as connection:
        return [
            sorted(connection.execute(select(*(c for c in table.c if c.name != "revision"))).all())
            for table in ADDED_TO
        ]


def fold_all(transactions: Transactions) -> None:
    while transactions.fold_some():
        pass


def differences(database: Database) -> Sequence[object]:
    return [
        *ActivityRebuild(database, lambda: NOW).check(),
        *FixedSumsRebuild(database).check(),
        *UsageRebuild(database).check(),
        *statistics(database).check(),
    ]


def statistics(database: Database) -> Rebuild:
    return Rebuild(database, learn_scores, half_life)


def rebuild(database: Database) -> list[object]:
    """Correct all, and return the differences that there were."""
    return [
        *ActivityRebuild(database, lambda: NOW).run(),
        *FixedSumsRebuild(database).run(),
        *UsageRebuild(database).run(),
        *statistics(database).run(),
    ]


def test_what_is_pending_counts_and_a_fold_makes_it_what_was_added_at_once(
    busy: Transactions, ledger: Database, tmp_path: Path, opening: Opening
) -> None:
    write(busy, RecordMaker())
    assert pending(ledger) > 10
    assert rows(ledger) == [[], [], [], []]
    known = Arms(ledger).sums()
    assert differences(ledger) == []
    assert not busy.fold_some()
    assert (pending(ledger), differences(ledger)) == (0, [])
    assert_same_sums(Arms(ledger).sums(), known)
    other = opening(f"sqlite:///{tmp_path / 'quiet.db'}")
    quiet = Transactions(other, learn_scores, pace)
    write(quiet, RecordMaker())
    quiet.close()
    for found, expected in zip(rows(ledger), rows(other), strict=True):
        assert len(found) > 2
        for one, same in zip(found, expected, strict=True):
            assert list(one) == [pytest.approx(value) if isinstance(value, float) else value for value in same]


def test_only_the_fold_of_what_a_process_has_left_itself_is_its_own(
    busy: Transactions, ledger: Database, making: RecordMaker
) -> None:
    other = Transactions(ledger, learn_scores, pace, deferring=True)
    busy.write([making.completion()])
    other.fold_some()
    assert (busy.own_numbers, other.own_numbers) == (0, 0), "of what another process has learned"
    other.write([making.completion()])
    busy.write([making.completion()])
    busy.fold_some()
    assert busy.own_numbers == 0, "among others"
    busy.write([making.completion()])
    busy.fold_some()
    busy.fold_some()
    assert busy.own_numbers == 1, "an empty fold draws no number"
    other.close()


def test_parts_are_folded_one_by_one_and_at_every_instant_all_adds_up(
    busy: Transactions, ledger: Database, making: RecordMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.writing.deferring.FOLD_SECONDS", 0.0)
    routers = [f"rtr_{number}" for number in range(4 * PARTS)]
    for _ in range(2):
        made = [making.completion(router_id) for router_id in routers]
        busy.write(made)
        busy.write([(making.score(each.decision.completion_id, 0.5),) for each in made])
    left, known = pending(ledger), Arms(ledger).sums()
    assert busy.has_left
    assert not busy.others_have_left()
    counts = []
    for _ in range(PARTS):
        busy.fold_part()
        assert differences(ledger) == []
        assert_same_sums(Arms(ledger).sums(), known)
        counts.append(pending(ledger))
    assert all(after <= before for before, after in zip([left, *counts], counts, strict=False))
    assert len(set(counts)) > PARTS // 2, "a part alone"
    assert (counts[-1], busy.folded, busy.has_left) == (0, {part_of(router_id) for router_id in routers}, False)
    assert busy.own_numbers == len({left, *counts}) - 1


def test_a_part_s_rows_that_another_process_has_folded_are_not_taken_for_those_that_have_their_ids_now(
    busy: Transactions, ledger: Database, making: RecordMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.writing.deferring.FOLD_SECONDS", 0.0)
    other = Transactions(ledger, learn_scores, pace, deferring=True)
    busy.write([making.completion(cost_usd=1.0)])
    other.fold_some()
    other.write([making.completion("rtr_b", cost_usd=7.0), making.completion(cost_usd=9.0)])
    assert busy.others_have_left()
    for _ in range(PARTS):
        busy.fold_part()
        assert differences(ledger) == []
    assert busy.own_numbers == 0, "they were another's"
    busy.write([making.completion()])
    other.fold_some()
    for _ in range(PARTS):
        busy.fold_part()
    other.write([making.completion("rtr_b")])
    assert busy.others_have_left(), "as many as it had left itself"
    assert not other.fold_some()
    assert (pending(ledger), differences(ledger)) == (0, [])
    other.close()


def test_a_transaction_that_failed_has_left_nothing(busy: Transactions, ledger: Database, making: RecordMaker) -> None:
    made = making.completion()
    busy.write([made])
    with pytest.raises(RecordRefused):
        busy.write([making.completion("rtr_b"), made])  # it is there already
    assert pending(ledger) == 1
    assert not busy.others_have_left()


def test_what_is_pending_is_not_added_again_by_a_rebuild(busy: Transactions, ledger: Database) -> None:
    write(busy, RecordMaker())
    with ledger.write() as connection:
        connection.execute(pending_events.delete().where(pending_events.c.id == 3))
    assert len(statistics(ledger).check("rtr_a")) == len(statistics(ledger).check()) > 2
    assert rebuild(ledger)
    busy.fold_some()
    assert (pending(ledger), differences(ledger)) == (0, [])


def test_what_is_pending_holds_no_content(busy: Transactions, ledger: Database) -> None:
    content = Content(b"x" * 1_000_000, b"y")
    before = sys.getrefcount(content)
    busy.write([replace(RecordMaker().completion(), content=content)])
    assert pending(ledger) == 1
    assert sys.getrefcount(content) == before


def test_events_of_a_process_that_was_killed_are_folded_and_followed_by_others(
    busy: Transactions, ledger: Database, making: RecordMaker, start_writer: Start
) -> None:
    busy.write([making.completion(cost_usd=0.5, at=ledger.clock.now() - 1.0)])
    busy.close()
    running = start_writer(ledger, deferring=True)
    today = ("rtr_a", day_of(ledger.clock.now()))
    running.until(lambda: _spent(running).get(today) == 0.5, "the next process knows what was spent")
    assert (pending(ledger), differences(ledger)) == (0, [])
    busy.write([making.completion(cost_usd=0.5, at=ledger.clock.now() - 1.0)])
    running.until(lambda: _spent(running).get(today) == 1.0, "a process that serves already knows it, too")
    assert (pending(ledger), differences(ledger)) == (0, [])


def test_what_others_change_is_read_with_what_this_process_left(
    busy: Transactions, ledger: Database, making: RecordMaker, start_writer: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.writing.deferring.FOLD_SECONDS", 3_600.0)
    running = start_writer(ledger, deferring=True)
    now, today = ledger.clock.now(), ("rtr_a", day_of(ledger.clock.now()))
    for _ in range(3):
        running.write(making.completion(cost_usd=0.5, at=now - 2.0))
        busy.write([making.completion(cost_usd=0.25, at=now - 2.0)])
        busy.fold_some()
        busy.write([])
    running.until(lambda: _spent(running).get(today) == 2.25, "both processes' dollars are known")
    for change in running.changes:  # never less than what this process had spent
        spent = change.spend_usd.get(today)
        assert spent is None or spent >= 0.5


def _spent(running: RunningWriter) -> dict[tuple[str, int], float]:
    return {key: usd for change in running.changes for key, usd in change.spend_usd.items()}


def test_a_busy_writer_leaves_nothing_when_it_is_closed(
    ledger: Database, making: RecordMaker, start_writer: Start
) -> None:
    running = start_writer(ledger, deferring=True)
    for _ in range(40):
        running.write(making.completion())
    running.writer.close()
    assert (pending(ledger), differences(ledger)) == (0, [])


def test_a_router_whose_statistics_are_all_pending_has_some_to_be_rebuilt(
    busy: Transactions, ledger: Database, making: RecordMaker
) -> None:
    busy.write([making.completion("rtr_a")])
    with ledger.write() as connection:
        assert mark_due(connection, "rtr_a", NOW)
        assert not mark_due(connection, "rtr_b", NOW)


def test_what_a_process_has_summed_up_with_former_half_lives_is_found_by_the_last_look(
    busy: Transactions, ledger: Database, making: RecordMaker
) -> None:
    faster = Rebuild(ledger, learn_scores, lambda router_id, signal: half_life(router_id, signal) / 60.0)
    busy.write([making.completion(at=NOW)])
    fold_all(busy)
    with ledger.write() as connection:
        mark_due(connection, "rtr_a", later(1.0))
    assert faster.run_due(later(1.0)) == ["rtr_a"]
    for seconds in (1.0, 30.0):
        busy.write([making.completion(at=later(seconds))])  # it is not told yet
    fold_all(busy)
    assert [faster.run_due(later(seconds)) for seconds in (2.0, 7.0, 8.0)] == [[], ["rtr_a"], []]
    assert faster.check() == []
    with ledger.read() as connection:
        assert read_due(connection) == []


def test_a_row_that_can_t_be_read_or_added_is_dropped_alone_and_a_rebuild_mends_it(
    busy: Transactions, ledger: Database, making: RecordMaker
) -> None:
    for _ in range(7):
        busy.write([making.completion()])
    with ledger.write() as connection:
        (events,) = connection.execute(select(pending_events.c.events).where(pending_events.c.id == 1)).one()
        decoded = msgspec.msgpack.decode(events)
        decoded[0][0][-1][0][4] = 2**64 - 1  # the first call's prompt tokens
        damages = {
            2: msgspec.msgpack.encode(decoded),
            3: b"\x00damaged",
            4: events[:-1],
            5: events.replace(b"rtr_a", b"rtr_\xff"),
            6: events.decode("latin-1"),
        }
        for number, damaged in damages.items():
            driver: Any = connection.connection.driver_connection
            driver.execute("UPDATE pending_events SET events = ? WHERE id = ?", (damaged, number))
    assert differences(ledger)  # and no error
    fold_all(busy)
    assert pending(ledger) == 0
    with ledger.read() as connection:
        counted = select(func.sum(key_usage.c.requests)).where(key_usage.c.width == DAY)
        assert connection.execute(counted).scalar_one() == 2
    rebuild(ledger)
    assert differences(ledger) == []


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_row_with_a_number_that_is_not_finite_is_dropped_and_a_rebuild_counts_nothing_twice(
    number: float, busy: Transactions, ledger: Database, making: RecordMaker
) -> None:
    for _ in range(4):
        busy.write([making.completion()])
    with ledger.write() as connection:
        rows = connection.execute(select(pending_events)).all()
        for row, damage in zip(rows[1:], (_damaged_cost, _damaged_end, _damaged_statistic), strict=True):
            damaged = damage(msgspec.msgpack.decode(row.events), number)
            connection.execute(
                pending_events.update()
                .where(pending_events.c.id == row.id)
                .values(events=msgspec.msgpack.encode(damaged))
            )
    assert differences(ledger)
    assert rebuild(ledger)
    assert (pending(ledger), differences(ledger)) == (0, [])
    busy.write([making.completion()])
    busy.fold_some()
    assert (pending(ledger), differences(ledger)) == (0, [])


def _damaged_cost(events: Any, number: float) -> Any:
    events[0][0][15] = events[0][0][-1][0][3] = number
    return events


def _damaged_end(events: Any, number: float) -> Any:
    events[0][0][9] = number
    return events


def _damaged_statistic(events: Any, number: float) -> Any:
    events[2][0][1][2] = number
    return events


def test_a_fold_that_finds_the_disk_full_drops_nothing(
    busy: Transactions, ledger: Database, making: RecordMaker
) -> None:
    busy.write([making.completion()])
    with ledger.write() as connection:
        connection.exec_driver_sql("ALTER TABLE fixed_sums RENAME TO gone")  # an error that is not of a value
    with pytest.raises(DatabaseUnavailable):
        busy.fold_some()
    with ledger.write() as connection:
        connection.exec_driver_sql("ALTER TABLE gone RENAME TO fixed_sums")
    assert (pending(ledger), differences(ledger)) == (1, [])


def test_a_ledger_that_does_not_know_a_signal_keeps_what_was_learned_of_it(
    busy: Transactions, ledger: Database, making: RecordMaker
) -> None:
    busy.write([making.completion()])
    with ledger.write() as connection:
        (events,) = connection.execute(select(pending_events.c.events)).one()
        newer = msgspec.msgpack.decode(events)
        newer[2].append([["rtr_a", "m/one", "", "of a newer version"], [NOW, 60.0, 1.0, 1.0, 1.0]])
        newer.append("a part of a newer version")
        connection.execute(pending_events.update().values(events=msgspec.msgpack.encode(newer)))
    assert differences(ledger) == []
    busy.fold_some()
    assert differences(ledger) == []
    with ledger.read() as connection:
        assert connection.execute(select(arms.c.weight).where(arms.c.signal == "of a newer version")).all() == [(1.0,)]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_is_pending_is_folded_when_a_ledger_is_copied(
    kind: str, busy: Transactions, ledger: Database, tmp_path: Path, opening: Opening, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path / 'target.db'}"
    if kind == "postgresql":
        url = f"{request.getfixturevalue('empty_postgresql_url')}&schema=target"
    target = opening(url)
    write(busy, RecordMaker())
    copy_ledger(ledger, target, lambda table, count: None)
    assert (pending(target), differences(target)) == (0, [])
    busy.fold_some()
    for found, expected in zip(rows(target), rows(ledger), strict=True):
        assert len(found) == len(expected) > 2


def test_events_that_a_clock_which_was_ahead_has_left_are_moved_to_the_present(
    busy: Transactions, ledger: Database, making: RecordMaker
) -> None:
    busy.write([making.completion(at=time.time() + 365.0 * DAY)])
    assert pending(ledger) == 1
    future = FutureEvents(ledger)
    assert future.move_back() == 1
    assert pending(ledger) == 0
    for rebuilding in (ActivityRebuild(ledger), FixedSumsRebuild(ledger), UsageRebuild(ledger), statistics(ledger)):
        rebuilding.run()
        assert rebuilding.check() == []
    assert future.latest() is None
