"""Sums of savings are read as they were written."""

from typing import Any

from sqlalchemy import event, insert

from storage.database.engine import Database
from storage.fixed_sums import SUMS
from storage.stores.fixed_sums import FixedSumsStore
from storage.tables import fixed_sums

AWKWARD = (0.1, -1e-300, 1e300, 1 / 3, 5e-324, 0.0)


def test_sums_come_as_they_are_and_postgresql_sends_no_decimals(database: Database) -> None:
    sums = tuple(AWKWARD[place % len(AWKWARD)] for place in range(len(SUMS)))
    with database.write() as connection:
        key = {"router_id": "rtr_a", "day": 7, "task": "code", "model_id": "m/é"}
        connection.execute(insert(fixed_sums), {**key, **dict(zip(SUMS, sums, strict=True))})
    formats: list[Any] = []

    def note(_c: object, cursor: Any, sql: str, *_: Any) -> None:
        if "ww_cost" in sql:
            formats.append(getattr(cursor, "format", None))

    event.listen(database.engine, "after_cursor_execute", note)
    ((day, task, model_id, found),), days = FixedSumsStore(database).read("rtr_a", 7, 8)
    assert (day, task, model_id, tuple(found), days) == (7, "code", "m/é", sums, 1)
    assert formats == [None if database.sqlite else 1]
