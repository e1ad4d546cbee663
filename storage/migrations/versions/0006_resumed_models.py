"""A counter of models that operators resumed, so that every process hears of it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    revisions = sa.table("revisions", sa.column("topic", sa.Text), sa.column("value", sa.BigInteger))
    op.bulk_insert(revisions, [{"topic": "resumptions", "value": 0}])
