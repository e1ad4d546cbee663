"""A small table of the gateway's own state, by name."""

import msgspec
from sqlalchemy import delete, insert, select

from bandit.types import Json
from storage.database.engine import Database
from storage.tables import settings


class StateStore:
    """Values by name. Every method raises DatabaseUnavailable where the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> Json:
        """The value of this name; None where there is none."""
        with self._database.read() as connection:
            value = connection.execute(select(settings.c.value).where(settings.c.name == name)).scalar()
        decoded: Json = None if value is None else msgspec.json.decode(value)
        return decoded

    def put(self, name: str, value: Json, at: float) -> None:
        """Set or replace the value of this name."""
        row = {"name": name, "value": msgspec.json.encode(value).decode(), "updated_at": at}
        with self._database.write() as connection:
            connection.execute(delete(settings).where(settings.c.name == name))
            connection.execute(insert(settings), row)
