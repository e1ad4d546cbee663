"""API keys, of which only the hash is kept."""

import msgspec
from sqlalchemy import Connection, insert, select, update

from storage.database.engine import Database
from storage.database.revisions import Topic, mark_changed
from storage.records import KeyRecord
from storage.tables import api_keys


class Keys:
    """The API keys of this ledger. Every method raises DatabaseUnavailable where the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[KeyRecord]:
        """Every key, the oldest first; the revoked and expired ones too."""
        with self._database.read() as connection:
            return read_keys(connection)

    def add(self, record: KeyRecord) -> None:
        """Keep a key. One that is kept already (the same id or hash) stays as it is."""
        with self._database.write() as connection:
            mark_changed(connection, Topic.KEYS)
            known = (api_keys.c.id == record.id) | (api_keys.c.hash == record.hash)
            if connection.execute(select(api_keys.c.id).where(known)).first() is None:
                connection.execute(insert(api_keys), _row(record))

    def add_first(self, record: KeyRecord) -> bool:
        """Keep a key where there is none, not even a revoked one. Returns whether it was kept."""
        with self._database.write() as connection:
            mark_changed(connection, Topic.KEYS)  # first: who changes keys waits here for whoever does so
            if connection.execute(select(api_keys.c.id).limit(1)).first() is not None:
                return False
            connection.execute(insert(api_keys), _row(record))
            return True

    def revoke(self, key_id: str, at: float) -> bool:
        """Revoke a key. Returns whether there was one that was not revoked yet."""
        with self._database.write() as connection:
            mark_changed(connection, Topic.KEYS)
            live = (api_keys.c.id == key_id) & api_keys.c.revoked_at.is_(None)
            return connection.execute(update(api_keys).where(live).values(revoked_at=at)).rowcount > 0


def read_keys(connection: Connection) -> list[KeyRecord]:
    """Every key, the oldest first."""
    return [
        KeyRecord(
            id=row.id,
            hash=row.hash,
            label=row.label,
            scopes=msgspec.json.decode(row.scopes, type=tuple[str, ...]),
            routers=None if row.routers is None else msgspec.json.decode(row.routers, type=tuple[str, ...]),
            created_at=row.created_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
        )
        for row in connection.execute(select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id))
    ]


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
    }
