"""The form of a new router."""

from collections.abc import Mapping, Sequence

from bandit.objective import PRESETS
from bandit.quick import quick_dataclass
from gateway.dashboard.forms import NOTHING_SENT, Form
from gateway.dashboard.views.models import MOST_OFFERED
from gateway.dashboard.views.settings import ModelChoice
from gateway.management.context import Management
from gateway.management.models import list_models, offered_models


@quick_dataclass(frozen=True, slots=True)
class NewRouterPage:
    """The form as it was sent, and what is wrong."""

    name: str
    id: str
    objective: str
    presets: Sequence[str]
    models: Sequence[ModelChoice]
    more: str
    offered: Sequence[str]
    problems: Mapping[str, str]


def new_router_page(
    management: Management, sent: Form = NOTHING_SENT, problems: Mapping[str, str] | None = None
) -> NewRouterPage:
    """The form: all models are chosen until somebody chooses."""
    chosen = sent.all("models") if sent.values else None
    return NewRouterPage(
        name=sent.text("name"),
        id=sent.text("id"),
        objective=sent.text("objective") or "balanced",
        presets=tuple(PRESETS),
        models=[ModelChoice(each.id, chosen is None or each.id in chosen) for each in list_models(management)],
        more=sent.text("more"),
        offered=offered_models(management)[:MOST_OFFERED],
        problems=problems or {},
    )


def fields_of(sent: Form) -> dict[str, object]:
    """What the management API takes: an id is made if none was chosen."""
    id_, more = sent.text("id"), sent.text("more")
    return {
        "name": sent.text("name"),
        "models": [*sent.all("models"), *([more] if more else [])],
        "objective": sent.text("objective"),
        **({"id": id_} if id_ else {}),
    }
