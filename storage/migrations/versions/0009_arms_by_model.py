"""An index of the statistics by model, from which a router that a model joins borrows its prior."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    columns = ["model_id", "signal", "router_id"]
    op.create_index(op.f("ix_arms_model_id_signal_router_id"), "arms", columns, unique=False)
