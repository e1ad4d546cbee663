"""Sums of savings are read as they were written."""

from typing import Any

import pytest
from sqlalchemy import event, insert

from storage.database.engine import Database
from storage.fixed_sums import SUMS
from storage.stores import fixed_sums as store
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


def test_those_of_several_routers_are_what_each_alone_has(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with database.write() as connection:
        for router_id, models in (("rtr_a", 2), ("rtr_b", 3), ("rtr_other", 1)):
            key = {"router_id": router_id, "day": 7, "task": "code"}
            rows = [{**key, "model_id": f"m/{n}", **dict.fromkeys(SUMS, n + 0.5)} for n in range(models)]
            connection.execute(insert(fixed_sums), rows)
    sums, asked = FixedSumsStore(database), ("rtr_a", "rtr_b", "rtr_none")
    alone = {router_id: sorted(sums.read(router_id, 7, 8)[0]) for router_id in asked}
    assert [len(cells) for cells in alone.values()] == [2, 3, 0]
    for most in (8_000, 4):  # in one query, and one by one
        monkeypatch.setattr(store, "MOST_CELLS", most)
        found = {router_id: sorted(cells) for router_id, cells in sums.read_each(asked, 7, 8).items()}
        assert found == alone
    assert sums.read_each([], 7, 8) == {}
