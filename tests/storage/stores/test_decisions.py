"""Pages of requests: filtered, complete, in order, and in bounded time."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from bandit.types import Epoch
from storage.database.engine import Database
from storage.database.months import first_id
from storage.errors import InvalidCursor
from storage.records import CompletionRecord, Status
from storage.stores import decisions
from storage.stores.decisions import DecisionFilter, Decisions
from tests.support.records import NOW, RecordMaker, RunningWriter, later

ROUTERS = ("rtr_a", "rtr_b", "rtr_c")
COUNT = 60


def record(making: RecordMaker, index: int) -> CompletionRecord:
    """Three requests each third second, of three routers, two keys, models and tasks; a tenth failed."""
    at = later(index - index % 3)
    made = making.completion(
        ROUTERS[index % 3],
        f"m/{index % 2}",
        completion_id=f"{first_id(at)}{index:020x}",
        at=at,
        key_id=f"key_{index // 30}",
        status=Status.FAILED if index % 10 == 9 else Status.ANSWERED,
        task="code" if index % 4 else "math",
    )
    conversation = f"{index % 7:016x}" if index % 7 else None
    return replace(made, decision=replace(made.decision, explored=index % 5 == 0, conversation=conversation))


@pytest.fixture
def ledger(database: Database, running: RunningWriter, making: RecordMaker) -> tuple[Decisions, list[CompletionRecord]]:
    records = [record(making, index) for index in range(COUNT)]
    for each in records:
        running.submit(each)
    scored = [making.score(records[index].decision.completion_id, index / 10, key_id="key_0") for index in (3, 4, 6)]
    running.write(*((each,) for each in scored))
    return Decisions(database), records[::-1]


def read_all(store: Decisions, wanted: DecisionFilter, limit: int) -> tuple[list[str], int]:
    """The ids of all pages, and how many pages there are."""
    ids: list[str] = []
    cursor, pages = None, 0
    while pages == 0 or cursor is not None:
        page = store.page(wanted, cursor, limit)
        ids += [row.completion_id for row in page.rows]
        cursor, pages = page.cursor, pages + 1
    return ids, pages


FILTERS: list[tuple[dict[str, Any], Any]] = [
    ({}, lambda d, o: True),
    ({"router_ids": ["rtr_a"]}, lambda d, o: d.router_id == "rtr_a"),
    ({"router_ids": ["rtr_a", "rtr_c"]}, lambda d, o: d.router_id != "rtr_b"),
    ({"router_ids": []}, lambda d, o: False),
    (
        {"key_id": "key_0", "router_ids": ["rtr_b"]},
        lambda d, o: d.key_id == "key_0" and d.router_id == "rtr_b",
    ),
    ({"model_id": "m/0"}, lambda d, o: "m/0" in {o.model_id, d.drawn_model_id}),
    ({"task": "math", "router_ids": ["rtr_a"]}, lambda d, o: (d.task, d.router_id) == ("math", "rtr_a")),
    ({"statuses": [Status.FAILED]}, lambda d, o: o.status is Status.FAILED),
    ({"statuses": [Status.ANSWERED]}, lambda d, o: o.status is Status.ANSWERED),
    ({"explored": True}, lambda d, o: d.explored),
    ({"explored": False, "router_ids": ["rtr_a"]}, lambda d, o: not d.explored and d.router_id == "rtr_a"),
    ({"conversation": f"{3:016x}"}, lambda d, o: d.conversation == f"{3:016x}"),
    (
        {"conversation": f"{3:016x}", "router_ids": ["rtr_a"]},
        lambda d, o: (d.conversation, d.router_id) == (f"{3:016x}", "rtr_a"),
    ),
    ({"since": later(10), "until": later(20)}, lambda d, o: later(10) <= d.at < later(20)),
    (
        {"since": later(10), "router_ids": ["rtr_a"]},
        lambda d, o: d.at >= later(10) and d.router_id == "rtr_a",
    ),
]


def test_pages_have_all_that_is_wanted_once_and_the_latest_first(
    ledger: tuple[Decisions, list[CompletionRecord]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, records = ledger
    for fields, wants in FILTERS:
        expected = [each.decision.completion_id for each in records if wants(each.decision, each.outcome)]
        for scanned, first in ((5_000, 100), (7, 100), (5_000, 3), (8, 2)):
            monkeypatch.setattr(decisions, "MOST_SCANNED", scanned)
            monkeypatch.setattr(decisions, "FIRST_SCANNED", first)
            assert read_all(store, DecisionFilter(**fields), 4)[0] == expected, fields


def test_a_page_ends_after_so_many_entries_and_says_how_far_it_has_searched(
    ledger: tuple[Decisions, list[CompletionRecord]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, records = ledger
    monkeypatch.setattr(decisions, "MOST_SCANNED", 10)
    page = store.page(DecisionFilter(task="unknown"))
    assert (page.rows, page.searched_to) == ((), records[9].decision.at)
    ids, pages = read_all(store, DecisionFilter(task="unknown"), 50)
    assert (ids, pages) == ([], COUNT // 10 + 1)
    # What an index finds by itself is not searched for.
    assert read_all(store, DecisionFilter(key_id="key_0"), 50)[1] == 1
    assert len(store.page(DecisionFilter(statuses=[Status.FAILED])).rows) == COUNT // 10


def test_a_search_goes_on_while_there_is_time(
    ledger: tuple[Decisions, list[CompletionRecord]], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = ledger[1]
    monkeypatch.setattr(decisions, "FIRST_SCANNED", 5)
    monkeypatch.setattr(decisions, "MOST_SCANNED", 40)
    monkeypatch.setattr(decisions, "MOST_SECONDS", 3.0)
    wanted = DecisionFilter(task="unknown")
    for seconds, searched in ((3.0, 5), (1.0, 5 + 10 + 10), (0.0, 40)):
        clock = itertools.count(0.0, seconds)
        page = Decisions(database, lambda: next(clock)).page(wanted, limit=1)  # noqa: B023
        assert page.searched_to == records[searched - 1].decision.at, seconds


def test_a_key_is_searched_without_the_rows_beyond_the_page(
    ledger: tuple[Decisions, list[CompletionRecord]], database: Database
) -> None:
    """Each may lie on a page of the disk of its own: where a search ends is found in the index alone."""
    if not database.sqlite:
        pytest.skip("PostgreSQL uses no index of a table that is nearly empty")
    asked: list[tuple[str, Any]] = []
    event.listen(database.engine, "before_cursor_execute", lambda _c, _u, sql, values, *_: asked.append((sql, values)))
    Decisions(database).page(DecisionFilter(key_id="key_1", task="code"))
    sql, values = next(each for each in asked if "FROM decisions" in each[0])
    with database.read() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).all()
    assert any("COVERING INDEX ix_decisions_key_id_at" in row[-1] for row in plan), plan


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (DecisionFilter(statuses=[Status.FAILED]), "ix_decisions_unanswered"),
        (DecisionFilter(router_ids=["rtr_a"], task="code"), "ix_decisions_router_id_at"),
        (DecisionFilter(key_id="key_1", router_ids=["rtr_a"]), "ix_decisions_key_id_at"),
        (DecisionFilter(task="code"), "sqlite_autoindex_decisions_1"),
    ],
)
def test_a_page_is_read_along_its_index(database: Database, wanted: DecisionFilter, index: str) -> None:
    if not database.sqlite:
        pytest.skip("PostgreSQL uses no index of a table that is nearly empty")
    asked: list[tuple[str, Any]] = []
    event.listen(database.engine, "before_cursor_execute", lambda _c, _u, sql, values, *_: asked.append((sql, values)))
    Decisions(database).page(wanted)
    with database.read() as connection:
        for sql, values in [each for each in asked if "FROM decisions" in each[0]][:2]:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).all()
            assert any(f"INDEX {index}" in row[-1] for row in plan), plan


def test_a_row_has_its_score_and_low_scores_are_found(ledger: tuple[Decisions, list[CompletionRecord]]) -> None:
    store, records = ledger
    rows = store.page(DecisionFilter(score_max=0.45)).rows
    assert [(row.completion_id, row.score) for row in rows] == [
        (records[COUNT - 1 - index].decision.completion_id, index / 10) for index in (4, 3)
    ]
    assert rows[0].status is Status.ANSWERED
    assert store.page(DecisionFilter(until=Epoch(NOW))).rows == ()


def test_a_cursor_that_was_not_given_out_is_refused(ledger: tuple[Decisions, list[CompletionRecord]]) -> None:
    for cursor in ("", "x", "1.0", "nan~req_1", "~"):
        with pytest.raises(InvalidCursor):
            ledger[0].page(DecisionFilter(), cursor)


def test_each_request_knows_its_routers_next_newer_and_older_one(
    ledger: tuple[Decisions, list[CompletionRecord]],
) -> None:
    store, records = ledger
    own = [each.decision for each in records if each.decision.router_id == "rtr_a"]
    ids = [None, *(each.completion_id for each in own), None]
    for place in (0, 1, len(own) - 1):
        found = store.neighbours("rtr_a", own[place].at, own[place].completion_id)
        assert found == (ids[place], ids[place + 2])
