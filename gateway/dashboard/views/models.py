"""The page of the models: what the gateway may use, at which prices, and how they are doing."""

from collections.abc import Mapping, Sequence

from bandit.quick import quick_dataclass
from gateway.dashboard.forms import NOTHING_SENT, Form
from gateway.dashboard.frame import RouterLink
from gateway.dashboard.visit import Standing
from gateway.errors import BadRequest
from gateway.management.context import Management
from gateway.management.models import ModelView, add_model, list_models, offered_models
from gateway.management.routers import RouterView

MOST_OFFERED = 400
"""Models that the browser proposes; others can be typed."""


@quick_dataclass(frozen=True, slots=True)
class ModelRow:
    """A model of the catalog. Prices are dollars per million tokens; None: there is none."""

    model: ModelView
    input_usd: float | None
    output_usd: float | None
    source: str
    state: str
    is_parked: bool


@quick_dataclass(frozen=True, slots=True)
class ModelsPage:
    """All models that are configured or used, and the form that gives a router another one as it was sent."""

    rows: Sequence[ModelRow]
    is_simulated: bool
    routers: Sequence[RouterLink]
    offered: Sequence[str]
    form: Mapping[str, str]
    problems: Mapping[str, str]


def models_page(
    management: Management,
    standing: Standing,
    routers: Sequence[RouterLink],
    sent: Form = NOTHING_SENT,
    problems: Mapping[str, str] | None = None,
) -> ModelsPage:
    """The catalog with the states of this process."""
    states, unavailable = standing.states, standing.unavailable
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
    return ModelsPage(
        rows=rows,
        is_simulated=all(row.model.provider == "simulated" for row in rows),
        routers=routers,
        offered=[*(row.model.id for row in rows), *offered_models(management)][:MOST_OFFERED],
        form={name: sent.text(name) for name in ("model", "router_id")},
        problems=problems or {},
    )


def add_sent(management: Management, sent: Form) -> RouterView:
    """Give the router that was chosen the model that was named. Raises BadRequest, OptionsError, NotFound."""
    if not sent.text("model"):
        raise BadRequest("name a model, as PROVIDER/MODEL", param="models")
    return add_model(management, sent.text("router_id"), sent.text("model"))


def _dollars(model: ModelView, name: str) -> float | None:
    value = model.price.get(name)
    return value if isinstance(value, float | int) else None
