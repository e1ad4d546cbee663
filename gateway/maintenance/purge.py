"""Erases a router's requests and contents while gateways serve, and records in the audit trail that it was asked."""

import time
from collections.abc import Callable

from bandit.types import Epoch
from gateway.ids import new_id
from gateway.maintenance.rebuild import retention_of
from storage.database.engine import Database
from storage.records import Actor, AuditRecord
from storage.stores.audit import record_change

PAUSE = 1.0
"""Pause after a transaction, in lengths of the transaction, for the gateways' own."""

SHORTEST_PAUSE_SECONDS = 0.02


def purge_router(
    database: Database, router_id: str, before: Epoch, actor: Actor, progress: Callable[[int], None]
) -> int:
    """Erase the requests that were decided before an instant. Returns how many; `progress` is told after each piece.

    Statistics stay, without what could be told of a single request. Broken off, it goes on when it is called again.
    Raises DatabaseUnavailable.
    """
    retention = retention_of(database)
    _record(database, "router.purge", router_id, actor, before, retention.count_before(router_id, before))
    while retention.fold_some():  # months that are being retired are dropped when they are folded
        time.sleep(SHORTEST_PAUSE_SECONDS)
    erased = 0
    while True:
        began = time.monotonic()
        count = retention.delete_some(router_id, before, erase=True)
        erased += count
        if count:
            progress(erased)
        if not count and not retention.count_before(router_id, before):
            break
        _pause(began)
    began = time.monotonic()
    while retention.delete_choices(router_id, before, erase=True):
        _pause(began)
        began = time.monotonic()
    retention.erase_late_choices(router_id, before)
    _record(database, "router.purged", router_id, actor, before, erased)
    database.empty_log()
    return erased


def _pause(began: float) -> None:
    time.sleep(max(SHORTEST_PAUSE_SECONDS, PAUSE * (time.monotonic() - began)))


def _record(database: Database, action: str, router_id: str, actor: Actor, before: Epoch, requests: int) -> None:
    now = time.time()
    after = {"before": float(before), "requests": requests}
    with database.write() as connection:
        record_change(connection, AuditRecord(new_id("chg", now), now, actor, action, router_id, after=after))
