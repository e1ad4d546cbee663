"""What a model costs by the public price list that ships with genai-prices. No network, no surprises while running."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from gateway.settings import ProviderSettings
from gateway.settings.presets import PRESETS


@dataclass(frozen=True, slots=True)
class Listed:
    """A model on the price list: dollars per million tokens, and the tokens its context holds."""

    input_usd: float
    cached_input_usd: float
    output_usd: float
    context_window: int | None


def look_up(provider: ProviderSettings, name: str, now: datetime) -> Listed | None:
    """The listed price of a provider's model at `now`; None where the list does not know it.

    The provider is found by its own name, else by the host it is reached at; prices that rise with the prompt's
    length count with their base tier.
    """
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - 0.3 s that few commands need

    snapshot = get_snapshot()
    list_name = PRESETS[provider.name].price_list if provider.name in PRESETS else provider.name
    listed = next((each for each in snapshot.providers if each.id == list_name), None)
    if listed is None:
        try:
            listed = snapshot.find_provider(None, None, provider.base_url)
        except LookupError:
            return None
    model = listed.find_model(name.lower(), all_providers=snapshot.providers)
    if model is None:
        return None
    prices = model.get_prices(now)
    input_usd, output_usd = _base(prices.input_mtok), _base(prices.output_mtok)
    if input_usd is None or output_usd is None:
        return None
    cached = _base(prices.cache_read_mtok)
    return Listed(input_usd, input_usd if cached is None else cached, output_usd, model.context_window)


def _base(price: object) -> float | None:
    """The price of the first tier."""
    price = getattr(price, "base", price)
    return float(price) if isinstance(price, Decimal | int | float) else None
