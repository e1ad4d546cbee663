"""An audit trail of changes to routers, keys, scorecards and models; revisions of routers, and what a file declares."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("key_id", sa.Text()),
        sa.Column("via", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text()),
        sa.Column("reverted_by", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sa.CheckConstraint("at BETWEEN 0 AND 1e11", name=op.f("ck_audit_times")),
        sa.CheckConstraint("via IN ('api', 'dashboard', 'cli', 'file')", name=op.f("ck_audit_via")),
    )
    op.create_index(op.f("ix_audit_target_id"), "audit", ["target", "id"], unique=False)
    op.add_column("routers", sa.Column("revision", sa.BigInteger(), nullable=False, server_default="1"))
    op.add_column("routers", sa.Column("declared", sa.Text(), nullable=False, server_default="{}"))
    op.add_column("routers", sa.Column("eval_ids", sa.Text()))
    op.add_column("api_keys", sa.Column("prefix", sa.Text()))
    op.add_column("api_keys", sa.Column("created_by", sa.Text()))
