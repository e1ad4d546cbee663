"""Checks of ranges and states, indexes for analysts, and scores' metadata as jsonb.

On SQLite a check is added to the table's stored definition: a copy of the table would take minutes and its size again.
Rows that older versions wrote are not changed; if some fail a check, PostgreSQL keeps it as NOT VALID.
"""

import logging

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

log = logging.getLogger(__name__)

CHECKS = {
    "routers": {"times": "created_at BETWEEN 0 AND 1e11 AND updated_at BETWEEN 0 AND 1e11"},
    "router_models": {"shares": "min_share BETWEEN 0 AND 1 AND max_share BETWEEN 0 AND 1 AND position >= 0"},
    "choices": {"times": "at BETWEEN 0 AND 1e11"},
    "decisions": {
        "times": "at BETWEEN 0 AND 1e11 AND ended_at BETWEEN 0 AND 1e11 AND seconds BETWEEN 0 AND 1e9 "
        "AND overhead_seconds BETWEEN 0 AND 1e9",
        "draw": "u BETWEEN 0 AND 1 AND propensity BETWEEN 0 AND 1",
        "tokens": "estimated_prompt_tokens >= 0 AND prompt_tokens >= 0 AND cached_tokens >= 0 "
        "AND completion_tokens >= 0",
        "amounts": "request_bytes >= 0 AND attempts >= 0 AND cost_usd BETWEEN 0 AND 1e9",
        "status": "status IN ('answered', 'partial', 'client_gone', 'failed', 'rejected') "
        "AND http_status BETWEEN 100 AND 599",
    },
    "attempts": {
        "times": "started_at BETWEEN 0 AND 1e11 AND seconds BETWEEN 0 AND 1e9 "
        "AND first_token_seconds BETWEEN 0 AND 1e9",
        "draw": "number >= 1 AND propensity BETWEEN 0 AND 1",
        "tokens": "prompt_tokens >= 0 AND cached_tokens >= 0 AND completion_tokens >= 0",
        "amounts": "cost_usd BETWEEN 0 AND 1e9 AND status BETWEEN 0 AND 999",
        "ending": "ending IN ('complete', 'client_gone', 'timeout', 'failed', 'cut', 'rate_limited', "
        "'misconfigured', 'incapable', 'rejected')",
    },
    "feedback": {
        "score": "score BETWEEN 0 AND 1 AND at BETWEEN 0 AND 1e11",
        "status": "status IN ('recorded', 'updated', 'unchanged')",
    },
    "scores": {"score": "score BETWEEN 0 AND 1 AND weight BETWEEN 0 AND 1"},
    "eval_rows": {"score": "score BETWEEN 0 AND 1"},
}


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        _key_feedback_on_sqlite()
        _check_on_sqlite(connection)
    else:
        _key_feedback_on_postgresql()
        _check_on_postgresql(connection)
    op.create_index(op.f("ix_decisions_key_id_at"), "decisions", ["key_id", "at"], unique=False)
    unanswered = sa.text("status <> 'answered'")
    op.create_index(
        "ix_decisions_unanswered",
        "decisions",
        ["at"],
        unique=False,
        sqlite_where=unanswered,
        postgresql_where=unanswered,
    )
    op.create_index(op.f("ix_feedback_at"), "feedback", ["at"], unique=False)


def _key_feedback_on_postgresql() -> None:
    """The key begins with the completion, which spares its index."""
    op.drop_index(op.f("ix_feedback_completion_id"), "feedback")
    op.execute("ALTER TABLE feedback DROP CONSTRAINT pk_feedback")
    op.execute("ALTER TABLE feedback ADD CONSTRAINT pk_feedback PRIMARY KEY (completion_id, id)")
    # jsonb has no NUL, which is escaped in JSON: older versions may have stored one.
    nul, replacement = r"(?<!\\)((?:\\\\)*)\\u0000", r"\1\\ufffd"
    op.execute(
        "ALTER TABLE feedback ALTER COLUMN metadata TYPE jsonb "
        f"USING regexp_replace(metadata, '{nul}', '{replacement}', 'g')::jsonb"
    )


def _key_feedback_on_sqlite() -> None:
    op.drop_index(op.f("ix_feedback_completion_id"), "feedback")
    op.execute("ALTER TABLE feedback RENAME TO former_feedback")
    op.create_table(
        "feedback",
        sa.Column("completion_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("metadata", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["completion_id"],
            ["decisions.completion_id"],
            name=op.f("fk_feedback_completion_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("completion_id", "id", name=op.f("pk_feedback")),
    )
    columns = "completion_id, id, key_id, source, score, at, comment, metadata, status"
    op.execute(f"INSERT INTO feedback ({columns}) SELECT {columns} FROM former_feedback")  # noqa: S608 - no input
    op.execute("DROP TABLE former_feedback")


def _check_on_sqlite(connection: sa.Connection) -> None:
    version: int = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    for table, checks in CHECKS.items():
        stored = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?"
        sql: str = connection.exec_driver_sql(stored, (table,)).scalar_one()
        end = sql.rindex(")")  # what may follow is WITHOUT ROWID
        added = "".join(f",\n\tCONSTRAINT ck_{table}_{name} CHECK ({condition})" for name, condition in checks.items())
        changed = sql[:end].rstrip() + added + "\n" + sql[end:]
        connection.exec_driver_sql(
            "UPDATE sqlite_master SET sql = ? WHERE type = 'table' AND name = ?", (changed, table)
        )
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")  # other connections read the schema again
    connection.exec_driver_sql("PRAGMA writable_schema = RESET")


def _check_on_postgresql(connection: sa.Connection) -> None:
    for table, checks in CHECKS.items():
        added = (
            f"ADD CONSTRAINT ck_{table}_{name} CHECK ({condition}) NOT VALID" for name, condition in checks.items()
        )
        op.execute(f"ALTER TABLE {table} {', '.join(added)}")
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(
                    f"ALTER TABLE {table} {', '.join(f'VALIDATE CONSTRAINT ck_{table}_{name}' for name in checks)}"
                )
        except sa.exc.IntegrityError as error:
            log.warning("%s has rows that an older version wrote and that fail a check: %s", table, error.orig)
