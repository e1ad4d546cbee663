"""How a database is opened, and how its schema comes to be what the code says."""

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zlib import compress

import msgspec
import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from bandit.statistics import Signal
from bandit.types import ArmPrior, LogNormalPrior
from gateway.maintenance.rebuild import eval_rebuild_of
from storage.database import schema
from storage.database.engine import Database, connect, open_database
from storage.database.months import PARTITIONED
from storage.database.revisions import Topic
from storage.database.sqlite import ensure_power
from storage.errors import DatabaseUnavailable, SchemaOutdated
from storage.maintenance.retention import delete_requests
from storage.maintenance.usage import UsageRebuild
from storage.records import Content
from storage.stores.evals import Evals, EvalScore
from storage.stores.ledger import Ledger
from storage.stores.priors import Priors
from storage.stores.tasks import TaskRow, Tasks
from storage.tables import metadata
from tests.support.databases import insert_row
from tests.support.waiting import wait_until

OWN = {"version_table": schema.VERSION_TABLE}


def differences(connection: Connection) -> list[object]:
    """What distinguishes the schema from the tables of the code, but for partitions, which have no foreign keys."""

    def compared(item: object, name: str | None, kind: str, *_: object) -> bool:
        own = kind != "table" or name in metadata.tables
        return own and (kind != "foreign_key_constraint" or connection.dialect.name == "sqlite")

    options = {**OWN, "compare_type": True, "include_object": compared}
    found = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    tables = set(inspect(connection).get_table_names())
    strange = {name for name in tables if name.partition("_")[0] not in PARTITIONED} - metadata.tables.keys()
    return [*found, *(strange - {schema.VERSION_TABLE, "alembic_version"})]


def revisions() -> list[str]:
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    return [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]


def test_the_migrated_schema_equals_the_tables(database: Database) -> None:
    with database.read() as connection:
        assert differences(connection) == []


def test_the_head_that_the_code_names_is_the_migrations_own() -> None:
    assert revisions()[-1] == schema.HEAD


def test_revisions_are_numbered_in_order() -> None:
    assert revisions() == sorted(revisions())


@pytest.mark.parametrize("revision", revisions())
def test_every_released_revision_comes_up_to_head(empty_url: str, revision: str) -> None:
    with pytest.raises(SchemaOutdated, match="bandit-gateway migrate"):
        open_database(empty_url, migrate=False)
    database = connect(empty_url, "normal")
    with database.write() as connection:
        schema.upgrade(connection, revision)
    database.close()
    database = open_database(empty_url)
    with database.read() as connection:
        assert schema.revision_of(connection) == schema.HEAD
        assert differences(connection) == []
        topics = set(connection.execute(text("SELECT topic FROM revisions")).scalars())
        assert topics == {topic.value for topic in Topic}
    database.close()
    open_database(empty_url, migrate=False).close()


def test_requests_of_the_first_schema_are_read_by_the_present_one(empty_url: str) -> None:
    database = connect(empty_url, "normal")
    with database.write() as connection:
        schema.upgrade(connection, "0001")
        request = {"id": "req_1", "router_id": "rtr_a", "status": "answered", "choice_id": "req_1", "at": 1.0}
        insert_row(connection, "decisions", {**request, "learned": "{}"})
        insert_row(connection, "choices", {"id": "req_1", "router_id": "rtr_a", "choice": compress(b"{}")})
        insert_row(connection, "attempts", {"decision_id": "req_1", "number": 1, "ending": "complete"})
        insert_row(connection, "contents", {"decision_id": "req_1", "request": b"asked", "answer": b"said"})
        insert_row(connection, "feedback", {"id": "fbk_1", "decision_id": "req_1", "score": 0.5})
        insert_row(connection, "scores", {"decision_id": "req_1", "score": 0.5, "feedback_id": "fbk_1"})
    database.close()
    database = open_database(empty_url)
    ledger = Ledger(database)
    view = ledger.decision("req_1")
    assert view is not None
    assert (view.decision.completion_id, view.decision.choice, len(view.attempts)) == ("req_1", b"{}", 1)
    assert [(each.id, each.completion_id, each.score) for each in view.feedback] == [("fbk_1", "req_1", 0.5)]
    assert ledger.content("req_1") == Content(b"asked", b"said")
    assert [row["score"] for row in ledger.export("rtr_a")] == [0.5]
    with database.write() as connection:
        delete_requests(connection, ["req_1"])
        for table in ("attempts", "contents", "feedback", "scores"):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0, table  # noqa: S608
    database.close()


