"""Which experiment a request was part of, and the number that assigned it to its policy."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("decisions", sa.Column("experiment", sa.Text(), nullable=True))
    op.add_column("decisions", sa.Column("assignment", sa.Double(), nullable=True))
