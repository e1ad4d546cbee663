"""Which models there are: who serves each, what it costs and what it can do. Prices are those of the price list now."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from bandit.price import Price
from bandit.types import Epoch
from gateway.catalog.capabilities import abilities_of
from gateway.catalog.declared import USUAL_TIERS, price_of
from gateway.catalog.facts import ModelFacts, load_facts
from gateway.catalog.prices import look_up
from gateway.catalog.thinking import OLLAMA, Fields, Levels, efforts, levels_of
from gateway.catalog.tiers import tiers_of
from gateway.catalog.vendors import vendor_of
from gateway.settings import SIMULATED, ModelSettings, ProviderSettings, Settings, SettingsError
from gateway.settings.declarations import bad_model_id
from gateway.settings.loading import undeclared
from gateway.settings.presets import SIMULATED_MODELS
from gateway.settings.urls import is_loopback


@dataclass(frozen=True, slots=True)
class Model:
    """A model as the gateway uses it. `abilities` are words of `settings.ABILITIES`, and `stream`.

    `priced_until` is when the list may ask another price, in seconds since the epoch; inf: it names no such time.
    `price_source` is declared, genai-prices, models.dev, local (free) or simulated.
    `reasoning` and `temperature`: whether it thinks, and whether it takes a temperature; None: not known.
    `thinking` are the levels of how much it thinks, and `tiers` its service tiers: the fields that a request sends.
    """

    id: str
    provider: str
    upstream_name: str
    price: Price
    abilities: frozenset[str]
    context_window: int | None = None
    output_limit: int | None = None
    reasoning: bool | None = None
    temperature: bool | None = None
    thinking: Levels = field(default_factory=dict)
    tiers: Mapping[str, Fields] = field(default_factory=dict)
    priced_until: float = math.inf
    price_source: str = "declared"


class UnknownModel(LookupError):
    """The model can't be used as things are configured; the message says why and what to do."""


UNSERVED = (
    "simulated models are served only if no provider is configured, or the configuration file names one of them at the "
    "start"
)
"""Why a simulated model can't be used."""


