"""Call sites are classes of the statistics beside the tasks that callers state."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tasks", sa.Column("name", sa.Text()))
    op.add_column("tasks", sa.Column("built_in", sa.Text()))
