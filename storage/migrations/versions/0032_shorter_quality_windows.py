"""Two shorter windows on quality: the routers that have scores are rebuilt from them by the gateway that starts."""

import time

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    marked = {"since": time.time(), "rebuilt": False}
    # One that is marked already may have been rebuilt without these windows.
    op.get_bind().execute(sa.text("UPDATE rebuilds_due SET since = :since, rebuilt = :rebuilt"), marked)
    op.get_bind().execute(
        sa.text(
            "INSERT INTO rebuilds_due (router_id, since, rebuilt) "
            "SELECT DISTINCT router_id, CAST(:since AS DOUBLE PRECISION), CAST(:rebuilt AS BOOLEAN) FROM arms "
            "WHERE signal = 'quality' AND router_id NOT IN (SELECT router_id FROM rebuilds_due)"
        ),
        marked,
    )
