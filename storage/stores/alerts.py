"""Which alerts have been given: one process of a ledger gives each."""

import json
import time

from sqlalchemy.dialects import postgresql, sqlite

from storage.database.engine import Database
from storage.tables import settings


def claim_alert(database: Database, name: str, mark: str) -> bool:
    """Whether nobody has given the alert `name` with this mark or a later one (as text); then it is given by this call.

    Raises DatabaseUnavailable.
    """
    insert = sqlite.insert if database.sqlite else postgresql.insert
    row = {"name": f"alert {name}", "value": json.dumps(mark), "updated_at": time.time()}
    claim = insert(settings).values(row)
    claim = claim.on_conflict_do_update(
        index_elements=["name"],
        set_={"value": claim.excluded.value, "updated_at": claim.excluded.updated_at},
        where=settings.c.value < claim.excluded.value,
    )
    with database.write() as connection:
        return connection.execute(claim.returning(settings.c.name)).first() is not None
