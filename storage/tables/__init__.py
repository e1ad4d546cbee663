"""The tables and the meaning of their columns, which PostgreSQL shows as comments (`\\d+`).

Times are seconds since the epoch, money is in dollars. JSON is stored as text, in our own encoding; only what callers
attach to a score is `jsonb` on PostgreSQL, because analysts query it and few rows have it. No foreign key leads from
the ledger to `routers`: a new router of a deleted one's id takes up its requests again. Checks refuse what no gateway
writes: they are bounds of sanity, not of policy.
"""

from storage.tables.activity import (
    ACTIVITY_COUNTS,
    ACTIVITY_SUMS,
    WAITS,
    activity,
    activity_checkpoints,
    budgets,
    judging,
    key_usage,
    key_usage_checkpoints,
    pending_events,
)
from storage.tables.evals import eval_scores, eval_sums, evals
from storage.tables.feedback import feedback, scores, unmatched
from storage.tables.fixed_sums import FIXED_SUMS, OUTCOME_SUMS, SCORE_SUMS, fixed_sums, fixed_sums_checkpoints
from storage.tables.keys import api_keys, idempotency
from storage.tables.ledger import identity, refused_records, replicas
from storage.tables.metadata import metadata
from storage.tables.requests import attempts, choices, contents, decisions
from storage.tables.routers import audit, changes, revisions, router_models, routers, settings
from storage.tables.statistics import (
    arm_priors,
    arms,
    checkpoints,
    rebuilds_due,
    retired_months,
    statistic_changes,
    tasks,
)

__all__ = [
    "ACTIVITY_COUNTS",
    "ACTIVITY_SUMS",
    "FIXED_SUMS",
    "OUTCOME_SUMS",
    "SCORE_SUMS",
    "WAITS",
    "activity",
    "activity_checkpoints",
    "api_keys",
    "arm_priors",
    "arms",
    "attempts",
    "audit",
    "budgets",
    "changes",
    "checkpoints",
    "choices",
    "contents",
    "decisions",
    "eval_scores",
    "eval_sums",
    "evals",
    "feedback",
    "fixed_sums",
    "fixed_sums_checkpoints",
    "idempotency",
    "identity",
    "judging",
    "key_usage",
    "key_usage_checkpoints",
    "metadata",
    "pending_events",
    "rebuilds_due",
    "refused_records",
    "replicas",
    "retired_months",
    "revisions",
    "router_models",
    "routers",
    "scores",
    "settings",
    "statistic_changes",
    "tasks",
    "unmatched",
]
