"""Routers whose statistics must be rebuilt, marked by the change that made it necessary."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rebuilds_due",
        sa.Column("router_id", sa.Text(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("rebuilt", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("router_id", name=op.f("pk_rebuilds_due")),
    )
