"""Scores that matched no completion."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "unmatched",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("example", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "day", name=op.f("pk_unmatched")),
        sa.CheckConstraint("count >= 0", name=op.f("ck_unmatched_counts")),
        sqlite_with_rowid=False,
    )
