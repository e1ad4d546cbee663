"""Files of the ledger, the spool and keys are for their owner alone; others are told in `doctor`."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.serving.doctor import State, examine
from gateway.serving.exposed_files import exposed_files
from storage.database.engine import open_database
from storage.stores.routers import Routers
from storage.writing.spool import Spool, owner_of, spool_stem
from tests.support.records import RecordMaker


@pytest.fixture(params=[0o022, 0o000])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


@pytest.mark.usefixtures("umask")
def test_ledger_and_spool_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    database = open_database(url)
    Routers(database).all()
    spool = Spool(spool_stem(url), owner_of(database))
    spool.append([RecordMaker().completion()])
    found = modes(tmp_path)
    assert {"ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.spool-0.db", "ledger.spool-0.lock"} <= found.keys()
    assert set(found.values()) == {0o600}
    assert exposed_files(None, url, spool_stem(url), {}) == []
    spool.close()
    database.close()


def test_the_mode_of_a_file_that_is_there_stays_and_doctor_tells_of_it(tmp_path: Path) -> None:
    ledger, key, other = (tmp_path / name for name in ("ledger.db", "openai.key", "admin.key"))
    for file in (ledger, key, other):
        file.touch()
        file.chmod(0o644)
    key.write_text("sk-1")
    config = tmp_path / "bandit-gateway.toml"
    config.write_text(f'database_url = "sqlite:///{ledger}"\n[providers.openai]\napi_key = "file:openai.key"\n')
    findings = examine(config, None, {"OPENAI_API_KEY_FILE": str(other)}, calls=False)
    told = [each.detail for each in findings if each.check == "files" and each.state is State.NOTE]
    assert stat.S_IMODE(ledger.stat().st_mode) == 0o644
    for file in (ledger, key, other):
        assert [f"other users of this machine may open {file}: run `chmod 600 {file}`"] == [
            each for each in told if f"{file}:" in each
        ]
    for file in tmp_path.iterdir():
        file.chmod(0o600)
    findings = examine(config, None, {}, calls=False)
    assert [each.state for each in findings if each.check == "files"] == [State.OK]
