"""Levels of thinking and fast modes as Dari writes them, beside a list of models; ours are arms with both in them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from gateway.catalog.catalog import Catalog
from gateway.errors import BadRequest
from gateway.management.routers import RouterModelView
from gateway.settings.variant_options import DEFAULT

FAST_TIERS = ("fast", "priority")
"""What a model's fast mode is: the first of these that it has."""

Levels = Mapping[str, str | list[str]]


def arms_of(
    model_ids: Sequence[str],
    levels: Levels,
    fast: Sequence[str],
    former: Mapping[str, RouterModelView],
    catalog: Catalog,
) -> list[object]:
    """The arms of these models, each level one. Arms of `former` keep their shares. Raises BadRequest."""
    for name, mentioned in (("model_thinking_levels", levels), ("fast_models", fast)):
        for model_id in mentioned:
            if model_id not in model_ids:
                raise BadRequest(f"`{name}`: {model_id[:80]!r} is not among `enabled_models`", param=name)
    arms: list[object] = []
    for model_id in model_ids:
        tier = _fast_tier(catalog, model_id) if model_id in fast else None
        said = levels.get(model_id, DEFAULT)
        for level in [said] if isinstance(said, str) else said:
            name = "+".join(part for part in (level if level != DEFAULT else None, tier) if part)
            kept = former.get(f"{model_id}@{name}" if name else model_id)
            if kept is not None:
                arms.append({**kept.model_dump(), "enabled": True})
            else:
                arms.append({"id": model_id, "thinking": level, "tier": tier} if name else model_id)
    return arms


def enabled_of(models: Iterable[RouterModelView]) -> tuple[list[str], dict[str, list[str]], list[str]]:
    """The enabled models, each once, with their levels, and those that have an arm of a fast mode."""
    enabled = [model for model in models if model.enabled]
    levels: dict[str, list[str]] = {}
    for model_id, level in _levels(enabled):
        levels.setdefault(model_id, []).append(level)
    told = {model_id: own for model_id, own in levels.items() if own != [DEFAULT]}
    fast = dict.fromkeys(model.model or model.id for model in enabled if model.tier in FAST_TIERS)
    return list(dict.fromkeys(model.model or model.id for model in enabled)), told, list(fast)


def _levels(enabled: Iterable[RouterModelView]) -> Iterator[tuple[str, str]]:
    pairs = ((model.model or model.id, model.thinking or DEFAULT) for model in enabled)
    yield from dict.fromkeys(pairs)


def _fast_tier(catalog: Catalog, model_id: str) -> str:
    model = catalog.get(model_id)
    tier = next((tier for tier in FAST_TIERS if model is not None and tier in model.tiers), None)
    if tier is None:
        raise BadRequest(f"`fast_models`: {model_id[:80]!r} has no fast mode here", param="fast_models")
    return tier
