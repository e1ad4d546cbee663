"""Three more windows on quality: the routers that have scores are rebuilt from them by the gateway that starts."""

import time

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        sa.text(
            "INSERT INTO rebuilds_due (router_id, since, rebuilt) "
            "SELECT DISTINCT router_id, :since, :rebuilt FROM arms "
            "WHERE signal = 'quality' AND router_id NOT IN (SELECT router_id FROM rebuilds_due)"
        ).bindparams(sa.bindparam("since", time.time(), sa.Double()), sa.bindparam("rebuilt", False, sa.Boolean()))
    )
