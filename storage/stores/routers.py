"""Routers and their models."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, insert, select, update

from bandit.types import Json
from storage.database.engine import Database
from storage.database.revisions import Topic, mark_changed
from storage.errors import LedgerError
from storage.records import AuditRecord, RouterModel, RouterRecord, Variant
from storage.stores.audit import record_change
from storage.stores.rebuilds_due import mark_due
from storage.tables import router_models, routers

# Made once: to make them takes twice as long as to execute them.
_ONE = select(routers).where(routers.c.id == bindparam("router_id"), routers.c.deleted_at.is_(None))
_MODELS_OF_ONE = (
    select(router_models).where(router_models.c.router_id == bindparam("router_id")).order_by(router_models.c.position)
)
_NAMES = select(routers.c.id, routers.c.name).where(routers.c.deleted_at.is_(None)).order_by(routers.c.id)

_HALF_LIVES = "half_lives"
"""The setting with which stored statistics were computed."""


class _StoredVariant(msgspec.Struct):
    """The variant of an arm as its row keeps it, with the model's id."""

    model_id: str
    variant: Variant


class RouterChanged(LedgerError):
    """The router has changed since it was read, or is gone."""


class Routers:
    """The routers of this ledger. Every method raises DatabaseUnavailable if the database does not answer.

    A deleted router keeps its row, because its ledger stays. Only `deleted` returns it, and `restore` brings it back.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[RouterRecord]:
        """Every router, by id."""
        return self.of(None)

    def get(self, router_id: str) -> RouterRecord | None:
        """One router; None if there is none of this id."""
        given = {"router_id": router_id}
        with self._database.read() as connection:
            row = connection.execute(_ONE, given).one_or_none()
            models = [] if row is None else list(map(_router_model, connection.execute(_MODELS_OF_ONE, given)))
        return None if row is None else _record(row, models)

    def of(self, router_ids: Collection[str] | None) -> list[RouterRecord]:
        """The routers of these ids that there are, by id; None: all of them."""
        return self._read(router_ids, routers.c.deleted_at.is_(None))

    def names(self) -> list[tuple[str, str]]:
        """Id and name of every router, by id."""
        with self._database.read() as connection:
            return [(row.id, row.name) for row in connection.execute(_NAMES)]

    def without_models(self) -> list[tuple[str, float]]:
        """Id and last change of the routers that have no enabled model, by id."""
        enabled = select(router_models.c.router_id).where(router_models.c.enabled)
        query = select(routers.c.id, routers.c.updated_at).where(routers.c.deleted_at.is_(None))
        with self._database.read() as connection:
            rows = connection.execute(query.where(routers.c.id.not_in(enabled)).order_by(routers.c.id))
            return [(row.id, row.updated_at) for row in rows]

    def deleted(self, router_ids: Collection[str] | None = None) -> list[RouterRecord]:
        """The deleted routers, of these ids or all of them, by id."""
        return self._read(router_ids, routers.c.deleted_at.is_not(None))

    def _read(self, router_ids: Collection[str] | None, which: ColumnElement[bool]) -> list[RouterRecord]:
        wanted = select(routers).where(which).order_by(routers.c.id)
        models = select(router_models).order_by(router_models.c.router_id, router_models.c.position)
        if router_ids is not None:
            wanted = wanted.where(routers.c.id.in_(router_ids))
            models = models.where(router_models.c.router_id.in_(router_ids))
        with self._database.read() as connection:
            rows = connection.execute(wanted).all()
            by_router: dict[str, list[RouterModel]] = defaultdict(list)
            for row in connection.execute(models):
                by_router[row.router_id].append(_router_model(row))
        return [_record(row, by_router[row.id]) for row in rows]

    def add(self, record: RouterRecord) -> bool:
        """Insert the router, unless there is one of this id. Returns whether it was inserted, by this process."""
        with self._database.write() as connection:
            mark_changed(connection, Topic.ROUTERS, record.id)  # first: whoever else changes routers waits
            present = routers.c.deleted_at.is_(None)
            if connection.execute(select(routers.c.id).where(routers.c.id == record.id, present)).first() is not None:
                return False
            _put(connection, record)
            mark_due(
                connection, record.id, self._database.clock.now()
            )  # statistics of a router of this id that was deleted
            return True

    def put(self, record: RouterRecord, change: AuditRecord | None = None, *, expected: int | None = None) -> bool:
        """Insert the router, or replace the one of this id, its models included; a deleted one, too.

        With `expected`, only a router of that revision is replaced; 0: only if there is none. Raises RouterChanged.
        Returns whether its statistics must be rebuilt now, which is marked in the same transaction: they were computed
        with other half-lives.
        """
        with self._database.write() as connection:
            mark_changed(connection, Topic.ROUTERS, record.id)
            kept = select(routers.c.settings, routers.c.revision, routers.c.deleted_at)
            former = connection.execute(kept.where(routers.c.id == record.id)).first()
            present = former is not None and former.deleted_at is None
            if expected is not None and expected != (former.revision if former is not None and present else 0):
                raise RouterChanged(f"router {record.id} has changed")
            _put(connection, record)
            record_change(connection, change)
            same = former is not None and msgspec.json.decode(former.settings).get(_HALF_LIVES) == record.settings.get(
                _HALF_LIVES
            )
            return not same and mark_due(connection, record.id, self._database.clock.now(), is_used=present)

    def note_declared(self, lines: Mapping[str, Mapping[str, int]]) -> None:
        """Keep which fields of which routers the configuration file sets, each with its line; it sets no others."""
        with self._database.write() as connection:
            for row in connection.execute(select(routers.c.id, routers.c.declared)).all():
                declared = msgspec.json.encode(lines.get(row.id, {})).decode()
                if declared != row.declared:
                    connection.execute(update(routers).where(routers.c.id == row.id).values(declared=declared))

    def delete(
        self, router_id: str, at: float, change: AuditRecord | None = None, *, expected: int | None = None
    ) -> bool:
        """Delete a router (with `expected`, one of that revision); its ledger and statistics stay.

        Returns whether it was deleted.
        """
        which: ColumnElement[bool] = routers.c.deleted_at.is_(None)
        if expected is not None:
            which &= routers.c.revision == expected
        return self._set_deleted(router_id, which, at, change)

    def restore(self, router_id: str, change: AuditRecord | None = None) -> bool:
        """Bring back a deleted router as it was. Returns whether there was one."""
        return self._set_deleted(router_id, routers.c.deleted_at.is_not(None), None, change)

    def _set_deleted(
        self, router_id: str, which: ColumnElement[bool], at: float | None, change: AuditRecord | None
    ) -> bool:
        with self._database.write() as connection:
            mark_changed(connection, Topic.ROUTERS, router_id)
            changed = update(routers).where(routers.c.id == router_id, which).values(deleted_at=at)
            if connection.execute(changed).rowcount == 0:
                return False
            record_change(connection, change)
            return True


def lock_settings(connection: Connection, router_ids: Collection[str]) -> dict[str, Mapping[str, Json]]:
    """Read the settings of these routers, deleted ones too, and keep them from being changed until the commit."""
    query = select(routers.c.id, routers.c.settings).where(routers.c.id.in_(router_ids)).order_by(routers.c.id)
    rows = connection.execute(query.with_for_update(read=True))
    return {row.id: msgspec.json.decode(row.settings) for row in rows}


def _values(record: RouterRecord) -> dict[str, object]:
    return {
        "name": record.name,
        "secret": record.secret,
        "settings": msgspec.json.encode(record.settings).decode(),
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "deleted_at": record.deleted_at,
        "eval_ids": None if record.eval_ids is None else msgspec.json.encode(record.eval_ids).decode(),
    }


def _put(connection: Connection, record: RouterRecord) -> None:
    values = _values(record)
    replaced = update(routers).where(routers.c.id == record.id).values(**values, revision=routers.c.revision + 1)
    if connection.execute(replaced).rowcount == 0:
        connection.execute(insert(routers).values(id=record.id, **values))
    connection.execute(delete(router_models).where(router_models.c.router_id == record.id))
    _put_models(connection, record)


def _put_models(connection: Connection, record: RouterRecord) -> None:
    rows = [
        {
            "router_id": record.id,
            "model_id": model.arm_id,
            "position": position,
            "enabled": model.enabled,
            "min_share": model.min_share,
            "max_share": model.max_share,
            "variant": model.unreadable if model.variant is None else _encoded(model.model_id, model.variant),
        }
        for position, model in enumerate(record.models)
    ]
    if rows:
        connection.execute(insert(router_models), rows)


def _encoded(model_id: str, variant: Variant) -> str:
    return msgspec.json.encode(_StoredVariant(model_id, variant)).decode()


def _router_model(row: Row[Any]) -> RouterModel:
    shares = (row.enabled, row.min_share, row.max_share)
    if row.variant is None:
        return RouterModel(row.model_id, *shares)
    try:
        stored = msgspec.json.decode(row.variant, type=_StoredVariant)
    except msgspec.DecodeError:
        return RouterModel(row.model_id, *shares, unreadable=row.variant)
    return RouterModel(stored.model_id, *shares, stored.variant)


def _record(row: Row[Any], models: Sequence[RouterModel]) -> RouterRecord:
    return RouterRecord(
        id=row.id,
        name=row.name,
        secret=row.secret,
        settings=msgspec.json.decode(row.settings),
        models=tuple(models),
        created_at=row.created_at,
        updated_at=row.updated_at,
        deleted_at=row.deleted_at,
        revision=row.revision,
        declared=msgspec.json.decode(row.declared),
        eval_ids=None if row.eval_ids is None else tuple(msgspec.json.decode(row.eval_ids)),
    )
