"""The page of a question to the log: a proposal, with sliders for what it is worth."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

import numpy as np

from bandit.objective import PRESETS
from gateway.dashboard.colours import colours_of
from gateway.dashboard.formats import percent, usd
from gateway.dashboard.proposals import DOLLARS, TARGETS, Proposed, present_dollars, rule_lines
from gateway.dashboard.views.changes import ChangeRow, row_of
from gateway.management.changes import list_changes
from gateway.management.context import Management
from gateway.management.routers import RouterView, get_router
from gateway.routing.objectives import preset_for
from gateway.settings.experiment_options import first_policy

PERIODS = (7, 30)
LABELS = {
    "quality_usd": ("A perfect answer is worth", "cheap ← → good"),
    "second_usd": ("A second of waiting costs", ""),
    "failure_usd": ("A failure costs", ""),
}
USUAL = {"quality_usd": 0.01, "second_usd": 0.0002, "failure_usd": 0.005}
"""The middle of a slider whose dollars are 0 now."""
SPAN = 32.0
HALF = 30
"""A slider has as many steps up to `SPAN` times the present dollars, and down to those divided by it; then comes 0."""
SHARES = (0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Slider:
    """A slider over `steps`, whose texts are `labels`; `at` is the number of the proposed one, `now` of the present."""

    name: str
    label: str
    hint: str
    steps: Sequence[str]
    labels: Sequence[str]
    at: int
    now: int


@dataclass(frozen=True, slots=True)
class ModelBox:
    """A model of the router that may be left out."""

    id: str
    colour: int
    chosen: bool


@dataclass(frozen=True, slots=True)
class WhatIfPage:
    """The form. `conflict` tells who was quicker, `done` is the change that was just made."""

    router: RouterView
    proposed: Proposed
    sliders: Sequence[Slider]
    policies: Sequence[str]
    policy: str
    models: Sequence[ModelBox]
    presets: Sequence[tuple[str, str]]
    rules: Sequence[tuple[int, str]]
    periods: Sequence[int]
    problems: Mapping[str, str] = field(default_factory=dict)
    conflict: ChangeRow | None = None
    done: ChangeRow | None = None


def what_if_page(
    management: Management,
    router_id: str,
    proposed: Proposed,
    *,
    problems: Mapping[str, str] | None = None,
    done: bool = False,
    conflict: bool = False,
) -> WhatIfPage:
    """The form with a proposal. Raises NotFound."""
    router = get_router(management, router_id)
    present = present_dollars(router)
    latest = list_changes(management, 1, None, router_id).data if done or conflict else []
    changed = row_of(latest[0]) if latest else None
    colours = colours_of(model.id for model in router.models)
    policy, share = first_policy(router.settings), float(str(router.settings["exploration"]))
    return WhatIfPage(
        router=router,
        proposed=proposed,
        sliders=[
            *(_dollars(name, present[name], proposed.dollars.get(name, present[name])) for name in DOLLARS),
            _share(share, share if proposed.exploration is None else proposed.exploration),
        ],
        policies=[*dict.fromkeys((policy, *TARGETS, *(f"fixed:{id_}" for id_ in router.enabled_models)))],
        policy=proposed.policy or policy,
        models=[
            ModelBox(id_, colours[id_], not proposed.models or id_ in proposed.models) for id_ in router.enabled_models
        ],
        rules=rule_lines(router),
        presets=_presets(management, router, proposed.days),
        periods=PERIODS,
        problems=problems or {},
        conflict=changed if conflict else None,
        done=changed if done else None,
    )


def _presets(management: Management, router: RouterView, days: int) -> list[tuple[str, str]]:
    """Each preset's name, and the query that proposes its dollars."""
    record, catalog = management.existing_router(router.id), management.catalog()
    found = []
    for preset in PRESETS:
        dollars = preset_for(preset, record.models, catalog)
        values = {name: f"{getattr(dollars, name):.6g}" for name in DOLLARS}
        found.append((preset, urlencode({"days": days, **values})))
    return found


def _dollars(name: str, now: float, at: float) -> Slider:
    middle = now or USUAL[name]
    steps = [0.0, *(float(f"{step:.3g}") for step in np.geomspace(middle / SPAN, middle * SPAN, 2 * HALF + 1).tolist())]
    if now:
        steps[1 + HALF] = now
    return _slider(name, *LABELS[name], steps, now, at, usd)


def _share(now: float, at: float) -> Slider:
    return _slider("exploration", "Exploration", "share drawn evenly", sorted({*SHARES, now}), now, at, percent)


def _slider(
    name: str, label: str, hint: str, steps: list[float], now: float, at: float, text: Callable[[float], str]
) -> Slider:
    steps = sorted({*steps, at})
    return Slider(
        name=name,
        label=label,
        hint=hint,
        steps=[repr(step) for step in steps],
        labels=[text(step) for step in steps],
        at=steps.index(at),
        now=steps.index(now),
    )
