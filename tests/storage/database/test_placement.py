"""In which schema of a shared PostgreSQL the ledger is made, found and left alone."""

import pytest
from sqlalchemy import text

from storage.database import schema
from storage.database.engine import Database, connect, open_database
from storage.errors import DatabaseUnavailable
from storage.stores.identity import read_identity
from tests.support.databases import Opening, execute

FOREIGN = "CREATE TABLE alembic_version (version_num varchar(32)); INSERT INTO alembic_version VALUES ('%s')"


def schema_of(database: Database) -> str:
    """The schema that has the ledger's tables for this connection."""
    with database.read() as connection:
        found = text("SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = to_regclass('decisions')")
        return str(connection.execute(found).scalar_one())


def make_former_ledger(url: str, place: str) -> None:
    """Make a ledger as versions without a schema of their own did."""
    database = connect(url, "normal", place)
    with database.write() as connection:
        schema.upgrade(connection, "0009")
        connection.execute(text(f"ALTER TABLE {schema.VERSION_TABLE} RENAME TO alembic_version"))
    database.close()


def test_a_new_ledger_has_a_schema_of_its_own(empty_postgresql_url: str, opening: Opening) -> None:
    database = opening(empty_postgresql_url)
    assert schema_of(database) == "bandit_gateway"
    assert database.where.endswith("?schema=bandit_gateway")
    with database.read() as connection:
        others = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        assert connection.execute(text(others)).scalar() == 0


@pytest.mark.parametrize("revision", ["a1b2c3d4e5f6", "9999", "0009"])
def test_another_applications_version_table_is_not_ours(
    empty_postgresql_url: str, opening: Opening, revision: str
) -> None:
    execute(empty_postgresql_url, FOREIGN % revision)
    database = opening(f"{empty_postgresql_url}&schema=public")
    assert schema_of(database) == "public"
    with database.read() as connection:
        assert schema.revision_of(connection) == schema.HEAD
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [revision]


def test_the_url_names_a_schema_and_wins_over_the_setting(empty_postgresql_url: str) -> None:
    named = f"{empty_postgresql_url}&schema=mine"
    for url, setting in ((named, None), (named, "theirs"), (empty_postgresql_url, "mine")):
        database = open_database(url, schema=setting)
        assert schema_of(database) == "mine"
        database.close()


@pytest.mark.parametrize("asked", ["search_path=mine", "options=-c%20search_path%3Dmine,public"])
def test_a_search_path_in_the_url_is_respected(empty_postgresql_url: str, opening: Opening, asked: str) -> None:
    database = opening(f"{empty_postgresql_url}&{asked}")
    assert schema_of(database) == "mine"


def test_settings_in_the_url_hold_beside_ours(empty_postgresql_url: str, opening: Opening) -> None:
    database = opening(f"{empty_postgresql_url}&options=-c%20work_mem%3D7MB%20--statement-timeout%3D9s")
    with database.read() as connection:
        shown = [connection.execute(text(f"SHOW {name}")).scalar() for name in ("work_mem", "statement_timeout")]
        assert shown == ["7MB", "9s"]
        assert connection.execute(text("SHOW lock_timeout")).scalar() == "3s"


def test_a_ledger_of_an_older_version_stays_where_it_is(empty_postgresql_url: str, opening: Opening) -> None:
    make_former_ledger(empty_postgresql_url, "public")
    database = opening(empty_postgresql_url)
    assert schema_of(database) == "public"
    with database.read() as connection:
        assert schema.revision_of(connection) == schema.HEAD
        # An older version that is started again during a deploy reads its own table, and goes on.
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "0009"


def test_a_search_path_of_the_server_with_the_own_schema_is_no_second_ledger(
    empty_postgresql_url: str, opening: Opening, caplog: pytest.LogCaptureFixture
) -> None:
    name = empty_postgresql_url.partition("@/")[2].partition("?")[0]
    execute(empty_postgresql_url, f"ALTER DATABASE {name} SET search_path = bandit_gateway, public")
    assert read_identity(opening(empty_postgresql_url)) == read_identity(opening(empty_postgresql_url))
    assert "ledger in the schema" not in caplog.text


def test_of_two_ledgers_the_one_in_the_own_schema_is_meant_and_the_other_is_told(
    empty_postgresql_url: str, opening: Opening, caplog: pytest.LogCaptureFixture
) -> None:
    own = read_identity(opening(empty_postgresql_url))
    make_former_ledger(empty_postgresql_url, "public")
    assert read_identity(opening(empty_postgresql_url)) == own
    assert "has a ledger in the schema public too" in caplog.text
    assert read_identity(opening(f"{empty_postgresql_url}&schema=public")) != own


def test_ledgers_in_two_schemas_of_one_database_are_two(empty_postgresql_url: str, opening: Opening) -> None:
    first, second = (opening(f"{empty_postgresql_url}&schema={name}") for name in ("first", "second"))
    assert read_identity(first) != read_identity(second)


def test_a_schema_with_another_applications_tables_is_refused_and_stays_as_it_was(empty_postgresql_url: str) -> None:
    execute(empty_postgresql_url, "CREATE TABLE settings (id int)")
    with pytest.raises(DatabaseUnavailable, match="has tables of another application: name another one"):
        open_database(f"{empty_postgresql_url}&schema=public")
    open_database(empty_postgresql_url).close()


def test_a_user_who_may_not_create_a_schema_is_told_the_remedy(empty_postgresql_url: str) -> None:
    name = empty_postgresql_url.partition("@/")[2].partition("?")[0]
    execute(empty_postgresql_url, f"CREATE ROLE guest_{name} LOGIN")
    url = empty_postgresql_url.replace("postgres@", f"guest_{name}@")
    with pytest.raises(DatabaseUnavailable, match="GRANT CREATE ON DATABASE"):
        open_database(url)
    execute(empty_postgresql_url, f"CREATE SCHEMA bandit_gateway AUTHORIZATION guest_{name}")
    open_database(url).close()
    execute(empty_postgresql_url, f"DROP OWNED BY guest_{name}; DROP ROLE guest_{name}")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("schema=pg_mine", "not 'pg_mine'"),
        ("schema=a%20b", "up to 63 letters"),
        ("schema=a&schema=b", "says `schema` twice"),
        ("options=-d%203", "must be like `-c search_path=mine`"),
    ],
)
def test_what_cannot_be_read_in_the_url_is_refused(query: str, says: str) -> None:
    with pytest.raises(DatabaseUnavailable, match=says):
        connect(f"postgresql://user:secret@127.0.0.1:1/ledger?{query}", "normal")
