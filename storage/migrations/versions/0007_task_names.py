"""A router has 64 task names at most: those that were used last keep their place."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

KEPT = 64


def upgrade() -> None:
    revisions = sa.table("revisions", sa.column("topic", sa.Text), sa.column("value", sa.BigInteger))
    op.bulk_insert(revisions, [{"topic": "tasks", "value": 0}])
    tasks = sa.table("tasks", sa.column("router_id"), sa.column("task"), sa.column("last_used_at"))
    place = sa.func.row_number().over(
        partition_by=tasks.c.router_id, order_by=(tasks.c.last_used_at.desc(), tasks.c.task)
    )
    ranked = sa.select(tasks.c.router_id, tasks.c.task, place.label("place")).subquery()
    beyond = sa.select(ranked.c.router_id, ranked.c.task).where(ranked.c.place > KEPT)
    connection = op.get_bind()
    for router_id, task in connection.execute(beyond).all():
        connection.execute(tasks.delete().where(tasks.c.router_id == router_id, tasks.c.task == task))
