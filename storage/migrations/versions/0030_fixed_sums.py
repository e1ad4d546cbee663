"""Sums of randomised first draws by day, class and drawn model, of which savings are made.

They are filled from what is in the ledger, and in months that are being retired. What retention had deleted before is
in no sum: no row of it is left.
"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

FAILED = "(CASE WHEN a.ending = 'complete' THEN 0.0 ELSE 1.0 END)"
OUTCOMES = {
    "requests": "1.0",
    "cost": "a.cost_usd",
    "seconds": "a.seconds",
    "failed": FAILED,
    "cost_cost": "a.cost_usd * a.cost_usd",
    "seconds_seconds": "a.seconds * a.seconds",
    "cost_seconds": "a.cost_usd * a.seconds",
    "cost_failed": f"a.cost_usd * {FAILED}",
    "seconds_failed": f"a.seconds * {FAILED}",
}
SCORES = {"scored": "1.0", "quality": "s.mean", "quality_quality": "s.mean * s.mean"}
W = "1.0 / d.propensity"
POWERS = {"": ("1.0", "s.weight"), "w_": (W, "s.weight"), "ww_": (f"({W}) * ({W})", "s.weight * s.weight")}


def upgrade() -> None:
    sums = {
        f"{power}{name}": f"CAST(SUM({times} * {term}) AS DOUBLE PRECISION)"
        for power, (times, _) in POWERS.items()
        for name, term in OUTCOMES.items()
    } | {
        f"{power}{name}": f"COALESCE(CAST(SUM({times} * {weight} * {term}) AS DOUBLE PRECISION), 0.0)"
        for power, (times, weight) in POWERS.items()
        for name, term in SCORES.items()
    }
    for table in ("fixed_sums", "fixed_sums_checkpoints"):
        op.create_table(
            table,
            sa.Column("router_id", sa.Text(), nullable=False),
            sa.Column("day", sa.Integer(), nullable=False),
            sa.Column("task", sa.Text(), nullable=False),
            sa.Column("model_id", sa.Text(), nullable=False),
            *(sa.Column(name, sa.Double(), nullable=False) for name in sums),
            sa.PrimaryKeyConstraint("router_id", "day", "task", "model_id", name=op.f(f"pk_{table}")),
            sqlite_with_rowid=False,
        )
    connection = op.get_bind()
    months = [("", "")]
    if connection.dialect.name == "postgresql":
        found = connection.execute(sa.text("SELECT suffix, folded_to FROM retired_months")).all()
        months += [(f"_{suffix}", folded_to) for suffix, folded_to in found]
    for suffix, folded_to in months:
        added = ", ".join(f"{name} = fixed_sums.{name} + excluded.{name}" for name in sums)
        connection.execute(
            sa.text(
                f"INSERT INTO fixed_sums (router_id, day, task, model_id, {', '.join(sums)}) "  # noqa: S608
                "SELECT d.router_id, CAST(floor(d.ended_at / 86400.0) AS INTEGER), d.task, d.drawn_model_id, "
                f"{', '.join(sums.values())} FROM decisions{suffix} AS d "
                f"JOIN attempts{suffix} AS a ON a.completion_id = d.completion_id AND a.number = 1 "
                "LEFT JOIN (SELECT completion_id, SUM(weight * score) / SUM(weight) AS mean, MAX(weight) AS weight "
                f"FROM scores{suffix} GROUP BY completion_id) AS s ON s.completion_id = d.completion_id "
                "AND d.attempts = 1 AND d.status = 'answered' "
                "WHERE d.randomised AND d.propensity >= 1e-6 AND d.completion_id > :folded_to "
                "AND a.ending IN ('complete', 'timeout', 'failed', 'cut') "
                "GROUP BY d.router_id, CAST(floor(d.ended_at / 86400.0) AS INTEGER), d.task, d.drawn_model_id "
                f"ON CONFLICT (router_id, day, task, model_id) DO UPDATE SET {added}"
            ),
            {"folded_to": folded_to},
        )
