"""What a look at other processes' changes does to what this process has left to a fold."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event, func, select

from storage.calendar import DAY
from storage.database.engine import Database
from storage.database.revisions import Topic
from storage.errors import DatabaseUnavailable
from storage.pending_events import part_of
from storage.records import KeyLimits, KeyRecord
from storage.replication.changes import Changed, read_everything
from storage.stores.arms import Arms
from storage.stores.keys import Keys
from storage.tables import pending_events
from storage.writing.follower import Follower
from storage.writing.transaction import Transactions
from tests.support.databases import Opening
from tests.support.records import NOW, RecordMaker, assert_same_sums, learn_scores, pace

KEY = KeyRecord("key_1", "a" * 64, "", ("routing",), None, NOW)


class Looking:
    """A follower of a process that leaves everything to a fold."""

    def __init__(self, ledger: Database) -> None:
        self.ledger = ledger
        self.busy = Transactions(ledger, learn_scores, pace, deferring=True)
        self._told: list[Changed] = []
        _, position = read_everything(ledger)
        self.follower = Follower(ledger, self.busy, self._told.append, None, position)

    def look(self) -> Changed | None:
        """What a look has told."""
        self._told.clear()
        self.follower.poll()
        return self._told[0] if self._told else None

    @property
    def pending(self) -> int:
        """How many rows are pending."""
        with self.ledger.read() as connection:
            return connection.execute(select(func.count()).select_from(pending_events)).scalar_one()


@pytest.fixture
def looking(tmp_path: Path, opening: Opening, monkeypatch: pytest.MonkeyPatch) -> Iterator[Looking]:
    monkeypatch.setattr("storage.writing.follower.SQLITE_SECONDS", 0.0)
    monkeypatch.setattr("storage.writing.deferring.DIRECT", 0)
    looking = Looking(opening(f"sqlite:///{tmp_path / 'followed.db'}"))
    looking.look()
    yield looking
    looking.follower.close()
    looking.busy.close()


def test_a_look_that_finds_nothing_folds_nothing(looking: Looking, making: RecordMaker) -> None:
    keys = Keys(looking.ledger)
    keys.add(KEY)
    assert looking.look() == Changed({Topic.KEYS: frozenset({"key_1"})})
    looking.busy.write([making.completion()])
    keys.note_use({"key_1": NOW})  # a commit of another connection
    assert looking.look() is None
    assert looking.pending == 1


def test_what_is_read_has_what_was_left(looking: Looking, making: RecordMaker) -> None:
    looking.busy.write([making.completion()])
    another = Transactions(looking.ledger, learn_scores, pace)
    another.write([making.completion("rtr_b")])
    another.close()
    asked = list[str]()
    event.listen(looking.ledger.unpooled, "before_cursor_execute", lambda _c, _u, sql, *_: asked.append(sql))
    changed = looking.look()
    assert sum("FROM arms" in sql for sql in asked) == 1, "once, when all was folded"
    assert changed is not None
    assert_same_sums(dict(changed.sums), Arms(looking.ledger).sums())
    assert {key.router_id for key in changed.sums} == {"rtr_a", "rtr_b"}
    assert looking.pending == 0
    assert set(changed.folded) == {part_of("rtr_a")}


def test_a_part_is_told_as_soon_as_it_is_folded(
    looking: Looking, making: RecordMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However busy the other parts are: a quiet router's page waits for its own."""
    monkeypatch.setattr("storage.writing.deferring.FOLD_SECONDS", 0.0)
    routers = [f"rtr_{number}" for number in range(64)]
    looking.busy.write([making.completion("rtr_a")])
    told: set[int] = set()
    while part_of("rtr_a") not in told:
        looking.busy.write(
            [making.completion(router_id) for router_id in routers if part_of(router_id) != part_of("rtr_a")]
        )
        looking.busy.fold_part()
        changed = looking.look()
        told |= changed.folded if changed else set()
    assert looking.pending > 0


def test_a_ledger_that_can_t_be_read_is_unavailable(looking: Looking, making: RecordMaker) -> None:
    looking.busy.write([making.completion()])
    with looking.ledger.write() as connection:
        connection.exec_driver_sql("ALTER TABLE pending_events RENAME TO gone")
    with pytest.raises(DatabaseUnavailable):
        looking.look()


def test_what_another_process_has_left_is_read(looking: Looking, making: RecordMaker) -> None:
    """It draws no number, by which a look would notice it."""
    another = Transactions(looking.ledger, learn_scores, pace, deferring=True)
    looking.busy.write([making.completion()])
    another.write([making.completion("rtr_b")])
    another.close()
    changed = looking.look()
    assert changed is not None
    assert {key.router_id for key in changed.sums} == {"rtr_a", "rtr_b"}
    assert looking.pending == 0


def test_usage_of_a_key_that_gets_limits_is_read_with_what_was_left(looking: Looking, making: RecordMaker) -> None:
    keys = Keys(looking.ledger)
    keys.add(KEY)
    looking.look()
    looking.busy.write([making.completion(key_id="key_1", at=looking.ledger.clock.now(), cost_usd=0.25)])
    keys.replace(replace(KEY, limits=KeyLimits(usd_per_day=1.0)), former=KEY)
    changed = looking.look()
    assert changed is not None
    assert {usage.cost_usd for cell, usage in changed.usage.items() if cell.width == DAY} == {0.25}
    assert looking.pending == 0
