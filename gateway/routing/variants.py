"""Variants of models: what a router's arm sends beside the caller's fields, and whether the caller says otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from bandit.price import Price
from gateway.catalog.catalog import Catalog, Model, UnknownModel
from gateway.catalog.thinking import in_order
from gateway.providers.anthropic.requests import KNOWN
from gateway.settings import ProviderSettings, Settings
from gateway.settings.table_reader import one_of, shown
from gateway.settings.variant_options import DEFAULT, LEVELS, THINKING_FIELDS, TIER_FIELDS
from storage.records import RouterModel, Variant

_LIMITS = frozenset({"max_tokens", "max_completion_tokens"})
_UNSAID = frozenset({DEFAULT, "auto", "standard", "standard_only", "on_demand"})
"""Service tiers that callers name for the standard one."""
_LONGEST_TIER = 32
_OFF = frozenset({"none", "off", "disabled"})
_NULL = msgspec.Raw(b"null")
_NOTHING: tuple[object, ...] = (None, {})


@dataclass(frozen=True, slots=True)
class ArmVariant:
    """A variant as a router uses it. `sent` are the fields of its settings, which replace those of `replaced`."""

    id: str
    variant: Variant
    sent: Mapping[str, msgspec.Raw]
    replaced: frozenset[str]

    def price(self, model: Model) -> Price:
        """What its tier costs; the model's own price if the tier is not known to cost something else."""
        return model.price.served_as(self.variant.tier)

    def fields(self, fields: Mapping[str, msgspec.Raw]) -> Mapping[str, msgspec.Raw]:
        """The fields of a call: the caller's, and its own for what the caller leaves open."""
        own = {name: raw for name, raw in self.sent.items() if name in self.replaced or not _says(fields, name)}
        return {**{name: raw for name, raw in fields.items() if name not in self.replaced}, **own}

    def contradicted(self, fields: Mapping[str, msgspec.Raw]) -> str | None:
        """What the caller says of thinking or the tier that is not this variant's, in words; None if it agrees."""
        variant = self.variant
        if variant.thinking is not None and (said := _thinking_said(fields)) not in {None, variant.thinking}:
            return f"is for thinking {variant.thinking}, and the request says {said}"
        if variant.tier is not None and (said := _tier_said(fields)) not in {None, variant.tier}:
            return f"is for the tier {variant.tier}, and the request says {said}"
        return None

    def overruled(self, fields: Mapping[str, msgspec.Raw]) -> str | None:
        """The first of its parameters to which the caller gives another value; None if there is none."""
        for name, _ in self.variant.params:
            if _says(fields, name) and _decoded(fields.get(name, _NULL)) != _decoded(self.sent.get(name, _NULL)):
                return name
        return None


def resolve_entry(entry: RouterModel, catalog: Catalog) -> tuple[Model, ArmVariant | None]:
    """The model and the variant of a router's entry; None for a model as it is.

    Raises UnknownModel if it can't be used as things are configured, or its stored settings can't be read.
    """
    if entry.unreadable is not None:
        raise UnknownModel("its stored settings can't be read: a newer version has written them")
    model = catalog.resolve(entry.model_id)
    return model, variant_of(entry, model)


def variant_of(entry: RouterModel, model: Model) -> ArmVariant | None:
    """The variant of a router's entry; None for a model as it is. Raises UnknownModel if the model has no such one."""
    variant = entry.variant
    if variant is None:
        return None
    sent: dict[str, msgspec.Raw] = {name: msgspec.Raw(value.encode()) for name, value in variant.params}
    replaced: frozenset[str] = frozenset()
    for wanted, offered, what, fields in (
        (variant.thinking, model.thinking, "thinking", THINKING_FIELDS),
        (variant.tier, model.tiers, "tier", TIER_FIELDS),
    ):
        if wanted is None:
            continue
        if wanted not in offered:
            raise UnknownModel(f"{model.id} has no {what} {shown(wanted)}; {_those_of(model, what)}")
        sent |= {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in offered[wanted].items()}
        replaced |= fields
    return ArmVariant(entry.arm_id, variant, sent, replaced)


def unusable(entry: RouterModel, catalog: Catalog) -> str | None:
    """Why an arm can't be used as things are configured, in words; None if it can."""
    try:
        model, variant = resolve_entry(entry, catalog)
    except UnknownModel as error:
        return str(error)
    provider = catalog.provider_of(model)
    return None if variant is None or provider is None else _unsendable(variant, provider)


def unusable_declared(settings: Settings, catalog: Catalog) -> list[str]:
    """What is wrong with the variants that the configuration file declares, each with its place."""
    found: list[str] = []
    for router in settings.routers.values():
        place = f"{settings.config_path or 'configuration'}, line {router.lines.get('models', 0)}"
        problems = dict.fromkeys(unusable(entry, catalog) for entry in router.models if entry.variant is not None)
        found += [f"{place}: routers.{router.id}.models: {why}" for why in problems if why is not None]
    return found


def _unsendable(variant: ArmVariant, provider: ProviderSettings) -> str | None:
    """Which of a variant's fields its provider is never sent, in words; None if all are."""
    for name in sorted(variant.sent):
        if name in provider.drop:
            return f"{variant.id} sends `{name}`, which providers.{provider.name} drops"
        if provider.kind == "anthropic" and name not in KNOWN:
            return f"{variant.id} sends `{name}`, which providers of the kind anthropic don't know"
    return None


def _those_of(model: Model, what: str) -> str:
    offered = in_order(model.thinking) if what == "thinking" else sorted(model.tiers)
    if offered:
        return f"it has {one_of(offered)}"
    if what == "tier":
        return f'it has none but the standard one, {DEFAULT}; [models."{model.id}".service_tiers] prices others'
    return (
        f'no levels of it are known; [models."{model.id}"] thinking names those that are sent as `reasoning_effort`, '
        "and `params` sends any other field"
    )


def _says(fields: Mapping[str, msgspec.Raw], name: str) -> bool:
    """Whether the caller says something of a parameter; both names of the token limit are one."""
    names = _LIMITS if name in _LIMITS else {name}
    return any(fields.get(each, _NULL) != _NULL for each in names)


def _thinking_said(fields: Mapping[str, msgspec.Raw]) -> str | None:
    """The level that the caller states; another word if it speaks a provider's own language; None if it is silent."""
    said = [name for name in THINKING_FIELDS & fields.keys() if _decoded(fields[name]) not in _NOTHING]
    if not said:
        return None
    if said == ["reasoning_effort"]:
        effort = _decoded(fields["reasoning_effort"])
    elif said == ["reasoning"] and isinstance(told := _decoded(fields["reasoning"]), dict) and "effort" in told:
        effort = told["effort"]
    else:
        return f"how much by `{min(said)}`"
    if isinstance(effort, str) and effort in _OFF:
        return "off"
    if not isinstance(effort, str):
        return f"how much by `{said[0]}`"
    return effort if effort in LEVELS else shown(effort)  # cut short: records and errors repeat it for every arm


def _tier_said(fields: Mapping[str, msgspec.Raw]) -> str | None:
    """The service tier that the caller states, the standard one by one name; None if it says nothing of it."""
    speed = _decoded(fields.get("speed", _NULL))
    tier = speed if isinstance(speed, str) else _decoded(fields.get("service_tier", _NULL))
    if not isinstance(tier, str):
        return None
    if tier in _UNSAID:
        return DEFAULT
    return tier if len(tier) <= _LONGEST_TIER and tier.isidentifier() else shown(tier)


def _decoded(raw: msgspec.Raw) -> object:
    """A value; what is no value for us, such as 1e999, as an object that equals no level or tier."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return raw
