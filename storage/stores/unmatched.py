"""Scores that matched no completion: how many each API key sent on a UTC day, and one example of why."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from storage.database.engine import Database
from storage.rows import clean
from storage.tables import unmatched

KEPT_DAYS = 30
LONGEST_EXAMPLE = 200


@dataclass(frozen=True, slots=True)
class UnmatchedScores:
    """Scores of one key and day that matched no completion. `example` says why the last did not."""

    count: int
    example: str

    def plus(self, other: "UnmatchedScores") -> "UnmatchedScores":
        """The sum of two, with the later example."""
        return UnmatchedScores(self.count + other.count, other.example)


class Unmatched:
    """The unmatched scores of this ledger. Every method raises DatabaseUnavailable if the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = sqlite.insert if database.sqlite else postgresql.insert

    def add(self, scores: Mapping[tuple[str, int], UnmatchedScores]) -> None:
        """Add scores by key and day, and delete what is a month old."""
        if not scores:
            return
        with self._database.write() as connection:
            for (key_id, day), added in sorted(scores.items()):  # all processes lock rows in the same order
                example = clean(added.example[:LONGEST_EXAMPLE])
                statement = self._insert(unmatched).values(key_id=key_id, day=day, count=added.count, example=example)
                summed = {"count": unmatched.c.count + added.count, "example": example}
                connection.execute(statement.on_conflict_do_update(index_elements=["key_id", "day"], set_=summed))
            oldest = max(day for _, day in scores) - KEPT_DAYS
            connection.execute(delete(unmatched).where(unmatched.c.day < oldest))

    def since(self, day: int, most: int) -> list[tuple[str, UnmatchedScores]]:
        """The keys with the most of a day, from a day on: up to so many rows, the latest days first."""
        query = select(unmatched.c.key_id, unmatched.c.count, unmatched.c.example).where(unmatched.c.day >= day)
        query = query.order_by(unmatched.c.day.desc(), unmatched.c.count.desc(), unmatched.c.key_id).limit(most)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [(key_id, UnmatchedScores(count, example)) for key_id, count, example in rows]