class Catalog:
    """All models, by id. A model that no file declares is resolved when a router first names it.

    `notices` say which prices are unusual and which shipped models were left out. `priced_until` is when the list may
    ask another price of any of them.
    """

    def __init__(self, settings: Settings, now: datetime) -> None:
        """Resolve every configured model. Raises SettingsError, with all models that have no price."""
        self._settings = settings
        self._now = now
        self._models: dict[str, Model] = {}
        self.priced_until = math.inf
        self.notices: list[str] = []
        problems: list[str] = []
        for model in settings.models.values():
            try:
                self._models[model.id] = self._make(model)
            except UnknownModel as error:
                if model.shipped:
                    self.notices.append(f"{error}; left out")
                else:
                    problems.append(f"{model.where}: {error}" if model.where else str(error))
        if problems:
            raise SettingsError(*problems)

    def __iter__(self) -> Iterator[Model]:
        """All configured models, without those that routers name and no file declares."""
        return (self._models[model_id] for model_id in self._settings.models if model_id in self._models)

    def __contains__(self, model_id: str) -> bool:
        return model_id in self._models

    def configured(self) -> list[Model]:
        """The models that the configuration names or ships, without those that somebody only asked for by name."""
        return [model for model in self._models.values() if model.id in self._settings.models]

    def offered(self) -> list[str]:
        """Ids of what the configured providers are known to offer, as the shipped facts tell; routers may use them."""
        found: set[str] = set()
        for name, provider in self._settings.providers.items():
            vendor = vendor_of(provider)
            own = self._facts.providers.get(vendor.facts, {}) if vendor else {}
            found |= {f"{name}/{model}" for model, facts in own.items() if facts.price is not None}
        return sorted(found)

    def provider_of(self, model: Model) -> ProviderSettings | None:
        """The settings of a model's provider; None for the simulated one."""
        return self._settings.providers.get(model.provider)

    def get(self, model_id: str) -> Model | None:
        """The model of that id; None where it can't be used as things are configured."""
        try:
            return self.resolve(model_id)
        except UnknownModel:
            return None

    def resolve(self, model_id: str) -> Model:
        """The model of that id, declared or not. Raises UnknownModel."""
        if model_id not in self._models:
            if why := bad_model_id(model_id, self._settings.providers):
                raise UnknownModel(why)
            self._models[model_id] = self._make(undeclared(model_id))
        return self._models[model_id]

    def reprice(self, now: Epoch) -> Mapping[str, Model]:
        """The models whose price the list has changed by `now`. Costs nothing as long as none is due."""
        if now < self.priced_until:
            return {}
        self._now, self.priced_until = datetime.fromtimestamp(now, UTC), math.inf
        changed: dict[str, Model] = {}
        for former in list(self._models.values()):
            declared = self._settings.models.get(former.id) or undeclared(former.id)
            model = self._make(declared) if former.priced_until <= now else former
            self.priced_until = min(self.priced_until, model.priced_until)
            self._models[model.id] = model
            if model.price != former.price:
                changed[model.id] = model
        return changed

    def _make(self, declared: ModelSettings) -> Model:
        if declared.provider == SIMULATED:
            if not self._settings.simulated:  # a router of the database or the API names one that nothing serves
                raise UnknownModel(f"{declared.id}: {UNSERVED}")
            return _simulated(declared)
        provider = self._settings.providers[declared.provider]
        vendor = vendor_of(provider)
        name = declared.base_model or declared.upstream_name
        known = self._facts.find(vendor, name)
        facts = known.facts if known else None
        # What another provider serves under that name has the same abilities, but its own limits.
        limits = facts if known and (known.at_home or (vendor and vendor.hosts_others)) else None
        declared_whole = {"input_usd", "output_usd"} <= declared.rates.keys() and declared.context_window is not None
        listed = None if declared_whole else look_up(provider, name, self._now)
        price = listed.price if listed else facts.price if facts and known and known.at_home else None
        source = "declared" if declared.rates else "genai-prices" if listed else "models.dev" if price else "local"
        until = listed.until.timestamp() if listed and listed.until and listed.price else math.inf
        self.priced_until = min(self.priced_until, until)
        abilities = abilities_of(name, facts) if declared.abilities is None else declared.abilities
        reasons = facts.reasoning if facts else None
        seller = vendor.facts if vendor else OLLAMA if OLLAMA in provider.name else ""
        if declared.thinking is None:
            levels = levels_of(seller, provider.kind, name, reasons=reasons)
        else:
            levels = efforts(*declared.thinking)
        return Model(
            id=declared.id,
            provider=declared.provider,
            upstream_name=declared.upstream_name,
            price=self._price(declared, price),
            abilities=abilities | ({"stream"} if declared.stream else frozenset()),
            context_window=declared.context_window
            or (limits.context if limits else None)
            or (listed.context_window if listed else None),
            output_limit=declared.output_limit or (limits.output if limits else None) or None,
            reasoning=reasons,
            temperature=facts.temperature if facts else None,
            thinking=levels,
            tiers=tiers_of(seller, provider.kind, name, declared.service_tiers),
            priced_until=until,
            price_source=source,
        )

    @cached_property
    def _facts(self) -> ModelFacts:
        return load_facts(self._settings, self.notices)

    def _price(self, declared: ModelSettings, listed: Price | None) -> Price:
        """The declared price over the listed one. Raises UnknownModel if a part of it is in neither."""
        provider = self._settings.providers[declared.provider]
        if listed is None and not declared.rates and is_loopback(provider.base_url):
            if declared.id not in self._settings.models:
                # Another process may have read a newer file that declares its price: never serve it for nothing here.
                raise UnknownModel(
                    f'{declared.id} runs on this machine and is not declared: add [models."{declared.id}"]; it costs '
                    "$0 unless a price is set there"
                )
            self.notices.append(f"{declared.id} runs on this machine and has no price: it counts as $0")
            return Price(0.0, 0.0, 0.0)
        # Groq's tiers differ in how busy they may be, not in price.
        price = price_of(declared, listed, {} if "groq" in provider.base_url else USUAL_TIERS)
        if price is None:
            raise UnknownModel(
                f"no price is known for {declared.id}: set input_usd_per_million and output_usd_per_million under "
                f'[models."{declared.id}"], or base_model if it is another name of a known model'
            )
        return price


def _simulated(declared: ModelSettings) -> Model:
    price = SIMULATED_MODELS.get(declared.upstream_name)
    if price is None:
        raise UnknownModel(f"there is no {declared.id}; there are {', '.join(sorted(SIMULATED_MODELS))}")
    abilities = frozenset({"tools", "json_schema", "vision", "stream"})
    return Model(declared.id, SIMULATED, declared.upstream_name, price, abilities, price_source=SIMULATED)
