"""A ledger has one identity, which is made with its tables and stays."""

from pathlib import Path

from sqlalchemy import func, select

from storage.database.engine import Database
from storage.stores.identity import read_identity
from storage.tables import identity
from tests.support.databases import Opening


def test_a_ledger_has_one_identity_that_every_process_reads(
    ledger_url: str, database: Database, opening: Opening
) -> None:
    assert read_identity(opening(ledger_url)) == read_identity(database)
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(identity)).scalar() == 1


def test_two_ledgers_have_different_identities(opening: Opening, tmp_path: Path) -> None:
    one, other = (opening(f"sqlite:///{tmp_path / name}") for name in ("one.db", "other.db"))
    assert read_identity(one).ledger_id != read_identity(other).ledger_id
