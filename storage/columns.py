"""Building blocks of the tables: columns with their comments, and checks."""

from sqlalchemy import CheckConstraint, Column


def key(name: str, type_: type, comment: str) -> "Column[object]":
    """Make a column of the primary key."""
    return Column(name, type_, primary_key=True, comment=comment)


def required(name: str, type_: type, comment: str) -> "Column[object]":
    """Make a column that is never null."""
    return Column(name, type_, nullable=False, comment=comment)


def optional(name: str, type_: type, comment: str) -> "Column[object]":
    """Make a column that may be null."""
    return Column(name, type_, comment=comment)


def check(name: str, *conditions: str) -> CheckConstraint:
    """Make a constraint of the table. Null passes."""
    return CheckConstraint(" AND ".join(conditions), name=name)


def within(low: str, high: str, *columns: str) -> tuple[str, ...]:
    """Conditions that columns are in a range."""
    # It keeps out infinity and NaN too: on PostgreSQL NaN is greater than any number.
    return tuple(f"{column} BETWEEN {low} AND {high}" for column in columns)


def instants(*columns: str) -> tuple[str, ...]:
    """Conditions that columns are seconds since the epoch, up to the year 5138."""
    return within("0", "1e11", *columns)


def counts(*columns: str) -> tuple[str, ...]:
    """Conditions that columns are not negative."""
    return tuple(f"{column} >= 0" for column in columns)


def one_of(column: str, *values: str) -> str:
    """Condition that a column is one of the values."""
    # Not `IN`: for more than two values SQLite builds an index of them in each statement that writes a row.
    return f"({' OR '.join(f'{column} = {value!r}' for value in values)})"
