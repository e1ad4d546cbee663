"""What signing in to the dashboard needs of the ledger: the secret of its sessions, and one-time links."""

import json
import secrets

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from bandit.types import Epoch
from storage.database.engine import Database
from storage.tables import settings

LINK_SECONDS = 600.0
"""How long a one-time link can be used."""

_SECRET = "session_secret"  # noqa: S105 - the name of its row
_LINK = "sign_in_link:"


class SignIn:
    """Secret and links, shared by all processes of this ledger. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = sqlite.insert if database.sqlite else postgresql.insert

    def ensure_secret(self, now: Epoch) -> bytes:
        """The secret of the sessions; it is made if no process has done so yet."""
        made = self._insert(settings).values(name=_SECRET, value=json.dumps(secrets.token_hex(32)), updated_at=now)
        with self._database.write() as connection:
            connection.execute(made.on_conflict_do_nothing())
            value = connection.execute(select(settings.c.value).where(settings.c.name == _SECRET)).scalar_one()
        return bytes.fromhex(json.loads(value))

    def add_link(self, token_hash: str, key_id: str, now: Epoch) -> None:
        """Keep a link that signs in with a key once; links that have expired are deleted."""
        expired = settings.c.name.startswith(_LINK, autoescape=True) & (settings.c.updated_at < now - LINK_SECONDS)
        made = self._insert(settings).values(name=_LINK + token_hash, value=json.dumps(key_id), updated_at=now)
        with self._database.write() as connection:
            connection.execute(delete(settings).where(expired))
            connection.execute(made)

    def take_link(self, token_hash: str, now: Epoch) -> str | None:
        """Delete a link; the id of its key, or None if there is none or it has expired. One of several callers wins."""
        taken = delete(settings).where(settings.c.name == _LINK + token_hash)
        with self._database.write() as connection:
            row = connection.execute(taken.returning(settings.c.value, settings.c.updated_at)).first()
        if row is None or row.updated_at < now - LINK_SECONDS:
            return None
        key_id: str = json.loads(row.value)
        return key_id
