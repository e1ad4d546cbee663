"""Views for analysts, the same on both databases, made anew after the migrations: a changed view needs a migration.

Times are readable, and `at` stays beside them, in seconds since the epoch: it is what the indexes have.
"""

from sqlalchemy import Connection, text

VIEWS = {
    "v_requests": """
        SELECT d.completion_id, d.at, {instant:d.at} AS started, {instant:d.ended_at} AS ended, {day:d.at} AS day,
            d.router_id, r.name AS router, d.key_id, d.task, d.policy, d.drawn_model_id, d.propensity, d.randomised,
            d.model_id, d.status, d.http_status, d.error_code, d.finish_reason, d.stream, d.seconds,
            d.overhead_seconds, d.attempts, d.prompt_tokens, d.cached_tokens, d.completion_tokens, d.cost_usd,
            d.estimated, d.valid, d.reason, d.episode_id, d.conversation, d.experiment, d.assignment,
            (SELECT sum(s.score * s.weight) / sum(s.weight) FROM scores s
                WHERE s.completion_id = d.completion_id) AS score
        FROM decisions d LEFT JOIN routers r ON r.id = d.router_id""",
    "v_feedback": """
        SELECT f.id, f.completion_id, f.at, {instant:f.at} AS given, {day:f.at} AS day, d.router_id, r.name AS router,
            d.key_id, f.key_id AS scored_by, d.task, d.model_id, f.source, f.score, f.status,
            s.feedback_id IS NOT NULL AS current, f.comment, f.metadata
        FROM feedback f JOIN decisions d ON d.completion_id = f.completion_id
        LEFT JOIN routers r ON r.id = d.router_id
        LEFT JOIN scores s
            ON s.completion_id = f.completion_id AND s.source = f.source AND s.feedback_id = f.id""",
    "v_spend_by_day": """
        SELECT {day:a.start * 1.0} AS day, a.router_id, r.name AS router, a.model_id, a.requests AS drawn, a.answered,
            a.attempts, a.failures, a.prompt_tokens, a.completion_tokens, a.cost_usd
        FROM activity a LEFT JOIN routers r ON r.id = a.router_id WHERE a.width = 86400""",
}


class _Dialect:
    """Formats `{instant:X}` and `{day:X}` as SQL for seconds since the epoch, in UTC."""

    def __init__(self, name: str, sql: dict[str, str]) -> None:
        self._sql = sql[name]

    def __format__(self, column: str) -> str:
        return self._sql.format(column)


_INSTANT = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', {}, 'unixepoch')",
    "postgresql": "to_timestamp({})",
}
_DAY = {
    "sqlite": "date({}, 'unixepoch')",
    "postgresql": "(to_timestamp({}) AT TIME ZONE 'UTC')::date",
}


def drop_views(connection: Connection) -> None:
    """Drop the views, because no migration can change a column that one uses."""
    for name in VIEWS:
        connection.execute(text(f"DROP VIEW IF EXISTS {name}"))


def create_views(connection: Connection) -> None:
    """Create the views on the present tables."""
    kind = connection.dialect.name
    for name, query in VIEWS.items():
        sql = query.format(instant=_Dialect(kind, _INSTANT), day=_Dialect(kind, _DAY))
        connection.exec_driver_sql(f"CREATE VIEW {name} AS {sql}")
