"""Folds the ledger: sums all outcomes and current scores, which the statistics must equal."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, Select, Table, select

from bandit.statistics import Signal, StatisticKey, Sums
from bandit.types import Scores
from storage.deltas import DeltaSums, decode_deltas
from storage.maintenance.counting import COUNTED
from storage.maintenance.retired import read_retired
from storage.stores.arms import read_sums, select_sums
from storage.tables import checkpoints, decisions, scores
from storage.writing.scores import LearnScores

RouterHalfLife = Callable[[str, Signal], float | None]
"""A router's half-life of a signal, in seconds; None if it is not known: the rows of its statistics keep theirs."""

_ROWS_AT_ONCE = 1_000

_OUTCOME = (*COUNTED, "learned", "key_id", "prompt_tokens", "completion_tokens", "cost_usd")


class HalfLives:
    """Half-lives of the routers, or of deleted routers' statistics."""

    def __init__(self, of_router: RouterHalfLife, *kept: Iterable[tuple[StatisticKey, Sums]]) -> None:
        self._of_router = of_router
        self._known: dict[tuple[str, Signal], float] = {}
        self._kept = {(key.router_id, key.signal): sums.half_life for rows in kept for key, sums in rows}

    def __call__(self, router_id: str, signal: Signal) -> float:
        """Return seconds; infinite if neither is known."""
        key = (router_id, signal)
        known = self._known.get(key)
        if known is None:
            said = self._of_router(router_id, signal)
            known = self._known[key] = self._kept.get(key, float("inf")) if said is None else said
        return known


def fold(
    connection: Connection, half_life: HalfLives, learn_scores: LearnScores, router_id: str | None = None
) -> dict[StatisticKey, Sums]:
    """Compute the statistics of one router or of all from checkpoints, outcomes and scores alone."""
    gathered = DeltaSums()
    checkpoint = read_sums(connection.execute(of_router(select_sums(checkpoints), checkpoints, router_id)))
    for key, sums in checkpoint.items():
        gathered.add({key: dataclasses.replace(sums, half_life=half_life(key.router_id, key.signal))})
    tables = [(decisions, scores, "")]
    tables += [(month.decisions, month.scores, month.folded_to) for month in read_retired(connection)]
    for requests, given, folded_to in tables:
        left = requests.c.completion_id > folded_to
        outcomes = of_router(select_outcomes(requests), requests, router_id).where(left)
        current = of_router(current_scores(requests, given), requests, router_id).where(left)
        fold_outcomes(_stream(connection, outcomes), half_life, gathered)
        fold_scores(_stream(connection, current), learn_scores, half_life, gathered)
    return gathered.deltas()


def fold_outcomes(rows: Iterable[Any], half_life: HalfLives, gathered: DeltaSums) -> None:
    """Add the deltas of outcomes: rows with `router_id`, `ended_at` and `learned`."""
    for row in rows:
        gathered.add(dict(decode_deltas(row.learned, row.router_id, row.ended_at, half_life)))


def fold_scores(rows: Iterable[Any], learn_scores: LearnScores, half_life: HalfLives, gathered: DeltaSums) -> None:
    """Add the deltas of current scores: rows of `current_scores`, grouped by completion."""
    completion: Any = None
    by_source: dict[str, float] = {}
    weights: dict[str, float] = {}

    def learn() -> None:
        if completion is not None:
            place = (completion.router_id, completion.model_id, completion.task, completion.ended_at)
            for key, sums in learn_scores(Scores(*place), Scores(*place, by_source, weights)).items():
                seconds = half_life(key.router_id, key.signal)
                gathered.add({key: sums if sums.half_life == seconds else dataclasses.replace(sums, half_life=seconds)})

    for row in rows:
        if completion is None or row.completion_id != completion.completion_id:
            learn()
            completion, by_source, weights = row, {}, {}
        by_source[row.source] = row.score
        if row.weight != 1.0:
            weights[row.source] = row.weight
    learn()


def select_outcomes(requests: Table = decisions) -> Select[Any]:
    """Select what `fold_outcomes`, `deleted_usage` and `count_requests` need, of `decisions` or of a retired month."""
    return select(*(requests.c[name] for name in _OUTCOME))


def current_scores(requests: Table = decisions, given: Table = scores) -> Select[Any]:
    """Select all current scores with the router, model, task and instant that they count for."""
    columns = ("completion_id", "router_id", "model_id", "task", "ended_at")
    query: Select[Any] = select(
        *(requests.c[name] for name in columns), *(given.c[name] for name in ("source", "score", "weight"))
    )
    return query.join_from(given, requests, given.c.completion_id == requests.c.completion_id).order_by(
        given.c.completion_id
    )


def of_router(query: Select[Any], table: Any, router_id: str | None) -> Select[Any]:
    """Restrict a query to one router if one is given."""
    return query if router_id is None else query.where(table.c.router_id == router_id)


def _stream(connection: Connection, query: Select[Any]) -> Iterable[Any]:
    return connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(query)
