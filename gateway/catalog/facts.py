"""What is known of models by the catalog of models.dev: abilities, limits and prices, shipped with the package."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from bandit.price import Price
from gateway.catalog.names import canonical, without_path
from gateway.catalog.vendors import Vendor
from gateway.settings import Settings, SettingsError

SHIPPED = Path(__file__).parent / "data" / "models.json"
MAKERS = (
    "openai",
    "anthropic",
    "google",
    "xai",
    "mistral",
    "deepseek",
    "cohere",
    "moonshotai",
    "zai",
    "minimax",
    "alibaba",
    "perplexity",
    "nvidia",
    "openrouter",  # makes none, but knows most
)
"""Whose facts of a model are asked for first, where its provider's own are not known."""
_MILLION = 1e6
_RATES = {
    "cache_write_usd": "cache_write",
    "audio_input_usd": "input_audio",
    "audio_output_usd": "output_audio",
    "reasoning_usd": "reasoning",
}


Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]
Usd: TypeAlias = Annotated[float, Meta(ge=0.0, le=100_000.0)]


class Rates(msgspec.Struct, frozen=True, omit_defaults=True):
    """Dollars per million tokens of calls whose prompt has more than `min_context` tokens."""

    input: Usd
    output: Usd
    cache_read: Usd | None = None
    cache_write: Usd | None = None
    input_audio: Usd | None = None
    output_audio: Usd | None = None
    reasoning: Usd | None = None
    min_context: Count = 0


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """One model at one provider. `inputs` and `outputs` are of text, image, audio, video, pdf; None: not known."""

    inputs: list[str] = msgspec.field(name="in")
    outputs: list[str] = msgspec.field(name="out")
    tools: bool
    context: Count = 0
    output: Count = 0
    reasoning: bool = False
    files: bool = False
    structured_output: bool | None = None
    temperature: bool | None = None
    usd_per_million: list[Rates] = []
    status: str | None = None

    @property
    def price(self) -> Price | None:
        """What it costs at its provider; None if that is not known."""
        steps = sorted(self.usd_per_million, key=lambda rates: rates.min_context)
        if not steps or steps[0].min_context:
            return None
        longer = tuple((rates.min_context, _price(rates)) for rates in steps[1:])
        return replace(_price(steps[0]), longer=longer)


class FactsFile(msgspec.Struct):
    """`source` and `as_of` say where the facts come from and of what day they are."""

    source: str
    as_of: str
    providers: dict[str, dict[str, Facts]]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a model. `at_home`: of this very provider's, so that limits and price hold too."""

    facts: Facts
    at_home: bool


class ModelFacts:
    """The facts of all models, by provider and name, in whatever spelling the name is written."""

    def __init__(self, providers: Mapping[str, Mapping[str, Facts]], as_of: str) -> None:
        self.providers = providers
        self.as_of = as_of
        self._by_canonical: dict[str, dict[str, Facts]] = {}

    def find(self, vendor: Vendor | None, name: str) -> Known | None:
        """The facts of a vendor's model, else of the same model elsewhere: those of its maker, if they are known."""
        if vendor is not None:
            own = self.providers.get(vendor.facts, {})
            facts = own.get(name.lower()) or own.get(without_path(name)) or self._spelled(vendor.facts, name)
            if facts is not None:
                return Known(facts, at_home=True)
        for provider in (*MAKERS, *sorted(self.providers.keys() - set(MAKERS))):
            facts = self._spelled(provider, name)
            if facts is not None:
                return Known(facts, at_home=False)
        return None

    def _spelled(self, provider: str, name: str) -> Facts | None:
        known = self._by_canonical.get(provider)
        if known is None:
            longest_first = sorted(self.providers.get(provider, {}).items(), key=lambda entry: -len(entry[0]))
            known = self._by_canonical[provider] = {canonical(each): facts for each, facts in longest_first}
        return known.get(canonical(name))


def facts_path(settings: Settings) -> Path | None:
    """Where facts of one's own are kept: as configured, else beside the SQLite database; None: nowhere."""
    if settings.models_file is not None:
        return Path(settings.models_file)
    kind, _, path = settings.database_url.partition(":///")
    return Path(path).with_suffix(".models.json") if kind == "sqlite" else None


def load_facts(settings: Settings, notices: list[str]) -> ModelFacts:
    """The shipped facts, and above them those of a file of one's own if there is one. Raises SettingsError."""
    shipped, own = read_facts(SHIPPED), facts_path(settings)
    if own is None or not own.exists():
        if settings.models_file is not None:
            notices.append(f"there is no {own} yet: the facts on models of {shipped.as_of} that ship are used")
        return shipped
    newer = read_facts(own)
    if newer.as_of < shipped.as_of:
        notices.append(f"{own} is of {newer.as_of}, older than the facts that ship ({shipped.as_of}): it is not used")
        return shipped
    names = shipped.providers.keys() | newer.providers.keys()
    merged = {name: {**shipped.providers.get(name, {}), **newer.providers.get(name, {})} for name in names}
    return ModelFacts(merged, newer.as_of)


def read_facts(path: Path) -> ModelFacts:
    """The facts in a file. Raises SettingsError."""
    try:
        file = msgspec.json.decode(path.read_bytes(), type=FactsFile)
    except OSError as error:
        raise SettingsError(f"{path}: can't be read ({error.strerror})") from None
    except msgspec.DecodeError as error:
        remedy = "write it anew with `bandit-gateway models refresh`, or remove it"
        raise SettingsError(f"{path}: is no file of facts on models ({error}); {remedy}") from None
    return ModelFacts(file.providers, file.as_of)


def _price(rates: Rates) -> Price:
    cached = rates.input if rates.cache_read is None else rates.cache_read
    told = {name: value / _MILLION for name, key in _RATES.items() if (value := getattr(rates, key)) is not None}
    return Price(rates.input / _MILLION, rates.output / _MILLION, cached / _MILLION).with_rates(told)
