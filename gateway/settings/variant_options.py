"""Reads an entry of a router's `models`: a model, or variants of it, each of which is an arm of the router."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product

from gateway.settings.table_reader import Fields, nearest, shown
from storage.records import RouterModel, Variant

LEVELS = ("off", "on", "minimal", "low", "medium", "high", "xhigh", "max")
"""Levels of thinking, from the least to the most; `on` is for models that have only a switch."""
DEFAULT = "default"
"""A level or a tier of which nothing is said to the provider."""
THINKING_FIELDS = frozenset(
    {
        *("reasoning_effort", "reasoning", "thinking", "output_config", "enable_thinking", "thinking_budget"),
        *("chat_template_kwargs", "extra_body"),
    }
)
"""Fields by which providers are told how much to think. A variant with a level sends no others than its own."""
TIER_FIELDS = frozenset({"service_tier", "speed"})
MOST_PARAMS = 16
LONGEST_PARAMS = 4_000
LONGEST_NAME = 64

_NAME = r"[A-Za-z0-9][A-Za-z0-9._=+-]{0,63}"
_TIER = r"[a-z][a-z0-9_]{0,31}"
_PARAM = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_CALLERS = {
    "model": "the gateway sets it",
    "messages": "they are the caller's",
    "stream": "the caller says whether it streams",
    "stream_options": "the caller says whether it streams",
    "routing": "it is for the gateway",
    "metadata": "it is the caller's",
    "user": "it is the caller's",
    "store": "it is the caller's",
    "n": "the caller says how many choices it wants",
    "tools": "the caller says which tools it has",
    "tool_choice": "the caller says which tools it has",
    "parallel_tool_calls": "the caller says which tools it has",
    "functions": "the caller says which tools it has",
    "function_call": "the caller says which tools it has",
    "response_format": "the caller says what it can read",
    "modalities": "the caller says what it can read",
    "audio": "the caller says what it can read",
    "logprobs": "the caller says what it can read",
    "top_logprobs": "the caller says what it can read",
    "stop": "the caller says where answers end",
    "service_tier": "that is what `tiers` are for",
    "speed": "that is what `tiers` are for",
}
"""Fields that are no settings of a model, each with the reason."""


def read_entry(fields: Fields, known: Mapping[str, RouterModel]) -> tuple[RouterModel, ...]:
    """Read one entry, without what is wrong in it. An arm of `known`, by its id alone, keeps its variant."""
    given = {key: fields.raw(key) for key in ("model", "thinking", "tier", "tiers", "params", "as")}
    arm_id = fields.text("id", "", right='a model id such as "openai/gpt-5.5"')
    enabled = fields.flag("enabled", True)
    min_share = fields.number("min_share", 0.0, high=1.0)
    max_share = fields.number("max_share", 1.0, high=1.0, above=True)
    if min_share > max_share:
        fields.blame("min_share", f"is {min_share:g}, more than max_share, {max_share:g}")
    found = [RouterModel(arm_id)]
    if all(value is None for value in given.values()):
        found = [known.get(arm_id, RouterModel(arm_id))]
    elif given["model"] is not None:
        found = [RouterModel(model_id, variant=variant) for model_id, variant in _read_arm(fields, arm_id)]
    elif arm_id:
        found = [RouterModel(arm_id, variant=variant) for variant in _read_variants(fields)]
    fields.close()
    return tuple(
        replace(model, enabled=enabled, min_share=min_share, max_share=max_share) for model in found if model.model_id
    )


def _read_arm(fields: Fields, arm_id: str) -> Iterator[tuple[str, Variant]]:
    """Read an arm as the management API shows it: its id, with the model's and with one of each setting."""
    model_id = fields.text("model", "", right='a model id such as "openai/gpt-5.5"')
    name = arm_id.removeprefix(f"{model_id}@")
    if not model_id or name == arm_id or not re.fullmatch(_NAME, name):
        fields.blame("id", f"must be {shown(f'{model_id}@NAME')}, with the name of a variant, not {shown(arm_id)}")
        return
    for key in ("tiers", "as"):
        if fields.raw(key) is not None:
            fields.blame(key, "can't be given for one arm, which has `tier` and its name in `id`")
    levels = _levels(fields)
    if len(levels) > 1:
        fields.blame("thinking", "must be one level for one arm")
    tier = fields.text("tier", None, pattern=_TIER, right='a tier such as "priority"')
    yield model_id, Variant(name, levels[0], None if tier == DEFAULT else tier, _params(fields, levels))


