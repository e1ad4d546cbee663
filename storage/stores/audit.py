"""The audit trail: who changed which router, key, scorecard or model, and from what to what."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, insert, select, update

from storage.database.engine import Database
from storage.errors import InvalidCursor
from storage.records import Actor, AuditRecord, Via
from storage.tables import audit

_CURSOR = re.compile("chg_[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Changes, the latest first. `cursor` asks for the next page; None at the end."""

    records: tuple[AuditRecord, ...]
    cursor: str | None


def record_change(connection: Connection, record: AuditRecord | None) -> None:
    """Add a change, if there is one to be recorded, to the trail, in the transaction that makes it."""
    if record is None:
        return
    connection.execute(
        insert(audit).values(
            id=record.id,
            at=record.at,
            key_id=record.actor.key_id,
            via=record.actor.via.value,
            action=record.action,
            target=record.target,
            before=msgspec.json.encode(record.before).decode(),
            after=msgspec.json.encode(record.after).decode(),
            request_id=record.actor.request_id,
            forecast=None if record.forecast is None else msgspec.json.encode(record.forecast).decode(),
        )
    )
    if record.reverts is not None:
        connection.execute(update(audit).where(audit.c.id == record.reverts).values(reverted_by=record.id))


class Audit:
    """The audit trail of this ledger. Every method raises DatabaseUnavailable if the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, change_id: str) -> AuditRecord | None:
        """One change; None if there is none of this id."""
        with self._database.read() as connection:
            row = connection.execute(select(audit).where(audit.c.id == change_id)).first()
        return None if row is None else _record(row)

    def page(
        self,
        limit: int,
        *,
        before: str | None = None,
        target: str | None = None,
        targets: Collection[str] | None = None,
        action: str | None = None,
    ) -> AuditPage:
        """Up to `limit` changes, the latest first: older than the cursor `before`, of one target and of these only.

        Raises InvalidCursor.
        """
        if before is not None and not _CURSOR.fullmatch(before):
            raise InvalidCursor("the cursor is none that was given out")
        query = select(audit).order_by(audit.c.id.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(audit.c.id < before)
        if target is not None:
            query = query.where(audit.c.target == target)
        if targets is not None:
            query = query.where(audit.c.target.in_(targets))
        if action is not None:
            query = query.where(audit.c.action == action)
        with self._database.read() as connection:
            records = tuple(_record(row) for row in connection.execute(query))
        return AuditPage(records[:limit], records[limit - 1].id if len(records) > limit else None)


def _record(row: Row[Any]) -> AuditRecord:
    return AuditRecord(
        id=row.id,
        at=row.at,
        actor=Actor(Via(row.via), row.key_id, row.request_id),
        action=row.action,
        target=row.target,
        before=msgspec.json.decode(row.before),
        after=msgspec.json.decode(row.after),
        reverted_by=row.reverted_by,
        forecast=None if row.forecast is None else msgspec.json.decode(row.forecast),
    )
