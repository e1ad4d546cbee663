"""The prices that models had when a gateway last started or read its configuration again."""

from collections.abc import Callable, Mapping

import msgspec
from sqlalchemy import update
from sqlalchemy.dialects import postgresql, sqlite

from bandit.types import Epoch, Json
from storage.database.engine import Database
from storage.records import AuditRecord
from storage.stores.audit import record_change
from storage.tables import settings

_NAME = "model prices"

Prices = Mapping[str, Json]
"""One model's prices by name."""


class ModelPrices:
    """What each model cost last. Every method raises DatabaseUnavailable if the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(
        self, present: Mapping[str, Prices], now: Epoch, change: Callable[[str, Prices, Prices], AuditRecord]
    ) -> list[AuditRecord]:
        """Keep the prices of models, and record the `change` of each that has another one than was kept.

        A model that is seen for the first time has changed nothing; one that is not seen keeps its price.
        """
        insert = sqlite.insert if self._database.sqlite else postgresql.insert
        kept = insert(settings).values(name=_NAME, value="{}", updated_at=now)
        # An update of what is there, too: it locks the row, so that of several processes one records a change.
        kept = kept.on_conflict_do_update(index_elements=["name"], set_={"updated_at": kept.excluded.updated_at})
        with self._database.write() as connection:
            value = connection.execute(kept.returning(settings.c.value)).scalar_one()
            former: dict[str, dict[str, Json]] = msgspec.json.decode(value)
            changes = [
                change(model_id, former[model_id], prices)
                for model_id, prices in sorted(present.items())
                if former.get(model_id, prices) != prices
            ]
            for each in changes:
                record_change(connection, each)
            if any(former.get(model_id) != prices for model_id, prices in present.items()):
                text = msgspec.json.encode({**former, **present}, order="sorted").decode()
                connection.execute(update(settings).where(settings.c.name == _NAME).values(value=text))
        return changes
