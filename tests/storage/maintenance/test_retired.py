"""Months of a ledger on PostgreSQL: made ahead of time, retired whole, and nothing of what they taught is lost."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice

import pytest
from sqlalchemy import select, text

from bandit.learning import learn_scores
from bandit.statistics import Deltas
from bandit.types import Epoch, HalfLives, Scores
from gateway.maintenance.purge import purge_router
from gateway.maintenance.rebuild import rebuild_of, retention_of
from gateway.maintenance.retention import RetentionWorker
from storage.calendar import DAY
from storage.database.engine import Database
from storage.database.months import Month, add_months, first_id, month_of, read_months, read_suffixes
from storage.errors import CompletionNotFound, DatabaseUnavailable
from storage.maintenance.activity_rebuild import ActivityRebuild
from storage.maintenance.usage import UsageRebuild
from storage.records import Actor, CompletionRecord, Content, FeedbackRecord, RouterModel, RouterRecord, Via
from storage.stores.arms import Arms
from storage.stores.ledger import Ledger
from storage.stores.routers import Routers
from storage.tables import choices, decisions, retired_months
from storage.writing.transaction import Transactions
from tests.support.databases import Opening
from tests.support.months import divide_past
from tests.support.records import RunningWriter, Start, assert_same_sums, pace
from tests.support.records import learn_scores as learn_any
from tests.support.traffic import MODELS, ROUTER, make_records

OLD, NEXT = 30, 10


def test_months_follow_one_another() -> None:
    month = Month(2026, 11)
    assert (month.next(), month.next().next()) == (Month(2026, 12), Month(2027, 1))
    assert month_of(month.start) == month_of(Epoch(month.next().start - 0.001)) == month
    assert month.first_id == f"req_{1_793_491_200_000:012x}"
    assert month.first_id < first_id(Epoch(month.start + 1.0)) < month.next().first_id


@pytest.fixture
def ledger(empty_postgresql_url: str, opening: Opening) -> Database:
    """A ledger whose months began a while ago, with a router that keeps requests for 90 days."""
    database = opening(empty_postgresql_url)
    divide_past(database, Epoch(time.time() - 100 * DAY))
    put_router(database, ROUTER, 90)
    return database


def put_router(database: Database, router_id: str, days: int | str) -> None:
    settings = {"retention_days": days}
    models = tuple(RouterModel(model_id) for model_id in MODELS)
    Routers(database).put(RouterRecord(router_id, router_id, b"s" * 32, settings, models, Epoch(0.0), Epoch(0.0)))


@pytest.fixture
def months(ledger: Database) -> tuple[Month, Month, Month]:
    with ledger.read() as connection:
        first, second, third, *_ = read_months(connection)
    return first, second, third


@pytest.fixture
def running(ledger: Database, start_writer: Start) -> RunningWriter:
    def learn(before: Scores, after: Scores) -> Deltas:
        return learn_scores(before, after, HalfLives().quality)

    return start_writer(ledger, learn=learn)


def made(month: Month, count: int, seed: int = 1) -> Iterator[CompletionRecord]:
    return islice(make_records(seed, month.start + 60.0), count)


def scored(record: CompletionRecord, score: float) -> tuple[FeedbackRecord]:
    decision = record.decision
    id_ = decision.completion_id.replace("req_", "fbk_")
    return (FeedbackRecord(id_, decision.completion_id, decision.key_id, False, None, "user", score, decision.at),)


@pytest.fixture
def written(running: RunningWriter, months: tuple[Month, Month, Month]) -> list[CompletionRecord]:
    """Requests of two months, the first of each with content and a score."""
    first, second, _ = months
    records = [*made(first, OLD), *made(second, NEXT)]
    for number in (0, OLD):
        records[number] = replace(records[number], content=Content(b"asked", b"said"))
    running.write(*records)
    for number in (0, OLD):
        running.write(scored(records[number], 0.25))
    return records


def ids(database: Database) -> set[str]:
    with database.read() as connection:
        return set(connection.execute(select(decisions.c.completion_id)).scalars())


def tables(database: Database) -> set[str]:
    with database.read() as connection:
        query = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = to_regnamespace('bandit_gateway')"
        return set(connection.execute(text(query)).scalars())


def days_of(database: Database) -> ActivityRebuild:
    """The comparison of activity, of its days alone: minutes and hours of long ago are deleted."""
    return ActivityRebuild(database, lambda: 1e11)


def clean_at(database: Database, now: float) -> int:
    return RetentionWorker(database, lambda: Epoch(now)).delete_old()


def test_requests_are_in_the_partition_of_their_month(
    ledger: Database, written: list[CompletionRecord], months: tuple[Month, Month, Month]
) -> None:
    first, second, third = months
    with ledger.read() as connection:
        for table in ("decisions", "attempts", "feedback", "scores", "choices", "contents"):
            for suffix, some in ((first.suffix, True), (second.suffix, True), (third.suffix, False), ("other", False)):
                query = text(f"SELECT EXISTS (SELECT FROM {table}_{suffix})")  # noqa: S608
                assert connection.execute(query).scalar() == some, (table, suffix)
    assert days_of(ledger).check() == []
    assert rebuild_of(ledger).check() == []


def test_a_completion_is_written_once_whatever_its_month(ledger: Database, written: list[CompletionRecord]) -> None:
    batches = Transactions(ledger, learn_any, pace)
    assert batches.write(written, again=True).recorded == 0
    batches.close()
    assert len(ids(ledger)) == len(written)


def test_a_month_goes_whole_and_what_it_taught_stays_at_every_step(
    ledger: Database, running: RunningWriter, written: list[CompletionRecord], months: tuple[Month, Month, Month]
) -> None:
    first, second, _ = months
    before = Arms(ledger).sums()
    retention = retention_of(ledger)
    assert retention.retire_months(second.start, [ROUTER]) == [first.suffix]
    assert ids(ledger) == {record.decision.completion_id for record in written[OLD:]}
    assert days_of(ledger).check() == []
    assert rebuild_of(ledger).check() == [], "detached, and not in the checkpoints yet"
    assert UsageRebuild(ledger).check() == []
    folded = []
    while count := retention.fold_some(7):
        folded.append(count)
        assert days_of(ledger).check() == []
        assert rebuild_of(ledger).check() == [], "a part of it is in the checkpoints"
        assert UsageRebuild(ledger).check() == []
    assert folded == [7, 7, 7, 7, 2]
    assert days_of(ledger).check() == []
    assert rebuild_of(ledger).check() == []
    assert Arms(ledger).sums() == before
    assert {name for name in tables(ledger) if name.endswith(first.suffix)} == {f"choices_{first.suffix}"}
    with pytest.raises(CompletionNotFound):
        running.write(scored(written[1], 0.5))
    running.write(scored(written[-1], 0.5))
    view = Ledger(ledger).decision(written[OLD].decision.completion_id)
    assert view is not None
    assert view.decision.choice
    assert_same_sums(running.sums, Arms(ledger).sums())


def test_processes_that_fold_a_month_at_once_fold_each_request_once(
    ledger: Database, written: list[CompletionRecord], months: tuple[Month, Month, Month]
) -> None:
    retention = retention_of(ledger)
    retention.retire_months(months[1].start, [ROUTER])
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda _: retention_of(ledger).fold_some(5), range(24))) == OLD
    assert days_of(ledger).check() == []
    assert rebuild_of(ledger).check() == []


def test_a_purge_folds_a_month_with_the_half_lives_of_every_router(
    ledger: Database, running: RunningWriter, months: tuple[Month, Month, Month]
) -> None:
    first, second, _ = months
    put_router(ledger, "rtr_other", 90)
    router = next(record for record in Routers(ledger).all() if record.id == ROUTER)
    Routers(ledger).put(replace(router, settings={**router.settings, "half_lives": {"quality_seconds": 3_600}}))
    # Two scores of one model and task, days apart: what is left of the first depends on the half-life.
    record = next(made(first, 1))
    later = Epoch(record.decision.at + 9 * DAY)
    second_one = replace(
        record,
        decision=replace(record.decision, at=later, completion_id=f"{first_id(later)}{1:020x}"),
        outcome=replace(record.outcome, ended_at=later),
        deltas={},
    )
    running.write(record, second_one)
    running.write(scored(record, 0.25))
    running.write(scored(second_one, 0.75))
    rebuild_of(ledger).run(ROUTER)
    retention_of(ledger).retire_months(second.start, [ROUTER, "rtr_other"])
    purge_router(ledger, "rtr_other", second.start, Actor(Via.CLI), lambda erased: None)
    assert days_of(ledger).check() == []
    assert rebuild_of(ledger).check() == []


def test_choices_go_a_month_after_their_requests(
    ledger: Database, written: list[CompletionRecord], months: tuple[Month, Month, Month]
) -> None:
    first, second, third = months
    retention = retention_of(ledger)
    retention.retire_months(second.start, [ROUTER])
    assert retention.retire_months(third.start, [ROUTER]) == [second.suffix]
    left = {name for name in tables(ledger) if name.startswith("choices_")}
    assert f"choices_{first.suffix}" not in left
    assert {f"choices_{second.suffix}", f"choices_{third.suffix}", "choices_other"} <= left
    with ledger.read() as connection:
        assert connection.execute(select(choices.c.id)).first() is not None


def test_gateways_retire_months_and_delete_contents_on_the_day(
    ledger: Database, written: list[CompletionRecord], months: tuple[Month, Month, Month]
) -> None:
    first, second, _ = months
    before = Arms(ledger).sums()
    asked = written[OLD].decision.completion_id
    assert clean_at(ledger, second.start + 89 * DAY) == 0
    assert len(ids(ledger)) == OLD + NEXT
    assert Ledger(ledger).content(asked) is not None
    assert clean_at(ledger, second.start + 91 * DAY) == 0
    assert ids(ledger) == {record.decision.completion_id for record in written[OLD:]}
    assert Ledger(ledger).content(asked) is None, "its prompt is older than 90 days, if not all of its month"
    assert f"decisions_{first.suffix}" not in tables(ledger)
    with ledger.read() as connection:
        assert connection.execute(select(retired_months)).all() == []
        assert read_months(connection)[-1] >= month_of(Epoch(second.start + 91 * DAY)).next().next()
    assert Arms(ledger).sums() == before
    assert days_of(ledger).check() == []
    assert rebuild_of(ledger).check() == []


@pytest.mark.parametrize("kept", ["forever", "another version's", None], ids=str)
def test_a_month_stays_while_a_router_keeps_a_request_of_it(
    ledger: Database,
    running: RunningWriter,
    written: list[CompletionRecord],
    months: tuple[Month, Month, Month],
    kept: str | None,
) -> None:
    first, second, _ = months
    (other,) = made(first, 1, seed=2)
    other = replace(other, decision=replace(other.decision, router_id="rtr_other"), deltas={})
    running.write(other)
    if kept:
        put_router(ledger, "rtr_other", kept)
    clean_at(ledger, second.start + 91 * DAY)
    # Kept the longest by none of the routers that are known: by the day. Else by the month.
    younger = [] if kept else written[OLD:]
    assert ids(ledger) == {record.decision.completion_id for record in [other, *younger]}
    assert days_of(ledger).check() == []
    assert rebuild_of(ledger).check() == []


def test_a_month_that_is_being_read_is_retired_later(
    ledger: Database, written: list[CompletionRecord], months: tuple[Month, Month, Month]
) -> None:
    _, second, _ = months
    with ledger.snapshot() as connection:
        connection.execute(select(decisions.c.completion_id)).first()
        with pytest.raises(DatabaseUnavailable, match="lock timeout"):
            retention_of(ledger).retire_months(second.start, [ROUTER])
    assert len(ids(ledger)) == OLD + NEXT
    assert retention_of(ledger).retire_months(second.start, [ROUTER])


def test_what_comes_late_for_a_retired_month_is_kept_until_it_is_old(
    ledger: Database, running: RunningWriter, months: tuple[Month, Month, Month]
) -> None:
    first, second, _ = months
    retention_of(ledger).retire_months(second.start, [ROUTER])
    (late,) = made(first, 1)
    running.write(late)
    running.write(scored(late, 0.75))
    assert ids(ledger) == {late.decision.completion_id}
    with ledger.write() as connection:
        add_months(connection, first.start)
        assert first not in read_months(connection), "a month that was retired does not come back"
    assert days_of(ledger).check() == []
    assert rebuild_of(ledger).check() == []
    clean_at(ledger, second.start + 91 * DAY)
    assert ids(ledger) == set()
    assert days_of(ledger).check() == []
    assert rebuild_of(ledger).check() == []


def test_a_month_that_was_made_late_takes_what_came_before_it(ledger: Database, running: RunningWriter) -> None:
    far = month_of(Epoch(time.time() + 150 * DAY))
    records = list(made(far, 3))
    running.write(*records)
    running.write(scored(records[0], 0.75))
    with ledger.write() as connection:
        assert connection.execute(text("SELECT count(*) FROM decisions_other")).scalar() == 3
        add_months(connection, far.start)
        add_months(connection, far.start)
        assert connection.execute(text("SELECT count(*) FROM decisions_other")).scalar() == 0
        assert connection.execute(text(f"SELECT count(*) FROM scores_{far.suffix}")).scalar() == 1  # noqa: S608
        months = read_months(connection)
        assert months == sorted(months)
        assert set(read_suffixes(connection)) == {"other", *(month.suffix for month in months)}
        assert [month.next() for month in months[:-1]] == months[1:], "without a gap"
    assert days_of(ledger).check() == []
    assert rebuild_of(ledger).check() == []
