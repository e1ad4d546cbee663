"""What was expected of a change when it was applied."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audit", sa.Column("forecast", sa.Text()))
