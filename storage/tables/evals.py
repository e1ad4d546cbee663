"""Tables of offline evaluations."""

from sqlalchemy import Column, Double, ForeignKey, Table, Text, text

from storage.columns import check, key, optional, required, within
from storage.tables.metadata import metadata

evals = Table(
    "evals",
    metadata,
    key("id", Text, "eval_…"),
    required("name", Text, "as people call it"),
    required("metric", Text, "what was measured"),
    required("unit", Text, "of the metric"),
    required("minimum", Double, "the metric's value that counts as 0"),
    required("maximum", Double, "the metric's value that counts as 1"),
    Column("router_id", Text, index=True, comment="the router that it is for; null: all routers"),
    required("created_at", Double, "when it was imported"),
    Column("made_at", Double, nullable=False, server_default=text("0"), comment="when it was made: it fades from then"),
    Column("import_id", Text, nullable=False, server_default="", comment="eval_scores.import_id of its rows"),
    optional("withdrawn_at", Double, "from when on it does not count; null: it counts"),
    comment="evaluations of models elsewhere, whose scores count beside users'",
)

eval_scores = Table(
    "eval_scores",
    metadata,
    key("import_id", Text, "imp_…, begins with its time; without an evaluation: an import that is not done, or failed"),
    key("model_id", Text, "the model"),
    key("task", Text, "the class; empty: none"),
    key("prompt_id", Text, "as given; empty: a mean over several prompts"),
    required("score", Double, "from 0 to 1"),
    required("weight", Double, "the number of prompts of a mean, else 1"),
    optional("prompt_tokens", Double, "of the answer, or their mean; null: not known"),
    optional("completion_tokens", Double, "of the answer, or their mean; null: not known"),
    optional("cost_usd", Double, "of the answer, or their mean; null: not known"),
    optional("seconds", Double, "of the answer, or their mean; null: not known"),
    required("notes", Text, "as given"),
    check("score", *within("0", "1", "score"), *within("0", "1e9", "weight", "cost_usd", "seconds")),
    check("tokens", *within("0", "1e9", "prompt_tokens", "completion_tokens")),
    comment="the rows of evaluations",
    sqlite_with_rowid=False,
)

eval_sums = Table(
    "eval_sums",
    metadata,
    Column("eval_id", Text, ForeignKey("evals.id", ondelete="CASCADE"), primary_key=True, comment="the evaluation"),
    key("model_id", Text, "the model"),
    key("task", Text, "the class; empty: none"),
    key("signal", Text, "what the sums are about"),
    required("weight", Double, "sum of the weights"),
    required("total", Double, "sum of the values"),
    required("squares", Double, "sum of their squares"),
    comment="sums of the evaluations' rows, as they were at evals.made_at",
    sqlite_with_rowid=False,
)
