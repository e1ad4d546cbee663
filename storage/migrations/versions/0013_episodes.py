"""The caller's own id of an episode, by which all its completions are scored, and the weight of each score."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("decisions", sa.Column("episode_id", sa.Text(), nullable=True))
    op.add_column("scores", sa.Column("weight", sa.Double(), nullable=False, server_default=sa.text("1")))
    columns = ["key_id", "episode_id", "completion_id"]
    where = sa.text("episode_id IS NOT NULL")
    name = op.f("ix_decisions_key_id_episode_id_completion_id")
    op.create_index(name, "decisions", columns, unique=False, sqlite_where=where, postgresql_where=where)
