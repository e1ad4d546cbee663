"""API keys, stored as hashes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, insert, select, tuple_, update

from storage.database.engine import Database
from storage.database.revisions import Topic, mark_changed
from storage.errors import LedgerError
from storage.records import NO_LIMITS, AuditRecord, KeyLimits, KeyRecord
from storage.stores.audit import record_change
from storage.stores.decisions import cursor_of, read_cursor
from storage.tables import api_keys

_decode = lru_cache(maxsize=1_024)(msgspec.json.Decoder(tuple[str, ...]).decode)
"""Kept, as most of many keys have the same scopes and routers, which then take their memory once."""
_decode_limits = msgspec.json.Decoder(KeyLimits).decode


_KEYS = select(*(api_keys.c[each.name] for each in fields(KeyRecord)))
PAGE_ROWS = 2_000


class LastAdminKey(LedgerError):
    """The change would leave no key that may administer the whole gateway."""


class Keys:
    """The API keys of this ledger. Every method raises DatabaseUnavailable if the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[KeyRecord]:
        """Every key, the oldest first; the revoked and expired ones too."""
        return self._read(_KEYS.order_by(api_keys.c.created_at, api_keys.c.id))

    def page(self, limit: int, cursor: str | None = None) -> tuple[list[KeyRecord], str | None]:
        """Up to `limit` keys, the oldest first, and the cursor of the next page, if any. Raises InvalidCursor."""
        place = tuple_(api_keys.c.created_at, api_keys.c.id)
        query = _KEYS.order_by(api_keys.c.created_at, api_keys.c.id).limit(limit + 1)
        found = self._read(query if cursor is None else query.where(place > read_cursor(cursor)))
        last = found[limit - 1] if len(found) > limit else None
        return found[:limit], None if last is None else cursor_of(last.created_at, last.id)

    def get(self, key_id: str) -> KeyRecord | None:
        """One key; None if there is none of this id."""
        return next(iter(self._read(_KEYS.where(api_keys.c.id == key_id))), None)

    def of(self, key_ids: Collection[str] | None) -> list[KeyRecord]:
        """The keys of these ids, in any order; None: all of them."""
        query = _KEYS
        return self._read(query if key_ids is None else query.where(api_keys.c.id.in_(key_ids)))

    def labels(self) -> list[tuple[str, str, tuple[str, ...] | None]]:
        """Id, label and routers of every key, the oldest first."""
        query = select(api_keys.c.id, api_keys.c.label, api_keys.c.routers)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(api_keys.c.created_at, api_keys.c.id)).all()
        return [(row.id, row.label, None if row.routers is None else _decode(row.routers)) for row in rows]

    def labelled(self, label: str) -> list[KeyRecord]:
        """The keys that are not revoked and have this label, the oldest first."""
        live = (api_keys.c.label == label) & api_keys.c.revoked_at.is_(None)
        return self._read(_KEYS.where(live).order_by(api_keys.c.created_at, api_keys.c.id))

    def last_used(self, key_ids: Collection[str] | None = None) -> dict[str, float]:
        """When each key was used last, of these ids or of all that ever were."""
        query = select(api_keys.c.id, api_keys.c.last_used_at).where(api_keys.c.last_used_at.is_not(None))
        with self._database.read() as connection:
            rows = connection.execute(query if key_ids is None else query.where(api_keys.c.id.in_(key_ids))).all()
        return {row.id: row.last_used_at for row in rows}

    def note_use(self, used_at: Mapping[str, float]) -> None:
        """Note when keys were used last. Nobody follows that: it is no change of a key."""
        with self._database.write() as connection:
            for key_id, at in sorted(used_at.items()):
                older = api_keys.c.last_used_at.is_(None) | (api_keys.c.last_used_at < at)
                connection.execute(update(api_keys).where(api_keys.c.id == key_id, older).values(last_used_at=at))

    def ending(self, after: float, before: float, most: int = 20) -> list[KeyRecord]:
        """The keys that are not revoked and end in this time, the first ones first, up to `most`."""
        live = api_keys.c.revoked_at.is_(None) & api_keys.c.expires_at.between(after, before)
        return self._read(_KEYS.where(live).order_by(api_keys.c.expires_at).limit(most))

    def exist(self) -> bool:
        """Whether there has ever been a key."""
        with self._database.read() as connection:
            return connection.execute(select(api_keys.c.id).limit(1)).first() is not None

    def has_all(self, key_ids: Collection[str]) -> bool:
        """Whether all of these ids are keys of this ledger, revoked or not."""
        with self._database.read() as connection:
            known = connection.execute(select(api_keys.c.id).where(api_keys.c.id.in_(key_ids))).scalars().all()
        return len(known) == len(set(key_ids))

    def add(self, record: KeyRecord, change: AuditRecord | None = None) -> bool:
        """Insert a key, unless there is one of this id or hash. Returns whether it was inserted."""
        with self._database.write() as connection:
            mark_changed(connection, Topic.KEYS, record.id)
            known = (api_keys.c.id == record.id) | (api_keys.c.hash == record.hash)
            if connection.execute(select(api_keys.c.id).where(known)).first() is not None:
                return False
            connection.execute(insert(api_keys), _row(record))
            record_change(connection, change)
            return True

    def add_first(self, record: KeyRecord) -> bool:
        """Insert a key if there is none at all, not even a revoked one. Returns whether it was inserted."""
        with self._database.write() as connection:
            mark_changed(connection, Topic.KEYS, record.id)  # first: whoever else changes keys waits for the commit
            if connection.execute(select(api_keys.c.id).limit(1)).first() is not None:
                return False
            connection.execute(insert(api_keys), _row(record))
            return True

    def replace(
        self,
        record: KeyRecord,
        change: AuditRecord | None = None,
        *,
        former: KeyRecord,
        added: KeyRecord | None = None,
    ) -> bool:
        """Replace a key, unless it has changed since it was read as `former`, and insert its successor, if any.

        Returns whether it was replaced. Raises LastAdminKey.
        """
        with self._database.write() as connection:
            mark_changed(connection, Topic.KEYS, record.id)
            row = connection.execute(_KEYS.where(api_keys.c.id == record.id)).first()
            if row is None or _record(row) != former:
                return False
            connection.execute(update(api_keys).where(api_keys.c.id == record.id).values(_row(record)))
            if added is not None:
                mark_changed(connection, Topic.KEYS, added.id)
                connection.execute(insert(api_keys), _row(added))
            _require_admin(connection, former)
            record_change(connection, change)
            return True

    def revoke(self, key_id: str, at: float, change: AuditRecord | None = None, *, keep_admin: bool = False) -> bool:
        """Revoke a key. Returns whether there was one that was not revoked yet.

        With `keep_admin`, raises LastAdminKey if nobody could administer the gateway after that.
        """
        with self._database.write() as connection:
            mark_changed(connection, Topic.KEYS, key_id)
            live = (api_keys.c.id == key_id) & api_keys.c.revoked_at.is_(None)
            row = connection.execute(_KEYS.where(live)).first()
            if row is None:
                return False
            connection.execute(update(api_keys).where(live).values(revoked_at=at))
            if keep_admin:
                _require_admin(connection, _record(row))
            record_change(connection, change)
            return True

    def _read(self, query: Select[Any]) -> list[KeyRecord]:
        with self._database.read() as connection:
            return [_record(row) for page in connection.execute(query).partitions(PAGE_ROWS) for row in page]


