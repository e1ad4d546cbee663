"""What else of an attempt's tokens is billed apart, and whether the provider stated the dollars."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attempts", sa.Column("cost_stated", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("attempts", sa.Column("token_details", sa.Text(), nullable=True))
