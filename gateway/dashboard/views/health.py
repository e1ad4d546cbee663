"""The page of the gateway's health: what is broken, and what to do."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.dashboard.visit import Visit
from storage.writing.failover import State


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding. `resume` is the id of a model that a button can resume."""

    severity: str
    text: str
    remedy: str = ""
    resume: str = ""


@dataclass(frozen=True, slots=True)
class HealthPage:
    """All findings, the most severe first."""

    findings: Sequence[FindingRow]


def health_page(visit: Visit) -> HealthPage:
    """What this process knows of itself, the database and the providers."""
    standing = visit.standing
    rows = [FindingRow("bad", problem) for problem in standing.problems]
    for note in standing.notes:
        model_id = next((each for each in standing.unavailable if note.startswith(f"{each}: ")), "")
        severity = "bad" if model_id else "warn"
        remedy = "Its requests go to the other models. Fix the cause, then resume it." if model_id else ""
        rows.append(FindingRow(severity, note, remedy, model_id))
    named = {row.resume for row in rows}
    rows += [
        FindingRow("warn", f"{model_id}: {reason}", "Its requests go to the other models meanwhile.")
        for model_id, reason in standing.unavailable.items()
        if model_id not in named
    ]
    rows += [FindingRow("info", remark) for remark in standing.remarks]
    if standing.ledger is State.OK:
        waiting = f"{standing.queued:,} requests wait to be written" if standing.queued else "nothing waits"
        rows.append(FindingRow("good", f"The ledger answers, {waiting}, the spool is empty."))
    else:
        rows.append(FindingRow("bad", f"{standing.spooled:,} requests wait in the local spool."))
    return HealthPage(rows)
