"""The page of the scorecards: what scored elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO

from gateway.dashboard.forms import NOTHING_SENT, Form
from gateway.dashboard.frame import RouterLink
from gateway.dashboard.numbers import number
from gateway.evidence.reading import lines_of, read_csv
from gateway.management.context import Management
from gateway.management.evals import EvalCaption, EvalView, import_eval, list_evals

UNITS = ("percent", "fraction", "other")


@dataclass(frozen=True, slots=True)
class EvalsPage:
    """All scorecards, and the form for another one as it was sent. `wrong` are its wrong lines."""

    evals: Sequence[EvalView]
    routers: Sequence[RouterLink]
    form: Mapping[str, str]
    units: Sequence[str] = UNITS
    wrong: Sequence[str] = ()
    problems: Mapping[str, str] = field(default_factory=dict)


def evals_page(
    management: Management,
    routers: Sequence[RouterLink],
    sent: Form = NOTHING_SENT,
    problems: Mapping[str, str] | None = None,
    wrong: Sequence[str] = (),
) -> EvalsPage:
    """The scorecards, the newest first."""
    names = ("name", "metric", "unit", "min", "max", "router_id", "rows")
    form = {name: sent.text(name) for name in names}
    return EvalsPage(list_evals(management)[::-1], routers, form, wrong=wrong, problems=problems or {})


def import_sent(management: Management, sent: Form) -> EvalView:
    """Import the pasted CSV, whole or not at all. Raises BadRequest with every wrong line."""
    caption = EvalCaption(
        name=sent.text("name"),
        metric=sent.text("metric"),
        unit=sent.text("own_unit") if sent.text("unit") == "other" else sent.text("unit"),
        minimum=_bound(sent, "min"),
        maximum=_bound(sent, "max"),
        router_id=sent.text("router_id") or None,
    )
    return import_eval(management, caption, partial(read_csv, lines_of(BytesIO(sent.text("rows").encode()))))


def _bound(sent: Form, name: str) -> float | None:
    value = number(sent.text(name))
    return float(value) if isinstance(value, int | float) else None
