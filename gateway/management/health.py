"""What is broken in any process that serves the ledger, and what to do about it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from bandit.types import Epoch
from gateway.errors import InsufficientScope
from gateway.maintenance.heartbeat import CLOCK_SECONDS, OVERDUE_SECONDS
from gateway.management.api_keys import list_key_labels
from gateway.management.context import Management
from storage.calendar import DAY, day_of
from storage.stores.keys import Keys
from storage.stores.refused import RefusedRecords
from storage.stores.replicas import Finding, ModelState, Replica, Replicas
from storage.stores.routers import Routers
from storage.stores.unmatched import Unmatched, UnmatchedScores
from storage.writing.failover import State

ENDS_SOON_SECONDS = 7 * 86_400.0
MOST_UNMATCHED = 20
"""Keys and days whose unmatched scores are told."""

Severity: TypeAlias = Literal["error", "warning", "info"]
_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")

_REMEDIES = {
    "not_serving": "see the log of that process; requests go to the other ones",
    "configuration_refused": "correct the file and read it again: POST /admin/reload, or SIGHUP",
    "model_left_out": "configure its provider or model, or disable it in the router",
    "judging_idle": "configure a judge, a second model, or resume the judge once its provider takes the key",
    "spool_problem": "see what the message names; nothing is deleted by itself",
    "router_unreadable": "change the setting that is named, or go back to the version that has written it",
    "router_unusable": "enable another model, or fix what its models are parked for",
}


class FindingView(BaseModel):
    """Something to see to. `since`: when it began, or was heard of first; `link`: the call that shows or mends it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "severity": "error",
                    "kind": "model_parked",
                    "text": "openai/gpt-5.5 is parked in 2 of 2 processes: Incorrect API key provided",
                    "remedy": "fix the key or the model's name, then resume it",
                    "since": 1_764_000_000.0,
                    "link": "/admin/models/openai/gpt-5.5/resume",
                }
            ]
        }
    )

    severity: Severity
    kind: str
    text: str
    remedy: str
    since: float | None = None
    link: str | None = None


class ReplicaModelView(BaseModel):
    """A model that a process sends no requests to until `until`, and why."""

    id: str
    state: str
    reason: str
    since: float
    until: float


class ReplicaView(BaseModel):
    """A process that serves the ledger, as its last heartbeat told it; null: not told yet.

    `ledger` is `ok`, `spooling` or `full`; `queued` and `spooled` requests wait to be written.
    """

    id: str
    host: str
    pid: int
    version: str
    started_at: float
    heard_at: float
    ledger: str | None
    queued: int | None
    spooled: int | None
    models: list[ReplicaModelView]


class HealthView(BaseModel):
    """Findings, the most severe first, and the processes."""

    object: str = "health"
    findings: list[FindingView]
    replicas: list[ReplicaView]


def get_health(management: Management) -> HealthView:
    """The health of all processes. Raises InsufficientScope for a key of some routers."""
    if management.router_ids is not None:
        raise InsufficientScope("this API key is for some routers, and health is about all", should_retry=False)
    replicas = Replicas(management.database).all()
    found = [
        *_of_models(replicas),
        *(finding for replica in replicas for finding in _of_replica(replica, management.now)),
        *_of_versions(replicas),
        *_of_routers(management),
        *_of_records(management),
        *_of_keys(management),
        *_of_scores(management),
    ]
    found.sort(key=lambda finding: _SEVERITIES.index(finding.severity))
    return HealthView(findings=found, replicas=[_view(replica) for replica in replicas])


def _of_models(replicas: Sequence[Replica]) -> Iterator[FindingView]:
    """One finding per model and state, of all processes that tell it."""
    told: dict[tuple[str, str], list[ModelState]] = defaultdict(list)
    for replica in replicas:
        for model in replica.state.models if replica.state else ():
            told[model.model_id, model.state].append(model)
    for (model_id, state), models in sorted(told.items()):
        where = f"in {len(models)} of {len(replicas)} processes"
        parked = state == "parked"
        yield FindingView(
            severity="error" if parked else "warning",
            kind=f"model_{state}",
            text=f"{model_id} {'is parked' if parked else 'cools down'} {where}: {models[0].reason}",
            remedy="fix the key, the account or the model's name, then resume it"
            if parked
            else "its requests go to the other models; it is tried again by itself",
            since=min(model.since for model in models),
            link=f"/admin/models/{model_id}/resume",
        )


