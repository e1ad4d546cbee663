"""Tables of what single models cost and scored: sums from which savings are computed (`bandit.ope.savings`)."""

from sqlalchemy import Column, Double, Integer, Table, Text

from storage.columns import key, required
from storage.tables.metadata import metadata

_POWERS = {"": "", "w_": ", each times w = 1/p", "ww_": ", each times w²"}
_OUTCOMES = {
    "requests": "randomised first draws that the model answered or failed",
    "cost": "dollars of these calls",
    "seconds": "seconds of these calls",
    "failed": "of these calls, failures of the model's own",
    "cost_cost": "squares of their dollars",
    "seconds_seconds": "squares of their seconds",
    "cost_seconds": "their dollars times their seconds",
    "cost_failed": "dollars of failures",
    "seconds_failed": "seconds of failures",
}
_SCORES = {
    "scored": "weights of scores of answered first draws",
    "quality": "these scores",
    "quality_quality": "squares of these scores",
}

OUTCOME_SUMS = {f"{power}{name}": what + how for power, how in _POWERS.items() for name, what in _OUTCOMES.items()}
SCORE_SUMS = {f"{power}{name}": what + how for power, how in _POWERS.items() for name, what in _SCORES.items()}
FIXED_SUMS = OUTCOME_SUMS | SCORE_SUMS
"""Columns with their meaning. A score of an episode of n completions has the weight 1/n, and counts with its powers."""


def _columns() -> list["Column[object]"]:
    return [
        key("router_id", Text, "the router"),
        key("day", Integer, "UTC day of the request's end, in days since the epoch"),
        key("task", Text, "class of the request"),
        key("model_id", Text, "the model that was drawn, with probability p"),
        *(required(name, Double, what) for name, what in FIXED_SUMS.items()),
    ]


fixed_sums = Table(
    "fixed_sums",
    metadata,
    *_columns(),
    comment="sums of randomised first draws by the drawn model: what always using this model would have cost",
    sqlite_with_rowid=False,
)

fixed_sums_checkpoints = Table(
    "fixed_sums_checkpoints",
    metadata,
    *_columns(),
    comment="the part of fixed_sums whose decisions were deleted",
    sqlite_with_rowid=False,
)
