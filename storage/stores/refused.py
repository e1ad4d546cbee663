"""Requests whose records the database refused: kept aside whole, to be shown, and written once the cause is gone."""

from dataclasses import dataclass
from zlib import compress, decompress

import msgspec
from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from bandit.statistics import StatisticKey, Sums
from bandit.types import Attempt
from storage.database.engine import Database
from storage.errors import RecordRefused
from storage.records import CompletionRecord, Content, DecisionRecord, OutcomeRecord
from storage.rows import clean
from storage.tables import refused_records

MOST_LISTED = 1_000
MOST_IDS = 10_000


class _Stored(msgspec.Struct, array_like=True):
    """A record as it is kept, in MessagePack, which has what JSON lacks: infinity, NaN and bytes."""

    decision: DecisionRecord
    attempts: tuple[Attempt, ...]
    outcome: OutcomeRecord
    deltas: list[tuple[StatisticKey, Sums]]
    content: Content | None


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(_Stored)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused record without its contents."""

    completion_id: str
    router_id: str
    refused_at: float
    reason: str


class RefusedRecords:
    """The refused records of this ledger. Every method raises DatabaseUnavailable if the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = sqlite.insert if database.sqlite else postgresql.insert

    def put(self, record: CompletionRecord, reason: str) -> None:
        """Keep a record aside. Raises RecordRefused if it can't even be encoded."""
        try:
            stored = _Stored(
                record.decision, record.attempts, record.outcome, list(record.deltas.items()), record.content
            )
            encoded = compress(_encode(stored))
        except (OverflowError, TypeError, UnicodeEncodeError) as error:
            raise RecordRefused(f"it can't be kept aside either: {error!r}") from error
        row = {
            "completion_id": clean(record.decision.completion_id),
            "router_id": clean(record.decision.router_id),
            "refused_at": self._database.clock.now(),
            "reason": clean(reason),
            "record": encoded,
        }
        statement = self._insert(refused_records).values(row)
        with self._database.write() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["completion_id"], set_=row))

    def all(self) -> list[Refusal]:
        """List up to 1,000 of them, the oldest first."""
        columns = [refused_records.c[name] for name in Refusal.__dataclass_fields__]
        query = select(*columns).order_by(refused_records.c.refused_at, refused_records.c.completion_id)
        with self._database.read() as connection:
            return [Refusal(*row) for row in connection.execute(query.limit(MOST_LISTED))]

    def get(self, completion_id: str) -> tuple[Refusal, CompletionRecord] | None:
        """Read one; None if there is none of this id. Raises RecordRefused if it can't be decoded."""
        columns = [refused_records.c[name] for name in (*Refusal.__dataclass_fields__, "record")]
        with self._database.read() as connection:
            found = select(*columns).where(refused_records.c.completion_id == completion_id)
            row = connection.execute(found).first()
        if row is None:
            return None
        *told, encoded = row
        try:
            stored = _decoder.decode(decompress(encoded))
        except msgspec.DecodeError as error:
            raise RecordRefused(f"{completion_id} is kept as it was, but is no valid record: {error}") from error
        record = CompletionRecord(stored.decision, stored.attempts, stored.outcome, dict(stored.deltas), stored.content)
        return Refusal(*told), record

    def remove(self, completion_id: str) -> None:
        """Delete one that is in the ledger now."""
        with self._database.write() as connection:
            connection.execute(delete(refused_records).where(refused_records.c.completion_id == completion_id))

    def ids(self) -> frozenset[str]:
        """Read the ids of up to 10,000 of them, the newest."""
        query = select(refused_records.c.completion_id).order_by(refused_records.c.refused_at.desc()).limit(MOST_IDS)
        with self._database.read() as connection:
            return frozenset(connection.execute(query).scalars())

    def count(self) -> int:
        """Count them."""
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(refused_records)).scalar_one()