def _of_replica(replica: Replica, now: float) -> Iterator[FindingView]:
    name = f"{replica.host}, process {replica.pid}"
    silence = now - replica.heartbeat_at
    if silence > OVERDUE_SECONDS:
        yield FindingView(
            severity="warning" if replica.spooling_since is None else "error",
            kind="replica_silent",
            text=f"{name} was not heard of for {silence:,.0f} s",
            remedy=f"start it again where it was: its spool may hold requests ({replica.spool}*)",
            since=replica.heartbeat_at,
        )
        return
    if abs(replica.clock_ahead_seconds) > CLOCK_SECONDS:
        ahead = replica.clock_ahead_seconds
        yield FindingView(
            severity="warning",
            kind="clock_off",
            text=f"the clock of {name} is {abs(ahead):,.0f} s {'ahead of' if ahead > 0 else 'behind'} the database's",
            remedy="set it; events are recorded at the database's time",
        )
    state = replica.state
    if state is None:
        return
    if state.ledger != State.OK.value:
        yield FindingView(
            severity="error",
            kind=f"ledger_{state.ledger}",
            text=f"{name} could not write to the database: {state.spooled:,} requests wait in its spool",
            remedy="see why the database is slow, full or away; the spool is written by itself afterwards",
            since=replica.spooling_since,
        )
    told: list[tuple[Severity, Finding]] = [("error", problem) for problem in state.problems]
    told += [("warning", note) for note in state.notes]
    for severity, each in told:
        yield FindingView(
            severity=severity,
            kind=each.kind,
            text=f"{name}: {each.text}",
            remedy=_REMEDIES.get(each.kind, "see the log of that process"),
        )


def _of_versions(replicas: Sequence[Replica]) -> Iterator[FindingView]:
    versions = sorted({replica.version for replica in replicas})
    if len(versions) > 1:
        yield FindingView(
            severity="info",
            kind="versions_differ",
            text=f"processes of versions {', '.join(versions)} serve this ledger",
            remedy="usual during an upgrade; otherwise restart the older ones",
        )


def _of_routers(management: Management) -> Iterator[FindingView]:
    store = Routers(management.database)
    if not store.names():
        yield FindingView(
            severity="error",
            kind="no_router",
            text="there is no router",
            remedy="create one, or declare one in the configuration file",
            link="/admin/routers",
        )
    for router_id, since in store.without_models():
        yield FindingView(
            severity="warning",
            kind="router_without_models",
            text=f"router {router_id} has no enabled model",
            remedy="enable one",
            since=since,
            link=f"/admin/routers/{router_id}",
        )


def _of_records(management: Management) -> Iterator[FindingView]:
    count = RefusedRecords(management.database).count()
    if count:
        yield FindingView(
            severity="error",
            kind="records_refused",
            text=f"the database refused the records of {count:,} requests",
            remedy="see why with `bandit-gateway records list`, then write them with `records retry`",
        )


def _of_keys(management: Management) -> Iterator[FindingView]:
    """API keys that end soon: unlike revoked ones, nobody ended them on purpose."""
    for key in Keys(management.database).ending(management.now, management.now + ENDS_SOON_SECONDS):
        days = ((key.expires_at or management.now) - management.now) / 86_400.0
        yield FindingView(
            severity="info",
            kind="key_ends_soon",
            text=f"API key {key.id} ({key.label}) ends in {days:.1f} days",
            remedy="change its end, or rotate it",
            link=f"/admin/api-keys/{key.id}",
        )


def _of_scores(management: Management) -> Iterator[FindingView]:
    """Scores of today and yesterday that matched no completion: nothing is learned of them, and nobody else notices."""
    today = day_of(Epoch(management.now))
    found: dict[str, list[UnmatchedScores]] = defaultdict(list)
    for key_id, scores in Unmatched(management.database).since(today - 1, MOST_UNMATCHED):
        found[key_id].append(scores)
    labels = dict(list_key_labels(management)) if found else {}
    for key_id, days in found.items():
        count = sum(each.count for each in days)
        yield FindingView(
            severity="warning",
            kind="scores_unmatched",
            text=f"{count:,} {'request' if count == 1 else 'requests'} with scores of API key {key_id} "
            f"({labels.get(key_id, 'unknown')}) matched no completion, the last one: {days[0].example}",
            remedy="send the `id` of the answer, by the key that asked for it or by one with the scope `feedback`",
            since=float((today - 1) * DAY),
            link=f"/admin/api-keys/{key_id}",
        )


def _view(replica: Replica) -> ReplicaView:
    state = replica.state
    return ReplicaView(
        id=replica.id,
        host=replica.host,
        pid=replica.pid,
        version=replica.version,
        started_at=replica.started_at,
        heard_at=replica.heartbeat_at,
        ledger=None if state is None else state.ledger,
        queued=None if state is None else state.queued,
        spooled=None if state is None else state.spooled,
        models=[
            ReplicaModelView(
                id=model.model_id, state=model.state, reason=model.reason, since=model.since, until=model.until
            )
            for model in (state.models if state else ())
        ],
    )
