"""The audit trail: who changed what, and taking a change back."""

from collections.abc import Collection, Mapping, Sequence

from pydantic import BaseModel, JsonValue

from gateway.errors import Conflict, NotFound
from gateway.management.api_keys import change_api_key
from gateway.management.context import Management
from gateway.management.prices import ACTION
from gateway.management.routers import change_router
from storage.records import AuditRecord
from storage.stores.audit import Audit
from storage.stores.keys import Keys

REVERTIBLE = ("router.update", "api_key.update")
"""Actions that can be taken back. What is deleted or revoked is gone, and what was created can be deleted."""


class ActorView(BaseModel):
    """Who changed something: an API key, or whoever may run the command line or write the configuration file."""

    via: str
    key_id: str | None
    label: str | None


class ChangeView(BaseModel):
    """One change. `before` and `after` hold the changed fields alone; one that is absent had no value of its own.

    `forecast`: what was expected of it when it was applied, per request, from the log of so many days.
    """

    id: str
    object: str = "change"
    at: float
    actor: ActorView
    action: str
    target: str
    before: dict[str, JsonValue]
    after: dict[str, JsonValue]
    request_id: str | None
    reverted_by: str | None
    forecast: dict[str, JsonValue] | None = None


class ChangesView(BaseModel):
    """A page of changes, the latest first; `next_cursor` asks for the next one."""

    object: str = "list"
    data: list[ChangeView]
    next_cursor: str | None


def list_changes(management: Management, limit: int, cursor: str | None, target: str | None) -> ChangesView:
    """A page of changes: all, or those of one router, key or scorecard."""
    page = Audit(management.database).page(limit, before=cursor, target=target, targets=management.router_ids)
    return ChangesView(data=change_views(management, page.records), next_cursor=page.cursor)


def revert_change(management: Management, change_id: str) -> ChangeView:
    """Give the fields of a change their former values again, as a change of its own, and return that.

    Raises NotFound; Conflict `changed_since` if one of them has moved on meanwhile.
    """
    record = Audit(management.database).get(change_id)
    if record is None or (management.router_ids is not None and record.target not in management.router_ids):
        raise NotFound(f"there is no change {change_id[:80]}", code="change_not_found")
    if record.action not in REVERTIBLE:
        raise Conflict(f"a change {record.action} can't be taken back", code="not_revertible", should_retry=False)
    if record.reverted_by is not None:
        raise Conflict(f"change {change_id} was taken back already", code="changed_since", should_retry=False)
    names = (*record.before, *record.after)
    fields = {name: record.before.get(name) for name in names}
    if record.action == "api_key.update":
        change_api_key(management, record.target, fields, reverts=record)
    else:
        change_router(management, record.target, fields, reverts=record)
    if management.dry_run:
        return change_views(management, [record])[0]
    return change_views(management, Audit(management.database).page(1, target=record.target).records)[0]


def price_changes(management: Management, model_ids: Collection[str], limit: int) -> list[ChangeView]:
    """The latest changes of the prices of these models, the latest first."""
    page = Audit(management.database).page(limit, targets=model_ids, action=ACTION)
    return change_views(management, page.records)


def change_views(management: Management, records: Sequence[AuditRecord]) -> list[ChangeView]:
    """The views of changes, with the labels of those who made them."""
    key_ids = {record.actor.key_id for record in records if record.actor.key_id is not None}
    labels = {key.id: key.label for key in Keys(management.database).of(key_ids)}
    return [_view(record, labels) for record in records]


def _view(record: AuditRecord, labels: Mapping[str, str]) -> ChangeView:
    key_id = record.actor.key_id
    return ChangeView(
        id=record.id,
        at=record.at,
        actor=ActorView(via=record.actor.via, key_id=key_id, label=None if key_id is None else labels.get(key_id)),
        action=record.action,
        target=record.target,
        before=dict(record.before),
        after=dict(record.after),
        request_id=record.actor.request_id,
        reverted_by=record.reverted_by,
        forecast=None if record.forecast is None else dict(record.forecast),
    )
