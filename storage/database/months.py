"""The months by which PostgreSQL partitions a ledger, and the completion ids at which they begin.

An id has its milliseconds in its first 12 digits, so that a range of ids is a range of time: the partition key is the
primary key, and what has the id of a completion is in the completion's month. Other partitions are `before`, of what
was there when the months began, and `other`, of ids beyond the months, as a clock that is wrong makes them.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import CheckConstraint, Connection, text

from bandit.types import Epoch
from storage.tables import metadata

PARTITIONED = ("choices", "decisions", "attempts", "contents", "feedback", "scores")
"""In the order in which they are locked."""

BEFORE, OTHER = "before", "other"
AHEAD = 2
"""Months for which there are partitions ahead of time."""


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A month, UTC."""

    year: int
    number: int  # from 1

    @property
    def suffix(self) -> str:
        """The end of its partitions' names."""
        return f"{self.year:04d}_{self.number:02d}"

    @property
    def start(self) -> Epoch:
        """Its first instant."""
        return Epoch(datetime(self.year, self.number, 1, tzinfo=UTC).timestamp())

    @property
    def first_id(self) -> str:
        """Where its completion ids begin."""
        return first_id(self.start)

    def next(self) -> "Month":
        """The month after it."""
        return Month(self.year + self.number // 12, self.number % 12 + 1)


def month_of(at: Epoch) -> Month:
    """The month of an instant."""
    day = datetime.fromtimestamp(at, UTC)
    return Month(day.year, day.month)


def first_id(at: Epoch) -> str:
    """Where the completion ids of an instant begin."""
    return f"req_{int(at * 1e3):012x}"


def add_months(connection: Connection, at: Epoch) -> None:
    """Add the partitions that are missing up to `AHEAD` months after an instant, with what `other` holds of them."""
    known = read_months(connection)
    month, last = month_of(at), month_of(at)
    for _ in range(AHEAD):
        last = last.next()
    if known:
        month = max(min(month, known[-1].next()), known[0])  # never a month that retention has detached
    while month <= last:
        if month not in known:
            _add(connection, month)
        month = month.next()


def read_months(connection: Connection) -> list[Month]:
    """The months that have partitions, in order; none if the ledger is not partitioned."""
    return sorted(Month(int(name[:4]), int(name[5:])) for name in read_suffixes(connection) if name[5:].isdigit())


def read_suffixes(connection: Connection) -> list[str]:
    """The ends of the names of all partitions."""
    query = "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = to_regclass('decisions')"
    return [name.removeprefix("decisions_") for name in connection.execute(text(query)).scalars()]


def _add(connection: Connection, month: Month) -> None:
    for table in PARTITIONED:
        name, key = f"{table}_{month.suffix}", "id" if table == "choices" else "completion_id"
        low, high = month.first_id, month.next().first_id
        # Made apart and then attached, which does not lock out readers and writers of the other partitions.
        connection.execute(text(f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"))
        for check in metadata.tables[table].constraints:  # also one that rows of `before` fail
            if isinstance(check, CheckConstraint) and check.name not in _checks(connection, name):
                connection.execute(text(f"ALTER TABLE {name} ADD CONSTRAINT {check.name} CHECK ({check.sqltext})"))
        connection.execute(
            text(
                f"WITH moved AS (DELETE FROM {table}_{OTHER} WHERE {key} >= :low AND {key} < :high RETURNING *) "  # noqa: S608
                f"INSERT INTO {name} SELECT * FROM moved"
            ),
            {"low": low, "high": high},
        )
        connection.execute(text(f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{low}') TO ('{high}')"))


def _checks(connection: Connection, table: str) -> set[str]:
    query = text("SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = to_regclass(:name)")
    return set(connection.execute(query, {"name": table}).scalars())
