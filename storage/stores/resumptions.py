"""Models that operators resumed: not kept, only announced to all processes."""

from storage.database.engine import Database
from storage.database.revisions import Topic, mark_changed
from storage.records import AuditRecord
from storage.stores.audit import record_change


class Resumptions:
    """Announces resumed models through the database's changes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def announce(self, model_id: str, change: AuditRecord | None = None) -> None:
        """Make every process resume the model. Raises DatabaseUnavailable."""
        with self._database.write() as connection:
            mark_changed(connection, Topic.RESUMPTIONS, model_id)
            record_change(connection, change)
