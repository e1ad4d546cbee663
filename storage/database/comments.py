"""Stores the tables' and columns' comments in PostgreSQL, from the one place that has them: `storage.tables`."""

from sqlalchemy import Connection
from sqlalchemy.schema import SetColumnComment, SetTableComment

from storage.tables import metadata


def store_comments(connection: Connection) -> None:
    """Set the comments of all tables and columns. SQLite has none."""
    if connection.dialect.name == "sqlite":
        return
    for table in metadata.sorted_tables:
        connection.execute(SetTableComment(table))
        for column in table.columns:
            connection.execute(SetColumnComment(column))
