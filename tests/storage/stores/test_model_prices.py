"""A price that has changed is recorded once, whichever process sees it first."""

from collections.abc import Mapping

from bandit.types import Epoch
from storage.database.engine import Database
from storage.records import Actor, AuditRecord, Via
from storage.stores.audit import Audit
from storage.stores.model_prices import ModelPrices, Prices

CHEAP: Prices = {"input_usd_per_million": 1.0}
DEAR: Prices = {"input_usd_per_million": 2.5, "long_prompts": {"200000": {"input_usd_per_million": 5.0}}}


def change(model_id: str, before: Prices, after: Prices) -> AuditRecord:
    return AuditRecord(f"chg_{model_id}", 5.0, Actor(Via.FILE), "model.price", model_id, before, after)


def noted(database: Database, present: Mapping[str, Prices]) -> list[str]:
    return [each.target for each in ModelPrices(database).note(present, Epoch(5.0), change)]


def test_a_price_that_differs_from_the_one_before_is_recorded_once(database: Database) -> None:
    assert noted(database, {"p/one": CHEAP, "p/two": CHEAP}) == [], "nothing was known before"
    assert noted(database, {"p/one": CHEAP, "p/two": DEAR}) == ["p/two"]
    assert noted(database, {"p/two": DEAR}) == [], "another process has recorded it"
    assert noted(database, {"p/one": DEAR}) == ["p/one"], "one that was not seen for a while has kept its price"
    audit = Audit(database)
    assert [each.target for each in audit.page(9, targets=["p/two"], action="model.price").records] == ["p/two"]
    assert audit.page(9, action="router.update").records == ()
    (record,) = audit.page(9, target="p/two").records
    assert (record.before, record.after) == (CHEAP, DEAR)
