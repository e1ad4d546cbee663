"""Checks that SQLite computes in a third of the time: `IN` builds an index of its values in each statement.

The stored definition is changed, as when the checks were added: it means the same. PostgreSQL keeps its own.
"""

import re

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

TABLES = ("decisions", "attempts", "feedback")
LIST = re.compile(r"\b(status|ending) IN \(([^)]*)\)")


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return
    version: int = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    for table in TABLES:
        stored = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?"
        sql: str = connection.exec_driver_sql(stored, (table,)).scalar_one()
        changed = "UPDATE sqlite_master SET sql = ? WHERE type = 'table' AND name = ?"
        connection.exec_driver_sql(changed, (LIST.sub(_any_of, sql), table))
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")  # other connections read the schema again
    connection.exec_driver_sql("PRAGMA writable_schema = RESET")


def _any_of(listed: re.Match[str]) -> str:
    return "(" + " OR ".join(f"{listed[1]} = {value.strip()}" for value in listed[2].split(",")) + ")"
