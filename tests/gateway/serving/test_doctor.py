"""What `doctor` finds in an installation."""

from pathlib import Path

from gateway.serving.doctor import State, examine
from storage.database.engine import open_database
from storage.writing.spool import Spool, spool_stem
from storage.writing.spool_file import Owner
from tests.support.records import RecordMaker


def test_a_spool_of_another_ledger_is_found_and_stays_as_it_is(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    open_database(url).close()
    spool = Spool(spool_stem(url), Owner("led_other", lambda key_ids: True))
    making = RecordMaker()
    spool.append([making.completion() for _ in range(5)])
    spool.close()
    found = [each for each in examine(None, url, {}, calls=False) if each.check == "spool"]
    assert [each.state for each in found] == [State.WRONG]
    assert "ledger.spool-0.db holds 5 completions of another ledger (led_other" in found[0].detail
    assert "start a gateway of its own ledger here, or move it to one" in found[0].detail
    heir = Spool(spool_stem(url), Owner("led_other", lambda key_ids: True))
    heir.adopt()
    assert heir.count == 5
    heir.close()
