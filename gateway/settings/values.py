"""The settings as frozen values, checked when they were read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bandit.types import Json
from gateway.settings.listening import Listening
from storage.records import RouterModel

DEFAULT_CONFIG = "bandit-gateway.toml"
DEFAULT_ROUTER = "rtr_default"
SIMULATED = "simulated"
"""The provider of the simulated models, which are used if no other provider is configured."""

ABILITIES = ("tools", "json_schema", "vision", "audio", "files")


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """One provider. `base_url` has no trailing slash; `api_keys` may be empty (a local server).

    `timeout_seconds` bounds a plain call, and a stream's wait for its first and each further sign of life;
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
    with longer prompts, by number of tokens. `service_tiers` are factors on all rates. `thinking` are the levels that
    its server takes as `reasoning_effort`.

    `shipped`: it comes with a provider's key, and nothing names it. `where` is the place to correct, for errors.
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
    thinking: tuple[str, ...] | None = None
    stream: bool = True
    shipped: bool = False
    where: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class RouterDeclaration:
    """One router as declared: `options` has only the keys of the file, checked. `lines` are those of its fields."""

    id: str
    name: str | None
    models: tuple[RouterModel, ...]
    options: Mapping[str, Json]
    lines: Mapping[str, int] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. `simulated`: simulated models are used, because nothing else is or because a router names them.

    `notices` are sentences for the operator.
    """

    database_url: str = "sqlite:///bandit-gateway.db"
    database_schema: str | None = None  # None: `bandit_gateway`, or where the ledger is already
    durability: str = "commit"
    sqlite_synchronous: str = "normal"
    listening: Listening = field(default_factory=Listening)
    max_request_bytes: int = 20 * 2**20
    cors_origins: tuple[str, ...] = ()
    dashboard: bool = True
    metrics_by_task: bool = False
    alerts_webhook_url: str | None = field(default=None, repr=False)  # its path may be a secret
    providers: Mapping[str, ProviderSettings] = field(default_factory=dict)
    models: Mapping[str, ModelSettings] = field(default_factory=dict)
    routers: Mapping[str, RouterDeclaration] = field(default_factory=dict)
    admin_key: str | None = field(default=None, repr=False)
    simulated: bool = False
    models_file: str | None = None
    log_level: str = "info"
    log_format: str = "auto"  # words on a terminal, else JSON
    config_path: str | None = None
    notices: tuple[str, ...] = ()


class SettingsError(Exception):
    """The gateway can't start as it is configured; one line per problem, each with its remedy."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
