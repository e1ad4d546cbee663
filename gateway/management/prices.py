"""Prices of models as they are told, and their history: what each start and reload finds in the file and the lists."""

from bandit.price import TOKEN_RATES, Price
from bandit.types import Epoch, Json
from gateway.catalog.catalog import Model
from gateway.management.context import Management
from storage.stores.model_prices import ModelPrices, Prices
from storage.stores.routers import Routers

ACTION = "model.price"
MILLION = 1_000_000


def note_prices(management: Management) -> None:
    """Record which models have another price than at the start or reload before."""
    models = management.known_models(Routers(management.database).all())
    present: dict[str, Prices] = {model_id: prices_of(model) for model_id, model in models.items()}
    ModelPrices(management.database).note(
        present,
        Epoch(management.now),
        lambda model_id, before, after: management.change(ACTION, model_id, before, after),
    )


def prices_of(model: Model) -> dict[str, Json]:
    """What a model costs: rates by their names in the configuration file, of long prompts and service tiers, too."""
    prices: dict[str, Json] = {**rates_of(model.price)}
    for name, each in (("long_prompts", long_prompts_of(model)), ("service_tiers", tiers_of(model))):
        if each:
            prices[name] = {of: {**rates} for of, rates in each.items()}
    return prices


def long_prompts_of(model: Model) -> dict[str, dict[str, float]]:
    """Rates of long prompts, by the tokens from which they hold."""
    return {str(tokens): rates_of(price) for tokens, price in model.price.longer}


def tiers_of(model: Model) -> dict[str, dict[str, float]]:
    """Rates of service tiers by their names."""
    return {name: rates_of(price) for name, price in model.price.tiers}


def rates_of(price: Price) -> dict[str, float]:
    """Prices by their names in the configuration file; those without a price of their own are left out."""
    rates = {name: getattr(price, name) for name in TOKEN_RATES}
    return {f"{name}_per_million": round(usd * MILLION, 9) for name, usd in rates.items() if usd is not None}
