"""The history of prices: what each start and reload finds in the configuration file and the price lists."""

from collections.abc import Collection

from bandit.types import Epoch
from gateway.management.changes import ChangeView, change_views
from gateway.management.context import Management
from gateway.management.models import known_models, prices_of
from storage.stores.audit import Audit
from storage.stores.model_prices import ModelPrices, Prices
from storage.stores.routers import Routers

ACTION = "model.price"


def note_prices(management: Management) -> None:
    """Record which models have another price than at the start or reload before."""
    models = known_models(management, Routers(management.database).all())
    present: dict[str, Prices] = {model_id: prices_of(model) for model_id, model in models.items()}
    ModelPrices(management.database).note(
        present,
        Epoch(management.now),
        lambda model_id, before, after: management.change(ACTION, model_id, before, after),
    )


def price_changes(management: Management, model_ids: Collection[str], limit: int) -> list[ChangeView]:
    """The latest changes of the prices of these models, the latest first."""
    page = Audit(management.database).page(limit, targets=model_ids, action=ACTION)
    return change_views(management, page.records)
