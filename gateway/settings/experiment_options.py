"""The options of a router's policy: one for all requests, or several that share them in an experiment."""

import math
from collections.abc import Collection, Mapping

from bandit.experiment import Part
from bandit.types import Json
from gateway.settings.table_reader import Fields, nearest, shown

MOST_PARTS = 8
ROUNDING = 1e-9
THOMPSON = "thompson"
INSTEAD = {"policy": "policies", "policies": "policy"}
"""What each option replaces: a router has one policy or an experiment."""


def read_policy(fields: Fields, default: str, model_ids: frozenset[str] | None) -> str:
    """Read `policy`. With `model_ids`, a fixed one must name one of them."""
    policy = fields.text("policy", default)
    if policy == default:
        return policy
    if _name_of(fields, policy, "policy") is None:
        return default
    if (fixed := _fixed_model(policy)) and model_ids is not None and fixed not in model_ids:
        fields.blame("policy", f"fixes a model that the router does not have: {shown(fixed)}")
    return policy


def read_parts(fields: Fields) -> tuple[Part, ...]:
    """Read `policies`: tables like `{ policy = "thompson", share = 0.9 }`; nothing without it."""
    value = fields.raw("policies")
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not 2 <= len(value) <= MOST_PARTS:
        right = f'2 to {MOST_PARTS} tables such as {{ policy = "thompson", share = 0.9 }}'
        fields.blame("policies", f"must be a list of {right}, not {shown(value)}")
        return ()
    parts: list[Part] = []
    names: list[str] = []
    before = len(fields.problems)
    for position, item in enumerate(value):
        place = (*fields.path, "policies", position)
        if not isinstance(item, Mapping):
            Fields({}, fields.problems, place).blame(
                None, f'must be a table such as {{ policy = "thompson", share = 0.9 }}, not {shown(item)}'
            )
            continue
        entry = Fields(item, fields.problems, place)
        part = _part(entry)
        name = _name_of(entry, part.policy, "policy") if part.policy else None
        if name is not None and name in names:
            entry.blame("policy", f"names {shown(name)} a second time; give it one share")
        names += [] if name is None else [name]
        parts.append(part)
    total = math.fsum(part.share for part in parts)
    if len(fields.problems) == before and abs(total - 1.0) > ROUNDING:
        fields.blame("policies", f"have shares that add up to {total:.9g}; they must add up to 1")
    return tuple(parts)


def parts_to_json(parts: Collection[Part]) -> Json:
    """The option as it is written; None without an experiment."""
    return [{"policy": part.policy, "share": part.share} for part in parts] or None


def options_over(former: Mapping[str, Json], given: Mapping[str, Json]) -> dict[str, Json]:
    """A router's settings with new ones over them: an experiment replaces a policy, and a policy an experiment."""
    replaced = {instead for name, instead in INSTEAD.items() if given.get(name) is not None and instead not in given}
    return {name: value for name, value in former.items() if name not in replaced} | dict(given)


def check_experiment(fields: Fields, settings: Mapping[str, Json], enabled: Collection[str]) -> None:
    """Record a mistake if `fields` give a policy beside an experiment, or one of its fixed models is not enabled.

    `settings` are the router's complete ones, `enabled` its enabled models.
    """
    if fields.raw("policies") is not None and fields.raw("policy") is not None:
        fields.blame("policy", "can't be given beside policies, which say what share of requests each policy has")
    parts = settings.get("policies")
    for position, part in enumerate(parts if isinstance(parts, list) else []):
        policy = part.get("policy") if isinstance(part, Mapping) else None
        fixed = _fixed_model(policy) if isinstance(policy, str) else None
        if not fixed or fixed in enabled:
            continue
        if fields.raw("policies") is not None:
            Fields({}, fields.problems, (*fields.path, "policies", position)).blame(
                "policy", f"fixes a model that is not enabled in the router: {shown(fixed)}"
            )
        else:
            fields.blame("models", f"leave out {shown(fixed)}, which policies give a share: change policies first")


def policy_in_words(settings: Mapping[str, object]) -> str:
    """A router's policy, or the parts of its experiment, from all of its settings."""
    parts = settings["policies"]
    if not isinstance(parts, list):
        return str(settings["policy"])
    return ", ".join(f"{part['policy']} {part['share']:.3g}" for part in parts) + f" by {settings['experiment_unit']}"


def first_policy(settings: Mapping[str, object]) -> str:
    """A router's policy, or that of the first part of its experiment."""
    parts = settings["policies"]
    return str(parts[0]["policy"] if isinstance(parts, list) else settings["policy"])


def _part(entry: Fields) -> Part:
    policy = entry.text("policy", "", right='a policy such as "thompson"')
    if entry.raw("policy") is None:
        entry.blame(None, 'needs policy, such as policy = "thompson"')
    if entry.raw("share") is None:
        entry.blame(None, "needs share, such as share = 0.1")
    part = Part(policy, entry.number("share", 0.0, high=1.0, above=True))
    entry.close()
    return part


def _name_of(fields: Fields, policy: str, key: str) -> str | None:
    """A policy's full name; None, and a mistake recorded, if there is none of this name."""
    if policy == THOMPSON:
        return policy
    from bandit.policies import PLAIN, named  # noqa: PLC0415 - half a second that most commands don't need

    try:
        return named(policy).name
    except ValueError as error:
        fields.blame(key, str(error).removeprefix("policy: ") + nearest(policy, PLAIN))
        return None


def _fixed_model(policy: str) -> str | None:
    kind, _, model_id = policy.partition(":")
    return model_id if kind == "fixed" else None
