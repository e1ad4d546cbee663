"""With which probability a second model is asked too, and the score of its answer."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("decisions", sa.Column("shadow_probability", sa.Double(), nullable=True))
    op.add_column("decisions", sa.Column("shadow_model_id", sa.Text(), nullable=True))
    op.add_column("decisions", sa.Column("shadow_score", sa.Double(), nullable=True))
