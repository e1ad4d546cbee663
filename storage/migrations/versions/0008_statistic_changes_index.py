"""No index on the revisions of statistic_changes: each commit would write two pages more, and the table is short."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index(op.f("ix_statistic_changes_revision"), "statistic_changes")
