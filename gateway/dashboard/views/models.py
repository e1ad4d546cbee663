"""The page of the models: what the gateway may use, at which prices, and how they are doing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.management.context import Management
from gateway.management.models import ModelView, list_models


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model of the catalog. Prices are dollars per million tokens; None: there is none."""

    model: ModelView
    input_usd: float | None
    output_usd: float | None
    source: str
    state: str
    is_parked: bool


@dataclass(frozen=True, slots=True)
class ModelsPage:
    """All models that are configured or used."""

    rows: Sequence[ModelRow]
    is_simulated: bool


def models_page(
    management: Management, states: Mapping[str, tuple[str, str]], unavailable: Mapping[str, str]
) -> ModelsPage:
    """The catalog with the states of this process."""
    rows = [
        ModelRow(
            model=model,
            input_usd=_dollars(model, "input_usd_per_million"),
            output_usd=_dollars(model, "output_usd_per_million"),
            source=str(model.price.get("source", "")),
            state=unavailable.get(model.id, ""),
            is_parked=states.get(model.id, ("", ""))[0] == "parked",
        )
        for model in list_models(management)
    ]
    return ModelsPage(rows, all(row.model.provider == "simulated" for row in rows))


def _dollars(model: ModelView, name: str) -> float | None:
    value = model.price.get(name)
    return value if isinstance(value, float | int) else None
