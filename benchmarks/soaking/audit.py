"""Compares what the clients saw with the ledger: each request that a router took has one outcome, and no other has."""

from pathlib import Path

from benchmarks.soaking.clients import Memory
from benchmarks.soaking.serving import ENDLESS, LARGE, MIXED
from gateway.maintenance.rebuild import rebuild_of
from storage.database.engine import Database
from storage.stores.ledger import Ledger

COMPLAINTS = ("Traceback", "unhandled", "never retrieved", "reason of our own", "without completing", "was destroyed")
"""None of these is in the log of a gateway that is well."""


def audit_ledger(database: Database, memory: Memory) -> tuple[int, list[str]]:
    """How many outcomes there are, and what is wrong with them, in words."""
    recorded = {
        row["completion_id"] for router_id in (MIXED, LARGE, ENDLESS) for row in Ledger(database).export(router_id)
    }
    found = []
    routed = set(memory.routed)
    if len(routed) < len(memory.routed):
        found.append(f"{len(memory.routed) - len(routed)} request ids were given out twice")
    if missing := routed - recorded:
        found.append(f"{len(missing)} answered requests have no outcome, such as {min(missing)}")
    if refused := recorded & set(memory.unrouted):
        found.append(f"{len(refused)} refused requests have an outcome, such as {min(refused)}")
    unseen = recorded - routed
    if len(unseen) > memory.unknown:
        found.append(f"{len(unseen)} outcomes are of requests whose id nobody saw; {memory.unknown} clients left early")
    if differences := rebuild_of(database).check():
        found.append(f"{len(differences)} statistics are not what the ledger adds up to, such as {differences[0]}")
    return len(recorded), found


def read_log(log: Path) -> list[str]:
    """The lines of the gateway's log that complain."""
    return [line for line in log.read_text(errors="replace").splitlines() if any(word in line for word in COMPLAINTS)]