def _read_variants(fields: Fields) -> Iterator[Variant | None]:
    """Read the combinations of levels and tiers; None: nothing is said, which is the model as it is."""
    levels, tiers = _levels(fields), _tiers(fields)
    params = _params(fields, levels)
    named = fields.text(
        "as", None, pattern=_NAME, right="a name of up to 64 letters, digits and `.`, `_`, `=`, `+`, `-`"
    )
    shown_params = [f"{name}={value}".replace('"', "") for name, value in params]
    combinations = list(product(levels, tiers))
    for level, tier in combinations:
        parts = [level, tier] if named is None or len(combinations) > 1 else []
        name = "+".join(part for part in ((named, *parts) if named else (*parts, *shown_params)) if part)
        if not name:
            yield None
        elif not re.fullmatch(_NAME, name):
            fields.blame(None, 'needs `as`, a name for the variant, such as as = "careful": its settings make no name')
        else:
            yield Variant(name, level, tier, params)


def _levels(fields: Fields) -> tuple[str | None, ...]:
    value = fields.raw("thinking")
    listed = (value,) if isinstance(value, str) else fields.texts("thinking", None)
    if listed is None:
        return (None,)
    for level in listed:
        if level not in (*LEVELS, DEFAULT):
            near = nearest(level, LEVELS)
            fields.blame("thinking", f"{shown(level)} is no level; there are {', '.join(LEVELS)}, {DEFAULT}{near}")
    known = tuple(None if level == DEFAULT else level for level in listed if level in (*LEVELS, DEFAULT))
    if not listed:
        fields.blame("thinking", 'must name at least one level, such as thinking = ["low", "high"]')
    return known or (None,)


def _tiers(fields: Fields) -> tuple[str | None, ...]:
    if fields.raw("tier") is not None and fields.raw("tiers") is not None:
        fields.blame("tier", "and `tiers` say the same: give one of them")
    one = fields.text("tier", None, pattern=_TIER, right='a tier such as "priority"')
    listed = fields.texts("tiers", None) if one is None else (one,)
    if listed is None:
        return (None,)
    if not listed:
        fields.blame("tiers", 'must name at least one tier, such as tiers = ["default", "priority"]')
    for tier in listed:
        if not re.fullmatch(_TIER, tier):
            fields.blame("tiers", f'names {shown(tier)}, which is no tier such as "priority"')
    return tuple(None if tier == DEFAULT else tier for tier in listed if re.fullmatch(_TIER, tier)) or (None,)


def _params(fields: Fields, levels: tuple[str | None, ...]) -> tuple[tuple[str, str], ...]:
    table = fields.table("params")
    if table is None:
        return ()
    found: dict[str, str] = {}
    for name in table.names():
        value = table.raw(name)
        if why := _refused(name, levels):
            table.blame(name, f"can't be set for a variant: {why}")
        elif value is None:
            table.blame(name, "must have a value")
        else:
            try:
                found[name] = json.dumps(
                    value, allow_nan=False, ensure_ascii=False, sort_keys=True, separators=(",", ":")
                )
            except (TypeError, ValueError, RecursionError):
                table.blame(name, f"must be a value that JSON has, not {shown(value)}")
    if len(found) > MOST_PARAMS or sum(map(len, found.values())) > LONGEST_PARAMS:
        fields.blame("params", f"are more than {MOST_PARAMS}, or longer than {LONGEST_PARAMS:,} bytes")
    return tuple(sorted(found.items()))


def _refused(name: str, levels: tuple[str | None, ...]) -> str | None:
    """Why a field is no setting of a variant; None if it is."""
    if name.startswith("routing.") or not _PARAM.fullmatch(name):
        return _CALLERS["routing"] if name.startswith("routing") else "it is no name of a field"
    if name in THINKING_FIELDS and any(level is not None for level in levels):
        return "`thinking` says how much to think"
    return _CALLERS.get(name)
