"""What a gateway is told at its start: frozen values, checked when they were read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bandit.types import Json
from storage.records import RouterModel

DEFAULT_CONFIG = "bandit-gateway.toml"
DEFAULT_ROUTER = "rtr_default"
SIMULATED = "simulated"
"""The provider that a gateway without any other brings along."""

ABILITIES = ("tools", "json_schema", "vision", "audio", "files")


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """One provider. `base_url` has no trailing slash; `api_keys` may be empty (a local server).

    `timeout_seconds` bounds a plain call, a stream until its first sign of life, and each later time without one;
    `idle_seconds` each time without a byte. `drop` names request fields that this provider is never sent; `api_version`
    is Azure's query parameter.
    """

    name: str
    kind: str
    base_url: str
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    timeout_seconds: float = 300.0
    idle_seconds: float = 120.0
    drop: frozenset[str] = frozenset()
    api_version: str | None = None


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """One model as declared; None or missing: as the catalog knows it.

    `rates` are dollars per million tokens by the names of `bandit.price.Price`. `long_prompts` are the rates of calls
    whose prompt has more than that many tokens. `service_tiers` are factors on all rates.

    `shipped`: nobody named it, it comes with a provider's key. `where` is the place to mend, for errors.
    """

    id: str
    provider: str
    upstream_name: str  # the provider's own name
    base_model: str | None = None  # the public model behind that name: a deployment's, for prices and abilities
    rates: Mapping[str, float] = field(default_factory=dict)
    long_prompts: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    service_tiers: Mapping[str, float] = field(default_factory=dict)
    context_window: int | None = None
    output_limit: int | None = None
    abilities: frozenset[str] | None = None
    stream: bool = True
    shipped: bool = False
    where: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class RouterDeclaration:
    """One router as declared: `options` holds only the keys that the file mentions, checked."""

    id: str
    name: str | None
    models: tuple[RouterModel, ...]
    options: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it. `simulated`: simulated models are in use, because nothing else is or because a router names them.

    `models_file` holds facts on models, newer than those that ship; None: beside an SQLite database.

    `notices` are sentences that whoever starts the gateway should read.
    """

    database_url: str = "sqlite:///bandit-gateway.db"
    durability: str = "commit"
    sqlite_synchronous: str = "normal"
    listen_host: str = "127.0.0.1"
    listen_port: int = 8790
    max_request_bytes: int = 20 * 2**20
    providers: Mapping[str, ProviderSettings] = field(default_factory=dict)
    models: Mapping[str, ModelSettings] = field(default_factory=dict)
    routers: Mapping[str, RouterDeclaration] = field(default_factory=dict)
    admin_key: str | None = field(default=None, repr=False)
    simulated: bool = False
    models_file: str | None = None
    config_path: str | None = None
    notices: tuple[str, ...] = ()


class SettingsError(Exception):
    """The gateway can't start as it is configured; one line per problem, each with its remedy."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
