"""Compares what the clients saw with the ledger: a request has one outcome if and only if a router took it."""

from pathlib import Path

from gateway.maintenance.rebuild import rebuild_of
from storage.database.engine import Database
from storage.stores.ledger import Ledger
from tests.reliability.soak.clients import Memory
from tests.reliability.soak.gateway import ENDLESS, LARGE, MIXED

COMPLAINTS = ("Traceback", "unhandled", "never retrieved", "reason of our own", "without completing", "was destroyed")
"""The log of a healthy gateway contains none of these."""


def audit_ledger(database: Database, memory: Memory) -> tuple[int, list[str]]:
    """The number of outcomes, and what is wrong with them as sentences."""
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
    """The lines of the gateway's log that contain a complaint."""
    return [line for line in log.read_text(errors="replace").splitlines() if any(word in line for word in COMPLAINTS)]
