"""Variants: an arm of a router may be a model with settings of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    comment = "JSON: the model's id and its settings; null: the model as it is"
    op.add_column("router_models", sa.Column("variant", sa.Text, comment=comment))