def test_what_keys_used_in_a_month_that_is_being_retired_is_counted(empty_url: str) -> None:
    database = connect(empty_url, "normal")
    if database.sqlite:
        database.close()
        pytest.skip("months are retired on PostgreSQL alone")
    with database.write() as connection:
        schema.upgrade(connection, "0018")
        request = {"key_id": "key_a", "status": "answered", "learned": "{}", "prompt_tokens": 3, "completion_tokens": 4}
        request |= {"at": 9e4, "ended_at": 9e4, "http_status": 200, "attempts": 1, "cost_usd": 0.5}
        for completion_id in ("req_00", "req_01"):
            insert_row(connection, "decisions", {**request, "completion_id": completion_id})
        for table in ("decisions", "attempts", "feedback", "scores", "contents"):
            connection.execute(text(f"ALTER TABLE {table} DETACH PARTITION {table}_before"))
        connection.execute(text("INSERT INTO retired_months (suffix, folded_to) VALUES ('before', 'req_00')"))
        insert_row(connection, "decisions", {**request, "completion_id": "req_zz"})
    database.close()
    database = open_database(empty_url)
    with database.read() as connection:
        used = connection.execute(text("SELECT key_id, start, requests, tokens, cost_usd FROM key_usage")).all()
    assert [tuple(row) for row in used] == [("key_a", 86_400, 2, 14, 1.0)], (
        "one is in the checkpoints, which had no keys"
    )
    assert UsageRebuild(database).check() == []
    database.close()


def test_a_scorecard_becomes_means_over_twenty_prompts(empty_url: str) -> None:
    database = connect(empty_url, "normal")
    with database.write() as connection:
        schema.upgrade(connection, "0022")
        insert_row(connection, "evals", {"id": "eval_1", "name": "MMLU", "maximum": 100.0, "created_at": 5.0})
        insert_row(connection, "eval_rows", {"eval_id": "eval_1", "model_id": "a/b", "score": 0.75, "notes": "why"})
    database.close()
    database = open_database(empty_url)
    (record,) = Evals(database).all()
    assert (record.source, record.made_at, record.withdrawn_at) == ("eval:MMLU", 5.0, None)
    assert record.sums == {("a/b", "", Signal.QUALITY): (20.0, 15.0, 15.0)}
    assert list(Evals(database).scores(record.import_id)) == [EvalScore("a/b", 0.75, weight=20.0, notes="why")]
    assert eval_rebuild_of(database).check() == []
    with database.write() as connection:
        connection.execute(text("UPDATE eval_sums SET total = 3"))
    assert [each.key.router_id for each in eval_rebuild_of(database).run()] == ["eval_1"]
    assert Evals(database).all() == [record]
    database.close()


def test_priors_that_stood_among_the_settings_move_to_their_table(empty_url: str) -> None:
    prior = ArmPrior(total=LogNormalPrior(-3.5, 0.5, 10.0), completion_tokens=180.0)
    database = connect(empty_url, "normal")
    with database.write() as connection:
        schema.upgrade(connection, "0002")
        value = msgspec.json.encode(prior).decode()
        insert_row(connection, "settings", {"name": "prior/rtr_a/openrouter/meta/llama", "value": value})
        insert_row(connection, "settings", {"name": "retention", "value": "null"})
    database.close()
    database = open_database(empty_url)
    assert Priors(database).of(None) == {("rtr_a", "openrouter/meta/llama"): prior}
    with database.read() as connection:
        assert connection.execute(text("SELECT name FROM settings")).scalars().all() == ["retention"]
    database.close()


def test_the_names_that_were_used_last_keep_their_place(empty_url: str) -> None:
    database = connect(empty_url, "normal")
    with database.write() as connection:
        schema.upgrade(connection, "0002")
        for number in range(200):
            insert_row(connection, "tasks", {"router_id": "rtr_a", "task": f"t{number}", "last_used_at": number})
        insert_row(connection, "tasks", {"router_id": "rtr_b", "task": "t0", "last_used_at": 0.0})
    database.close()
    database = open_database(empty_url)
    kept = Tasks(database).of(None)
    assert kept == {
        "rtr_a": {f"t{number}": TaskRow(number) for number in range(136, 200)},
        "rtr_b": {"t0": TaskRow(0.0)},
    }
    database.close()


