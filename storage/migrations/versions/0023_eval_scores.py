"""Evaluations row by row, with their sums. What was a scorecard becomes means over 20 prompts, of no task: what its
scores were worth before.
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("evals", sa.Column("made_at", sa.Double(), nullable=False, server_default=sa.text("0")))
    op.add_column("evals", sa.Column("import_id", sa.Text(), nullable=False, server_default=""))
    op.add_column("evals", sa.Column("withdrawn_at", sa.Double(), nullable=True))
    op.create_table(
        "eval_scores",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("import_id", "model_id", "task", "prompt_id")),
        *(sa.Column(name, sa.Double(), nullable=False) for name in ("score", "weight")),
        *(sa.Column(n, sa.Double(), nullable=True) for n in ("prompt_tokens", "completion_tokens")),
        *(sa.Column(n, sa.Double(), nullable=True) for n in ("cost_usd", "seconds")),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "score BETWEEN 0 AND 1 AND weight BETWEEN 0 AND 1e9 AND cost_usd BETWEEN 0 AND 1e9 "
            "AND seconds BETWEEN 0 AND 1e9",
            name=op.f("ck_eval_scores_score"),
        ),
        sa.CheckConstraint(
            "prompt_tokens BETWEEN 0 AND 1e9 AND completion_tokens BETWEEN 0 AND 1e9",
            name=op.f("ck_eval_scores_tokens"),
        ),
        sa.PrimaryKeyConstraint("import_id", "model_id", "task", "prompt_id", name=op.f("pk_eval_scores")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "eval_sums",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("eval_id", "model_id", "task", "signal")),
        *(sa.Column(name, sa.Double(), nullable=False) for name in ("weight", "total", "squares")),
        sa.ForeignKeyConstraint(["eval_id"], ["evals.id"], name=op.f("fk_eval_sums_eval_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("eval_id", "model_id", "task", "signal", name=op.f("pk_eval_sums")),
        sqlite_with_rowid=False,
    )
    op.execute("UPDATE evals SET made_at = created_at, import_id = 'imp_' || id")
    op.execute(
        "INSERT INTO eval_scores (import_id, model_id, task, prompt_id, score, weight, notes) "
        "SELECT 'imp_' || eval_id, model_id, '', '', score, 20, notes FROM eval_rows"
    )
    op.execute(
        "INSERT INTO eval_sums (eval_id, model_id, task, signal, weight, total, squares) "
        "SELECT eval_id, model_id, '', 'quality', 20, 20 * score, 20 * score FROM eval_rows"
    )
    op.drop_table("eval_rows")
