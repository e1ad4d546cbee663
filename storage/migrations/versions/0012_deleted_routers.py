"""Deleted routers keep their row, because their ledger stays: how fast it fades, and for how long it is kept.

Former versions deleted the row. Routers that left statistics get one again, with the half-lives of these, and keep
their requests forever, as was promised then.
"""

import json
import secrets
import time

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SECONDS = {
    "success": "success_seconds",
    "quality": "quality_seconds",
    "first_token": "latency_seconds",
    "total": "latency_seconds",
    "completion_tokens": "tokens_seconds",
    "cost": "tokens_seconds",
}
"""Signals by the half-life that they fade with."""


def upgrade() -> None:
    op.add_column("routers", sa.Column("deleted_at", sa.Double(), nullable=True))
    connection = op.get_bind()
    routers = sa.table(
        "routers",
        sa.column("id", sa.Text()),
        sa.column("name", sa.Text()),
        sa.column("secret", sa.LargeBinary()),
        sa.column("settings", sa.Text()),
        *(sa.column(name, sa.Double()) for name in ("created_at", "updated_at", "deleted_at")),
    )
    arms = sa.table("arms", *(sa.column(name) for name in ("router_id", "signal", "half_life", "at")))
    left = sa.select(arms.c.router_id, arms.c.signal, arms.c.half_life, sa.func.min(arms.c.at), sa.func.max(arms.c.at))
    left = left.where(arms.c.router_id.not_in(sa.select(routers.c.id))).group_by(*left.selected_columns[:3])
    half_lives: dict[str, dict[str, float]] = {}
    instants: dict[str, list[float]] = {}
    for router_id, signal, half_life, first, last in connection.execute(left):
        instants.setdefault(router_id, []).extend((first, last))
        own = half_lives.setdefault(router_id, {})
        if signal in SECONDS:
            own[SECONDS[signal]] = half_life
    rows = [
        {
            "id": router_id,
            "name": router_id,
            "secret": secrets.token_bytes(32),
            "settings": json.dumps({"half_lives": own, "retention_days": "forever"}),
            "created_at": min(instants[router_id]),
            "updated_at": max(instants[router_id]),
            "deleted_at": time.time(),
        }
        for router_id, own in half_lives.items()
    ]
    if rows:
        op.bulk_insert(routers, rows)
