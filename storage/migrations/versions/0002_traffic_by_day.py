"""An index of the traffic's days: what was spent today is found without reading all days there ever were."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_traffic_day"), "traffic", ["day"], unique=False)
