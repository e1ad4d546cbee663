"""A proposal as the what-if page's URL says it, beside how the router is set: what differs, as a patch and as TOML."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bandit.types import RuleMode
from gateway.dashboard.rule_lines import line_of
from gateway.dollars import dollars
from gateway.management.routers import RouterModelView, RouterView
from gateway.settings.experiment_options import policy_in_words
from gateway.settings.table_reader import shown

DOLLARS = ("quality_usd", "second_usd", "failure_usd")
TARGETS = ("thompson", "best", "uniform", "cheapest", "fastest", "latency_weighted")
NO_SETTING = ("best",)
"""Policies that can be evaluated, and no router can be set to: it would never try another model."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """What the URL says; None, and no models: as the router is set. `without_rule` 0 is the default."""

    days: int = 30
    dollars: Mapping[str, float] = field(default_factory=dict)
    policy: str | None = None
    models: Sequence[str] = ()
    exploration: float | None = None
    without_rule: int | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting as it is, and as it is proposed."""

    name: str
    before: str
    after: str


def present_dollars(router: RouterView) -> dict[str, float]:
    """The dollars of the router's objective; those of a preset that was never served are not known yet."""
    objective = router.settings["objective"]
    if isinstance(objective, dict):
        return {name: float(str(objective[name])) for name in DOLLARS}
    return router.objective_usd.model_dump() if router.objective_usd else dict.fromkeys(DOLLARS, 0.0)


def settled(proposed: Proposed, router: RouterView) -> Proposed:
    """The proposal without what is so already."""
    present = present_dollars(router)
    chosen = [id_ for id_ in router.enabled_models if id_ in proposed.models]
    return Proposed(
        days=proposed.days,
        dollars={name: value for name, value in proposed.dollars.items() if value != present[name]},
        policy=None if proposed.policy == router.settings["policy"] else proposed.policy,
        models=() if len(chosen) == len(router.enabled_models) else chosen,
        exploration=None if proposed.exploration == router.settings["exploration"] else proposed.exploration,
        without_rule=proposed.without_rule,
    )


def patch_of(proposed: Proposed, router: RouterView) -> dict[str, object]:
    """The merge patch that makes the router what is proposed."""
    patch: dict[str, object] = {}
    if proposed.dollars:
        patch["objective"] = {**present_dollars(router), **proposed.dollars}
    if proposed.policy is not None:
        patch["policy"] = proposed.policy
    if proposed.exploration is not None:
        patch["exploration"] = proposed.exploration
    if proposed.without_rule is not None:
        patch |= _without(proposed.without_rule, router)
    if proposed.models:
        patch["models"] = [
            {**model.model_dump(), "enabled": model.enabled and model.id in proposed.models} for model in router.models
        ]
    return patch


def rule_lines(router: RouterView) -> list[tuple[int, str]]:
    """The router's rules that can be left out, each with its number: what a ban has kept away is not in the log."""
    rules = router.settings["rules"]
    listed = list(enumerate(rules if isinstance(rules, list) else [], start=1))
    found = [
        (number, line_of(rule)) for number, rule in listed if isinstance(rule, dict) and rule["mode"] != RuleMode.NEVER
    ]
    default = router.settings["default"]
    return [*found, (0, line_of(default))] if isinstance(default, dict) else found


def _without(number: int, router: RouterView) -> dict[str, object]:
    """The patch that leaves out a rule."""
    rules = router.settings["rules"]
    if number == 0 or not isinstance(rules, list):
        return {"default": None}
    return {"rules": [rule for place, rule in enumerate(rules, start=1) if place != number] or None}


def differences(proposed: Proposed, router: RouterView) -> list[Difference]:
    """The settings that would change, in words."""
    present = present_dollars(router)
    found = [
        Difference(name, f"{dollars(present[name], 6)}", f"{dollars(value, 6)}")
        for name, value in proposed.dollars.items()
    ]
    if proposed.policy is not None:
        found.append(Difference("policy", policy_in_words(router.settings), proposed.policy))
    if proposed.exploration is not None:
        found.append(Difference("exploration", f"{router.settings['exploration']:g}", f"{proposed.exploration:g}"))
    if proposed.without_rule is not None:
        lines = dict(rule_lines(router))
        found.append(Difference("rules", lines.get(proposed.without_rule, ""), "left out"))
    if proposed.models:
        found.append(Difference("models", ", ".join(router.enabled_models), ", ".join(proposed.models)))
    return found


def toml_of(proposed: Proposed, router: RouterView) -> str:
    """The lines of the configuration file that say the same."""
    lines = [f"[routers.{router.id}]"]
    if proposed.models:
        named = (_entry(model) for model in router.models if model.id in proposed.models)
        lines.append(f"models = [{', '.join(named)}]")
    if proposed.dollars:
        dollars = {**present_dollars(router), **proposed.dollars}
        lines.append(f"objective = {{ {', '.join(f'{name} = {value!r}' for name, value in dollars.items())} }}")
    if proposed.policy is not None:
        lines.append(f"policy = {shown(proposed.policy)}")
    if proposed.exploration is not None:
        lines.append(f"exploration = {proposed.exploration!r}")
    if proposed.without_rule is not None:
        lines += [
            f"# no {name}" if value is None else f"{name} = {_toml(value)}"
            for name, value in _without(proposed.without_rule, router).items()
        ]
    return "\n".join(lines)


def _entry(model: RouterModelView) -> str:
    """An arm as the configuration file names it: a model's id, or a table of a variant's settings."""
    if model.model is None:
        return shown(model.id)
    settings: dict[str, object] = {"id": model.model, "thinking": model.thinking, "tier": model.tier}
    settings |= {"params": model.params or None, "as": model.id.removeprefix(f"{model.model}@")}
    return _toml({key: value for key, value in settings.items() if value is not None})


def _toml(value: object) -> str:
    """A value in TOML, on one line."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{json.dumps(key)} = {_toml(part)}' for key, part in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value)