def _require_admin(connection: Connection, former: KeyRecord) -> None:
    """Check that a key is left that administers all routers for good, if `former` was one. Raises LastAdminKey."""
    if not _administers(former):
        return
    candidates = _KEYS.where(
        api_keys.c.revoked_at.is_(None), api_keys.c.routers.is_(None), api_keys.c.expires_at.is_(None)
    )
    one = candidates.where(api_keys.c.scopes.contains('"admin"')).limit(1)  # of 100,000 keys few are such
    if not any(_administers(_record(row)) for row in connection.execute(one)):
        raise LastAdminKey


def _administers(record: KeyRecord) -> bool:
    return (
        "admin" in record.scopes and record.routers is None and record.revoked_at is None and record.expires_at is None
    )


def _record(row: Sequence[Any]) -> KeyRecord:
    # By place: of 100,000 keys the names of their columns took most of the time.
    key_id, key_hash, label, scopes, routers, created_at, expires_at, revoked_at, prefix, created_by, limits = row
    return KeyRecord(
        key_id,
        key_hash,
        label,
        _decode(scopes),
        None if routers is None else _decode(routers),
        created_at,
        expires_at,
        revoked_at,
        prefix,
        created_by,
        NO_LIMITS if limits is None else _decode_limits(limits),
    )


def _row(record: KeyRecord) -> dict[str, object]:
    return {
        "id": record.id,
        "hash": record.hash,
        "label": record.label,
        "scopes": msgspec.json.encode(record.scopes).decode(),
        "routers": None if record.routers is None else msgspec.json.encode(record.routers).decode(),
        "created_at": record.created_at,
        "expires_at": record.expires_at,
        "revoked_at": record.revoked_at,
        "prefix": record.prefix,
        "created_by": record.created_by,
        "limits": None if record.limits == NO_LIMITS else msgspec.json.encode(record.limits).decode(),
    }
