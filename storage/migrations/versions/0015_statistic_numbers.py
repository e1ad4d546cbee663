"""On PostgreSQL a sequence numbers the transactions that change statistics, in place of their transaction ids.

Processes of older versions, which run beside newer ones during a deploy, still write transaction ids: triggers replace
them. The sequence starts far above all of these, so a trigger's condition tells one from the other at no cost.
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

FIRST = 2**40
NUMBERED = ("arms", "budgets", "traffic", "statistic_changes")

FUNCTION = """
CREATE FUNCTION number_statistics() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(mod(tableoid::bigint, 2147483647)::int, mod(last_value, 2147483647)::int)
    FROM statistic_numbers;
    NEW.revision := nextval('statistic_numbers');
    RETURN NEW;
END $$
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"CREATE SEQUENCE statistic_numbers START {FIRST}")
        op.execute("SELECT nextval('statistic_numbers')")  # the last number is now one that nobody has
        op.execute(FUNCTION)
        for table in NUMBERED:
            op.execute(
                f"CREATE TRIGGER number_statistics BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW "
                f"WHEN (NEW.revision < {FIRST}) EXECUTE FUNCTION number_statistics()"
            )
    op.create_index(op.f("ix_statistic_changes_revision"), "statistic_changes", ["revision"], unique=False)
