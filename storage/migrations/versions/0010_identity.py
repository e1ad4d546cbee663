"""The ledger's identity: a random id, made once, and an epoch that a restore counts up."""

import secrets
import time

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    identity = op.create_table(
        "identity",
        sa.Column("ledger_id", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("ledger_id", name=op.f("pk_identity")),
    )
    row = {"ledger_id": f"led_{secrets.token_hex(16)}", "epoch": 1, "created_at": time.time()}
    op.bulk_insert(identity, [row])
