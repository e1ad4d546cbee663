"""Activity per model and minute, hour or day takes the place of traffic, whose days are copied.

Requests of before are not counted anew: `decisions.explored` is null for them. Their days are in the checkpoint too,
so that activity stays the checkpoint plus what the other requests add up to.
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

COUNTS = {
    "requests": "drawn",
    "redrawn": "0",
    "explored": "0",
    "answered": "answered",
    "partial": "0",
    "failed_provider": "0",
    "failed_own": "0",
    "rejected": "0",
    "client_gone": "0",
    "attempts": "attempts",
    "failures": "failures",
    "prompt_tokens": "prompt_tokens",
    "cached_tokens": "0",
    "completion_tokens": "completion_tokens",
    "first_tokens": "0",
    "scored": "0",
}
"""Columns, with what they are of a day of traffic."""
WAITS = [f"w{k}" for k in range(24)]
SUMS = ("cost_usd", "seconds", "overhead_seconds", "first_token_seconds", "score", "score_squares")


def upgrade() -> None:
    op.add_column("decisions", sa.Column("explored", sa.Boolean()))
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        for suffix in connection.execute(sa.text("SELECT suffix FROM retired_months")).scalars().all():
            op.add_column(f"decisions_{suffix}", sa.Column("explored", sa.Boolean()))
    _create("activity", sa.Column("revision", sa.BigInteger(), nullable=False))
    _create("activity_checkpoints")
    copied = {**COUNTS, **dict.fromkeys(WAITS, "0"), **dict.fromkeys(SUMS, "0.0"), "cost_usd": "cost_usd"}
    for table, more in (("activity", {"revision": "revision"}), ("activity_checkpoints", {})):
        names, values = ", ".join((*copied, *more)), ", ".join((*copied.values(), *more.values()))
        op.execute(
            f"INSERT INTO {table} (router_id, width, start, model_id, task, {names}) "  # noqa: S608
            f"SELECT router_id, 86400, day * 86400, model_id, '', {values} FROM traffic"
        )
    op.drop_table("traffic")


def _create(table: str, *more: "sa.Column[int]") -> None:
    large = {name for name in COUNTS if name.endswith("tokens")}
    op.create_table(
        table,
        sa.Column("router_id", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger() if name in large else sa.Integer(), nullable=False) for name in COUNTS),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in WAITS),
        *(sa.Column(name, sa.Double(), nullable=False) for name in SUMS),
        *more,
        sa.PrimaryKeyConstraint("router_id", "width", "start", "model_id", "task", name=op.f(f"pk_{table}")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f(f"ix_{table}_width_start"), table, ["width", "start"], unique=False)
