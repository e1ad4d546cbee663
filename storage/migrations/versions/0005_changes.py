"""Priors of arms in a table of their own, and records of which router, key or scorecard was changed last."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

PREFIX = "prior/"


def upgrade() -> None:
    op.create_table(
        "changes",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "revision", name=op.f("pk_changes")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "statistic_changes",
        sa.Column("router_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("router_id", name=op.f("pk_statistic_changes")),
    )
    op.create_index(op.f("ix_statistic_changes_revision"), "statistic_changes", ["revision"], unique=False)
    priors = op.create_table(
        "arm_priors",
        sa.Column("router_id", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("prior", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("router_id", "model_id", name=op.f("pk_arm_priors")),
        sqlite_with_rowid=False,
    )
    _move_priors(op.get_bind(), priors)


def _move_priors(connection: sa.Connection, priors: sa.Table) -> None:
    """Former versions kept a prior among the settings, under `prior/ROUTER/MODEL`; a model's id has slashes itself."""
    settings = sa.table("settings", sa.column("name"), sa.column("value"), sa.column("updated_at"))
    named = settings.c.name.startswith(PREFIX, autoescape=True)
    rows = []
    for name, value, updated_at in connection.execute(sa.select(settings).where(named)):
        router_id, _, model_id = name.removeprefix(PREFIX).partition("/")
        rows.append({"router_id": router_id, "model_id": model_id, "prior": value, "created_at": updated_at})
    if rows:
        connection.execute(priors.insert(), rows)
        connection.execute(settings.delete().where(named))
