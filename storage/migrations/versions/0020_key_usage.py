"""What each API key uses per minute and day, its limits, and when it was used last."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("key_usage", "key_usage_checkpoints"):
        revised = [sa.Column("revision", sa.BigInteger(), nullable=False)] if table == "key_usage" else []
        op.create_table(
            table,
            sa.Column("key_id", sa.Text(), nullable=False),
            sa.Column("width", sa.Integer(), nullable=False),
            sa.Column("start", sa.BigInteger(), nullable=False),
            sa.Column("requests", sa.BigInteger(), nullable=False),
            sa.Column("tokens", sa.BigInteger(), nullable=False),
            sa.Column("cost_usd", sa.Double(), nullable=False),
            *revised,
            sa.PrimaryKeyConstraint("key_id", "width", "start", name=op.f(f"pk_{table}")),
            sqlite_with_rowid=False,
        )
    # The days of what is in the ledger, and in months that are being retired.
    connection = op.get_bind()
    used = "SELECT key_id, ended_at, prompt_tokens, completion_tokens, cost_usd FROM"
    requests = f"{used} decisions"
    if connection.dialect.name == "postgresql":
        for suffix in connection.execute(sa.text("SELECT suffix FROM retired_months")).scalars().all():
            requests += (
                f" UNION ALL {used} decisions_{suffix} WHERE completion_id > "  # noqa: S608
                f"(SELECT folded_to FROM retired_months WHERE suffix = '{suffix}')"
            )
    op.execute(
        "INSERT INTO key_usage (key_id, width, start, requests, tokens, cost_usd, revision) "  # noqa: S608
        "SELECT key_id, 86400, CAST(floor(ended_at / 86400) AS BIGINT) * 86400, count(*), "
        "sum(coalesce(prompt_tokens, 0) + coalesce(completion_tokens, 0)), sum(cost_usd), 0 "
        f"FROM ({requests}) AS requests GROUP BY 1, 3"
    )
    op.create_index(op.f("ix_key_usage_width_start"), "key_usage", ["width", "start"], unique=False)
    where = sa.text("width = 86400")
    op.create_index(
        "ix_key_usage_revision", "key_usage", ["revision"], unique=False, sqlite_where=where, postgresql_where=where
    )
    op.add_column("api_keys", sa.Column("limits", sa.Text(), nullable=True))
    op.add_column("api_keys", sa.Column("last_used_at", sa.Double(), nullable=True))
