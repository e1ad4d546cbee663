"""Counts requests that are in the ledger, with their attempts and scores, as the writer counts new ones."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Select, Table, select

from bandit.types import Scores
from storage.activity import ActivityCounts
from storage.tables import attempts, scores

ROWS_AT_ONCE = 1_000

COUNTED = (
    *("completion_id", "router_id", "task", "drawn_model_id", "model_id", "status", "http_status", "explored"),
    *("ended_at", "seconds", "overhead_seconds"),
)
_ATTEMPT = (
    *("completion_id", "model_id", "ending", "prompt_tokens", "cached_tokens", "completion_tokens", "cost_usd"),
    "first_token_seconds",
)


def count_requests(
    connection: Connection,
    rows: Iterable[Any],
    counted: ActivityCounts,
    tried: Table = attempts,
    given: Table = scores,
) -> None:
    """Count requests: rows with the columns `COUNTED`. Those that versions without activity wrote are left out."""
    for some in _pieces(row for row in rows if row.explored is not None):
        ids = [row.completion_id for row in some]
        calls = _by_completion(connection, select(*(tried.c[name] for name in _ATTEMPT)), tried, ids)
        current = _by_completion(connection, select(given), given, ids)
        for row in some:
            counted.add_request(row, row, calls.get(row.completion_id, ()))
            if row.completion_id in current:
                counted.add_scores(_scores(row), _scores(row, current[row.completion_id]))


def _pieces(rows: Iterable[Any]) -> Iterator[list[Any]]:
    left = iter(rows)
    while some := list(islice(left, ROWS_AT_ONCE)):
        yield some


def _by_completion(
    connection: Connection, query: Select[Any], table: Table, ids: Sequence[str]
) -> dict[str, list[Any]]:
    key = table.c.completion_id
    # The range is redundant, but leaves out the partitions of other months.
    query = query.where(key.between(min(ids), max(ids)), key.in_(ids)).order_by(key)
    found: dict[str, list[Any]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.completion_id].append(row)
    return found


def _scores(request: Any, given: Sequence[Any] = ()) -> Scores:
    return Scores(
        request.router_id,
        request.model_id,
        request.task,
        request.ended_at,
        by_source={row.source: row.score for row in given},
        weights={row.source: row.weight for row in given if row.weight != 1.0},
    )
