"""A completion's id is called completion_id in every table.

A process of an older version that still runs beside this schema finds no column of the former name: what it can't write
waits in its spool, and is written by the version that takes its place.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

REFERRING = ("attempts", "contents", "feedback", "scores")


def upgrade() -> None:
    op.execute("ALTER TABLE decisions RENAME COLUMN id TO completion_id")
    for table in REFERRING:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN decision_id TO completion_id")
    op.drop_index(op.f("ix_feedback_decision_id"), "feedback")
    op.create_index(op.f("ix_feedback_completion_id"), "feedback", ["completion_id"], unique=False)