def test_threads_that_open_an_empty_database_at_once_all_find_it_migrated(empty_url: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        databases = list(pool.map(lambda _: open_database(empty_url), range(8)))
    for database in databases:
        database.check()
        database.close()


def test_processes_that_open_an_empty_database_at_once_all_find_it_migrated(tmp_path: Path) -> None:
    program = "import sys; from storage.database.engine import open_database; open_database(sys.argv[1]).check()"
    command = [sys.executable, "-c", program, f"sqlite:///{tmp_path / 'ledger.db'}"]
    processes = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]


def test_a_newer_schema_is_accepted_for_the_time_of_a_deploy(database: Database, ledger_url: str) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE bandit_gateway_version SET version_num = '9999'"))
    try:
        open_database(ledger_url).close()
        open_database(ledger_url, migrate=False).close()
    finally:
        with database.write() as connection:
            connection.execute(text("UPDATE bandit_gateway_version SET version_num = :head"), {"head": schema.HEAD})


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "sqlite:///PATH or postgresql://"),
        ("mysql://root@localhost/x", "not mysql"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("sqlite:////nowhere/at/all.db", "check that /nowhere/at exists and can be written"),
        ("postgresql://user:secret@127.0.0.1:1/ledger", "check that the server runs"),
        ("postgresql://user:secret@127.0.0.1:1/ledger?sslmode=nonsense", "can't be opened"),
    ],
)
def test_a_database_that_cannot_be_opened_is_one_clear_line_without_its_password(url: str, says: str) -> None:
    with pytest.raises(DatabaseUnavailable) as caught:
        open_database(url)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_bytes(b"Dear diary, " * 1_000)
    with pytest.raises(DatabaseUnavailable, match="not a database"):
        open_database(f"sqlite:///{path}")
    assert path.read_bytes().startswith(b"Dear diary")


def test_sqlite_synchronous_is_normal_or_full(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match='"normal" or "full"'):
        open_database(f"sqlite:///{tmp_path / 'l.db'}", "off")
    for name, number in (("normal", 1), ("full", 2)):
        database = open_database(f"sqlite:///{tmp_path / 'l.db'}", name)
        with database.read() as connection:
            assert connection.execute(text("PRAGMA synchronous")).scalar() == number
            assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
            assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
        database.close()


def test_without_mathematical_functions_sqlite_is_given_power() -> None:
    connection = sqlite3.connect(":memory:")
    connection.create_function("power", 2, None)  # as a build without them
    with pytest.raises(sqlite3.OperationalError):
        connection.execute("SELECT power(2.0, -3.0)")
    ensure_power(connection)
    assert connection.execute("SELECT power(2.0, -3.0)").fetchone() == (0.125,)
    connection.close()


def test_a_migration_waits_for_another_process_and_says_for_what(
    empty_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(schema, "LOCK_SECONDS", 1)
    monkeypatch.setattr("storage.database.sqlite.BUSY_SECONDS", 0.2)
    first = connect(empty_url, "normal")
    with ThreadPoolExecutor(1) as pool:
        with first.write() as connection:
            if not first.sqlite:
                lock = {"lock": schema._ADVISORY_LOCK}
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), lock)
            schema.upgrade(connection, "head")
            second = pool.submit(open_database, empty_url)
            wait_until(lambda: "waits for" in caplog.text, "the second process says that it waits")
            assert not second.done()
        second.result(60).close()
    first.close()
    assert ("process that writes to the file" if empty_url.startswith("sqlite") else "bandit-gateway") in caplog.text


def test_a_migration_that_waits_for_a_table_lets_others_pass_and_names_who_has_it(
    empty_postgresql_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(schema, "LOCK_SECONDS", 1)
    database = connect(empty_postgresql_url, "normal")
    with database.write() as connection:
        schema.upgrade(connection, "0008")
    with ThreadPoolExecutor(1) as pool:
        with psycopg.connect(empty_postgresql_url, application_name="a dump") as other:
            other.execute("LOCK TABLE bandit_gateway.arms IN ROW EXCLUSIVE MODE")
            migrating = pool.submit(open_database, empty_postgresql_url)
            wait_until(lambda: "a dump, idle in transaction" in caplog.text, "the migration names who has the lock")
            other.execute("SELECT count(*) FROM bandit_gateway.arms")
            assert not migrating.done()
        migrating.result(60).close()
    database.close()


def test_a_migration_that_others_block_for_too_long_is_given_up_with_their_names(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr("storage.database.sqlite.BUSY_SECONDS", 0.1)
    first = connect(empty_url, "normal")
    with first.write() as connection:
        if not first.sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": schema._ADVISORY_LOCK})
        with pytest.raises(DatabaseUnavailable, match="could not be migrated"):
            open_database(empty_url)
    first.close()
