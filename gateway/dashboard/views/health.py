"""The page of the gateway's health: what is broken, and what to do."""

from collections.abc import Sequence
from dataclasses import replace

from bandit.quick import quick_dataclass
from gateway.dashboard.formats import seconds, span
from gateway.dashboard.visit import Visit
from gateway.management.health import FindingView, ReplicaView, get_health
from gateway.management.own_wait import own_seconds
from storage.errors import DatabaseUnavailable
from storage.writing.failover import State

RECENT_SECONDS = 5.0
_KINDS = {"error": "bad", "warning": "warn", "info": "info"}
_RESUME = ("/admin/models/", "/resume")


@quick_dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding. `resume` is the id of a model that a button can resume."""

    severity: str
    text: str
    remedy: str = ""
    resume: str = ""
    since: float | None = None


@quick_dataclass(frozen=True, slots=True)
class ReplicaRow:
    """A process that serves the ledger."""

    replica: ReplicaView
    heard: str
    runs: str


@quick_dataclass(frozen=True, slots=True)
class HealthPage:
    """All findings, the most severe first, and the processes."""

    findings: Sequence[FindingRow]
    replicas: Sequence[ReplicaRow]
    heard: str = ""


_AWAY = FindingRow(
    "bad",
    "The database does not answer",
    "Completions go on from the last snapshot, and are recorded in the local spool. See that the database runs and can "
    "be reached: the spool is then written by itself.",
)


def health_page(visit: Visit) -> HealthPage:
    """The findings, and the gateway's own share of the wait for a key of all routers."""
    page = findings_page(visit)
    own = own_seconds(visit.management) if page.heard else None
    if own is None:
        return page
    told = FindingRow("good", f"The gateway's own share of the wait: {seconds(own)} on average.")
    return replace(page, findings=[*page.findings, told])


def findings_page(visit: Visit) -> HealthPage:
    """What the processes have told; without the database, or for a key of some routers, what this one knows itself."""
    management = visit.management
    if management.router_ids is None:
        try:
            health = get_health(management)
        except DatabaseUnavailable:
            return HealthPage([_AWAY, *_own_findings(visit), *_spool(visit)], ())
        rows = [_row(finding) for finding in health.findings]
        replicas = [
            ReplicaRow(each, span(management.now - each.heard_at), span(management.now - each.started_at))
            for each in health.replicas
        ]
        heard = sum(management.now - each.heard_at <= RECENT_SECONDS for each in health.replicas)
        processes = f"{len(replicas)} process{'' if len(replicas) == 1 else 'es'}"
        told = f"{heard} of {processes} heard from within {RECENT_SECONDS:.0f} s"
        return HealthPage([*rows, *_ledger(visit)], replicas, told)
    return HealthPage([*_own_findings(visit), *_ledger(visit)], ())


def _row(finding: FindingView) -> FindingRow:
    link, (before, after) = finding.link or "", _RESUME
    resume = link.removeprefix(before).removesuffix(after) if link.startswith(before) and link.endswith(after) else ""
    return FindingRow(_KINDS[finding.severity], finding.text, finding.remedy, resume, finding.since)


def _own_findings(visit: Visit) -> list[FindingRow]:
    standing = visit.standing
    rows = [FindingRow("bad", problem) for problem in standing.problems]
    rows += [FindingRow("warn", note) for note in standing.notes]
    rows += [
        FindingRow("warn", f"{model_id}: {reason}", "Its requests go to the other models meanwhile.")
        for model_id, reason in standing.unavailable.items()
        if not any(note.startswith(f"{model_id}: ") for note in standing.notes)
    ]
    return [*rows, *(FindingRow("info", remark) for remark in standing.remarks)]


def _ledger(visit: Visit) -> list[FindingRow]:
    standing = visit.standing
    if standing.ledger is not State.OK:
        return _spool(visit)
    waiting = f"{standing.queued:,} requests wait to be written" if standing.queued else "nothing waits"
    return [FindingRow("good", f"The ledger answers, {waiting}, the spool is empty.")]


def _spool(visit: Visit) -> list[FindingRow]:
    waiting = visit.standing.queued + visit.standing.spooled
    return [FindingRow("bad" if waiting else "info", f"{waiting:,} records wait to be written, here and in the spool.")]
