"""Reading the ledger: pages, spend, traffic, and the whole of it as a stream."""

import pytest
from sqlalchemy import text

from bandit.types import Epoch
from storage.activity import Traffic
from storage.calendar import day_of
from storage.database.clock import DatabaseClock
from storage.database.engine import Database
from storage.errors import InvalidCursor
from storage.records import Status
from storage.replication.changes import read_everything
from storage.stores import ledger
from storage.stores.exports import EXPORTS
from storage.stores.ledger import Ledger
from tests.support.memory import least_peak
from tests.support.records import NOW, RecordMaker, RunningWriter, later
from tests.support.waiting import wait_until


def test_pages_show_every_decision_once_the_newest_first(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    records = [making.completion(at=NOW + number // 4) for number in range(23)]  # four at the same instant
    running.write(*records, making.completion("rtr_other"))
    ledger = Ledger(database)
    seen: list[str] = []
    cursor: str | None = None
    sizes: list[int] = []
    while not sizes or cursor:
        page = ledger.decisions("rtr_a", cursor, limit=5)
        sizes.append(len(page.views))
        seen += [view.decision.completion_id for view in page.views]
        cursor = page.cursor
    assert seen == [record.decision.completion_id for record in reversed(records)]
    assert sizes == [5, 5, 5, 5, 3]


def test_pages_stay_in_place_while_decisions_are_added(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    records = [making.completion(at=NOW + number) for number in range(4)]
    running.write(*records)
    ledger = Ledger(database)
    first = ledger.decisions("rtr_a", limit=2)
    running.write(making.completion(at=NOW + 100))
    second = ledger.decisions("rtr_a", first.cursor, limit=2)
    assert [view.decision.completion_id for view in second.views] == [
        records[1].decision.completion_id,
        records[0].decision.completion_id,
    ]
    assert second.cursor is None


@pytest.mark.parametrize("cursor", ["", "x", "1.0", "~req_1", "soon~req_1", "nan~req_1"])
def test_a_cursor_that_was_not_given_out_is_refused(database: Database, cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        Ledger(database).decisions("rtr_a", cursor)


def test_a_router_without_decisions_has_an_empty_page(database: Database) -> None:
    page = Ledger(database).decisions("rtr_a")
    assert (page.views, page.cursor) == ((), None)
    assert Ledger(database).decision("req_unknown") is None
    assert list(Ledger(database).export("rtr_a")) == []


def test_a_days_spend_is_what_its_attempts_cost(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    midnight = Epoch(day_of(NOW) * 86_400.0)
    database.clock = DatabaseClock(wall=lambda: midnight + 86_000.0)
    running.write(
        making.completion(at=midnight - 1.0, cost_usd=8.0),  # ends half a second before midnight
        making.completion(at=midnight - 0.1, cost_usd=1.0),
        making.completion(at=midnight + 86_000.0, cost_usd=2.0, attempts=2),
        making.completion("rtr_b", at=midnight, cost_usd=32.0),
    )
    today = day_of(midnight)
    assert read_everything(database)[0].spend_usd == {
        ("rtr_a", today - 1): pytest.approx(8.0),
        ("rtr_a", today): pytest.approx(3.0),
        ("rtr_b", today): pytest.approx(32.0),
    }


def test_traffic_counts_draws_answers_calls_failures_tokens_and_dollars(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    running.write(
        making.completion(model_id="m/one", cost_usd=1.0),
        making.completion(model_id="m/one", cost_usd=1.0, attempts=2),
        making.completion(model_id="m/two", cost_usd=0.5, status=Status.FAILED),
    )
    running.write(making.completion(model_id="m/two", at=NOW - 2 * 86_400.0))
    assert Ledger(database).traffic("rtr_a", NOW) == {
        "m/one": Traffic(1, 2, 2, 0, 200, 100, 1.5),
        "m/failing": Traffic(1, 0, 1, 1, 100, 50, 0.5),
        "m/two": Traffic(1, 0, 1, 1, 100, 50, 0.5),
    }
    assert Ledger(database).traffic("rtr_a", later(-3 * 86_400.0))["m/two"].answered == 1


def test_an_export_holds_everything_with_its_score(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    record = making.completion(attempts=2, instructions="Prefer speed.")
    running.write(record, making.completion("rtr_b"))
    running.write(
        (
            making.score(record.decision.completion_id, 0.2),
            making.score(record.decision.completion_id, 0.6, source="judge"),
        )
    )
    (row,) = Ledger(database).export("rtr_a")
    assert (row["completion_id"], row["sources"], row["instructions"]) == (
        record.decision.completion_id,
        2,
        "Prefer speed.",
    )
    assert row["score"] == pytest.approx(0.4)
    assert (row["propensity"], row["cost_usd"], row["status"]) == (0.5, 0.002, "answered")
    assert "learned" not in row


def test_an_export_takes_the_same_memory_however_long_it_is(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    sizes = {"rtr_short": 600, "rtr_long": 2_400}
    for router_id, size in sizes.items():
        running.write(*(making.completion(router_id) for _ in range(size)))

    def read(router_id: str) -> None:
        assert sum(1 for _ in Ledger(database).export(router_id)) == sizes[router_id]

    short, long = least_peak(lambda: read("rtr_short")), least_peak(lambda: read("rtr_long"))
    assert long < 2 * short, "of four times as many requests"


def count_open_transactions(database: Database) -> int:
    """How many of PostgreSQL's transactions on this database wait for their client."""
    of = "FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()"
    with database.read() as connection:
        return int(connection.execute(text(f"SELECT count(*) {of}")).scalar_one())


def test_an_export_holds_nothing_up_while_its_reader_takes_its_time(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    """Between two pages SQLite's write-ahead log can be emptied, and PostgreSQL has no transaction open."""
    running.write(*(making.completion() for _ in range(600)))
    rows = Ledger(database).export("rtr_a")
    first = next(rows)
    later_ones = [making.completion() for _ in range(300)]
    running.write(*later_ones)
    if database.sqlite:
        with database.read() as connection:
            connection.rollback()
            connection.execution_options(isolation_level="AUTOCOMMIT")
            assert connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar() == 0  # not busy
    else:
        wait_until(lambda: not count_open_transactions(database), "no transaction is open")
    exported = [first["completion_id"], *(row["completion_id"] for row in rows)]
    assert len(exported) == len(set(exported)) == 900


@pytest.mark.parametrize("what", sorted(EXPORTS))
def test_pages_of_an_export_are_the_whole_in_order(
    database: Database, running: RunningWriter, making: RecordMaker, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [making.completion(model_id=f"m/{number}", attempts=3, at=NOW + number // 3) for number in range(11)]
    running.write(*records)
    running.write(*((making.score(record.decision.completion_id, 0.5),) for record in records))
    whole = list(Ledger(database).export("rtr_a", what))
    assert len(whole) >= 11
    for size in (1, 4, len(whole)):
        monkeypatch.setattr(ledger, "_ROWS_AT_ONCE", size)
        assert list(Ledger(database).export("rtr_a", what)) == whole
