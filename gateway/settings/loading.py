"""Loads the settings from file and environment. All mistakes are reported at once, each with its line and remedy."""

import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from gateway.settings.declarations import read_model, read_provider, read_router
from gateway.settings.files import read_text, syntax_problem
from gateway.settings.judge_options import judging_models
from gateway.settings.lines import Lines
from gateway.settings.listening import (
    DEFAULT_ADDRESS,
    MAX_DRAIN_SECONDS,
    Address,
    Listening,
    TcpAddress,
    read_listening,
)
from gateway.settings.presets import PRESETS, SIMULATED_MODELS
from gateway.settings.secrets import UnusableSecret, is_reference, read_provider_key, read_reference, read_variable
from gateway.settings.table_reader import Fields, Problem, shown
from gateway.settings.urls import bad_proxy, bad_url
from gateway.settings.values import (
    DEFAULT_CONFIG,
    SIMULATED,
    ModelSettings,
    ProviderSettings,
    RouterDeclaration,
    Settings,
    SettingsError,
)

CONFIG_VARIABLE = "BANDIT_GATEWAY_CONFIG"
DATABASE_VARIABLE = "BANDIT_GATEWAY_DATABASE_URL"
ADMIN_KEY_VARIABLE = "BANDIT_GATEWAY_ADMIN_KEY"
DATABASE_URL = r"sqlite:///.+|postgres(ql)?(\+psycopg)?://.+"
DATABASE_URL_RIGHT = 'a URL like "sqlite:///bandit-gateway.db" or "postgresql://user@host/database"'
DATABASE_SCHEMA = r"(?!pg_)[A-Za-z_][A-Za-z0-9_]{0,62}"
DURABILITIES = ("commit", "async")
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("auto", "json", "console")
_ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/\s,;*]+")


def load(path: Path | None, environ: Mapping[str, str], *, secrets: bool = True) -> Settings:
    """Load the file at `path`, or at BANDIT_GATEWAY_CONFIG, or `bandit-gateway.toml` here if it exists.

    Without `secrets`, providers' keys and the files of TLS are not read: for commands that call and serve nobody.
    Raises SettingsError.
    """
    named = path or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    found = named or Path(DEFAULT_CONFIG)
    if named is None and not found.exists():
        return _read({}, environ, Path(), None, Lines(""), secrets=secrets)
    text = read_text(found)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(syntax_problem(found, text, error)) from None
    except RecursionError:
        raise SettingsError(f"{found}: is nested too deeply to be a configuration") from None
    return _read(values, environ, found.parent, str(found), Lines(text), secrets=secrets)


def override(
    settings: Settings,
    *,
    host: str | None = None,
    port: int | None = None,
    database_url: str | None = None,
    durability: str | None = None,
    drain_seconds: float | None = None,
    log_level: str | None = None,
    log_format: str | None = None,
) -> Settings:
    """The settings with the command line's values instead. Raises SettingsError."""
    problems: list[Problem] = []
    values = {"--database-url": database_url, "--durability": durability}
    values |= {"--log-level": log_level, "--log-format": log_format}
    given = Fields({**values, "--port": port, "--drain-seconds": drain_seconds}, problems)
    listening = settings.listening
    changed = replace(
        settings,
        database_url=given.text(
            "--database-url", settings.database_url, pattern=DATABASE_URL, right=DATABASE_URL_RIGHT, secret=True
        ),
        durability=given.choice("--durability", settings.durability, DURABILITIES),
        log_level=given.choice("--log-level", settings.log_level, LOG_LEVELS),
        log_format=given.choice("--log-format", settings.log_format, LOG_FORMATS),
        listening=replace(
            listening,
            addresses=_addresses(listening, host, given.integer("--port", None, high=65_535)),
            drain_seconds=given.number("--drain-seconds", listening.drain_seconds, high=MAX_DRAIN_SECONDS),
        ),
    )
    if problems:
        raise SettingsError(*(f"{problem.path[-1]} {problem.message}" for problem in problems))
    return changed


def _addresses(listening: Listening, host: str | None, port: int | None) -> tuple[Address, ...]:
    """One address, if host or port is given: the other part is that of the first one."""
    if host is None and port is None:
        return listening.addresses
    first = next((each for each in listening.addresses if isinstance(each, TcpAddress)), DEFAULT_ADDRESS)
    return (TcpAddress(host or first.host, first.port if port is None else port),)


def missing_database(database_url: str) -> Path | None:
    """The path of an SQLite database that does not exist yet; None if it does, or if the database is not a file."""
    kind, _, path = database_url.partition(":///")
    return Path(path) if kind == "sqlite" and not Path(path).exists() else None


def _cors_origins(fields: Fields) -> tuple[str, ...]:
    """Origins whose pages may call the gateway: `https://app.example.com`, or `*` for all."""
    origins: tuple[str, ...] = fields.texts("cors_origins", ())
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            fields.blame("cors_origins", f'names {shown(origin)}; an origin reads "https://app.example.com", or "*"')
    return origins


def _webhook_url(fields: Fields, environ: Mapping[str, str], directory: Path, *, secrets: bool) -> str | None:
    """Where alerts are sent: a URL, or a reference to one. No message repeats it: its path may be a secret."""
    url: str | None = fields.text("alerts_webhook_url", None, right='a URL, or "env:NAME" of one', secret=True)
    if url is None or (is_reference(url) and not secrets):
        return None
    try:
        url = read_reference(url, environ, directory) if is_reference(url) else url
    except UnusableSecret as error:
        fields.blame("alerts_webhook_url", str(error))
        return None
    if why := bad_url(url):
        fields.blame("alerts_webhook_url", why)
    return url


def _read(
    values: Mapping[str, object],
    environ: Mapping[str, str],
    directory: Path,
    source: str | None,
    lines: Lines,
    *,
    secrets: bool,
) -> Settings:
    problems: list[Problem] = []
    notices: list[str] = []
    fields = Fields(values, problems)
    settings = Settings(
        database_url=_read_database_url(fields, environ, directory),
        database_schema=fields.text(
            "database_schema", None, pattern=DATABASE_SCHEMA, right="a name of letters, digits and `_`, up to 63"
        ),
        durability=fields.choice("durability", "commit", DURABILITIES),
        sqlite_synchronous=fields.choice("sqlite_synchronous", "normal", ("normal", "full")),
        listening=read_listening(fields, environ, directory, secrets=secrets),
        models_file=_models_file(fields, directory),
        cors_origins=_cors_origins(fields),
        dashboard=fields.flag("dashboard", True),
        metrics_by_task=fields.flag("metrics_by_task", False),
        alerts_webhook_url=_webhook_url(fields, environ, directory, secrets=secrets),
        max_request_bytes=fields.integer("max_request_bytes", 20 * 2**20, low=1_024, high=2**30),
        log_level=fields.choice("log_level", "info", LOG_LEVELS),
        log_format=fields.choice("log_format", "auto", LOG_FORMATS),
        config_path=source,
    )
    failures: list[str] = []
    providers = _providers(fields, environ, directory, notices, failures, secrets=secrets)
    models: dict[str, ModelSettings] = {}
    routers: dict[str, RouterDeclaration] = {}
    fields.tables("models", lambda id_, table: models.update({id_: read_model(id_, table, providers)}))
    fields.tables("routers", lambda id_, table: routers.update({id_: read_router(id_, table, providers)}))
    fields.close()
    problems.sort(key=lambda problem: lines.of(problem.path) or 0)
    failures[:0] = [_render(problem, source, lines) for problem in problems]
    database_url = _database_url(environ, failures) or settings.database_url
    admin_key = _admin_key(environ, failures)
    if failures:
        raise SettingsError(*failures)
    declared = fields.raw("providers")
    declared = declared if isinstance(declared, Mapping) else {}
    ready = [name for name, provider in providers.items() if provider.api_keys or name in declared]
    named = _all_models(models, routers, ready, lambda path: _place(path, source, lines))
    return replace(
        settings,
        database_url=database_url,
        admin_key=admin_key,
        providers=providers,
        models=named,
        routers={id_: replace(router, lines=_lines_of(router, lines)) for id_, router in routers.items()},
        simulated=any(model.provider == SIMULATED for model in named.values()),
        notices=(*notices, *_idle(ready, named), *_bad_proxies(environ)),
    )


def _providers(
    fields: Fields,
    environ: Mapping[str, str],
    directory: Path,
    notices: list[str],
    failures: list[str],
    *,
    secrets: bool,
) -> dict[str, ProviderSettings]:
    """The declared providers, and well-known ones whose key is in the environment.

    Without `secrets` also those that the file mentions, whose keys the environment of the gateway may have.
    """
    providers: dict[str, ProviderSettings] = {}

    def read(name: str, table: Fields) -> None:
        providers[name], notice = read_provider(name, table, environ, directory, secrets=secrets)
        if notice:
            notices.append(notice)

    fields.tables("providers", read)
    for name, preset in PRESETS.items():
        if name in providers:
            continue
        try:
            keys = read_provider_key(preset.variable, environ)
        except UnusableSecret as error:
            keys = ()
            if secrets:
                failures.append(f"the environment: {error}")
        if keys or (not secrets and name in _mentioned(fields)):
            providers[name] = ProviderSettings(name, preset.kind, preset.base_url, keys)
    return providers


def _mentioned(fields: Fields) -> set[str]:
    """The providers of all models that the file names."""
    models, routers = fields.raw("models"), fields.raw("routers")
    named = list(models) if isinstance(models, Mapping) else []
    for router in routers.values() if isinstance(routers, Mapping) else ():
        named += judging_models(router) if isinstance(router, Mapping) else ()
        entries = router.get("models") if isinstance(router, Mapping) else None
        listed = entries if isinstance(entries, list) else []
        named += [entry.get("id") if isinstance(entry, Mapping) else entry for entry in listed]
    return {model_id.partition("/")[0] for model_id in named if isinstance(model_id, str)}


def _bad_proxies(environ: Mapping[str, str]) -> Iterator[str]:
    """Notices about proxies in the environment through which calls to providers would fail."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        url = environ.get(name.lower()) or environ.get(name)
        if url and (why := bad_proxy(url)):
            yield f"{name} {why}: calls to providers through it will fail; NO_PROXY lists hosts to call directly"


def _all_models(
    declared: Mapping[str, ModelSettings],
    routers: Mapping[str, RouterDeclaration],
    ready: Collection[str],
    place: Callable[[tuple[str, ...]], str],
) -> dict[str, ModelSettings]:
    """The declared models and those that routers name; if nothing names any, the shipped lists of `ready` providers."""
    models = {id_: replace(model, where=place(("models", id_))) for id_, model in declared.items()}
    for router in routers.values():
        for named in router.models:
            where = place(("routers", router.id, "models"))
            models.setdefault(named.model_id, replace(undeclared(named.model_id), where=where))
        for model_id in judging_models(router.options):
            models.setdefault(model_id, replace(undeclared(model_id), where=place(("routers", router.id, "judge"))))
    if models:
        return models
    shipped = [f"{name}/{model}" for name in PRESETS if name in ready for model in PRESETS[name].models]
    shipped = shipped or [f"{SIMULATED}/{model}" for model in SIMULATED_MODELS]
    return {id_: replace(undeclared(id_), shipped=True) for id_ in shipped}


def _idle(ready: Collection[str], models: Mapping[str, ModelSettings]) -> list[str]:
    used = {model.provider for model in models.values()}
    return [f'provider {name} has no model yet: add [models."{name}/NAME"]' for name in ready if name not in used]


def undeclared(model_id: str) -> ModelSettings:
    """A model of which only the id is known."""
    provider, _, name = model_id.partition("/")
    return ModelSettings(id=model_id, provider=provider, upstream_name=name)


def _models_file(fields: Fields, directory: Path) -> str | None:
    named = fields.text("models_file", None)
    return str(directory / Path(named).expanduser()) if named else None


def _read_database_url(fields: Fields, environ: Mapping[str, str], directory: Path) -> str:
    """`database_url`: a URL, or `env:NAME` or `file:PATH`, which keep its password out of the configuration."""
    default, value = Settings().database_url, fields.raw("database_url")
    if not isinstance(value, str) or not is_reference(value):
        return fields.text("database_url", default, pattern=DATABASE_URL, right=DATABASE_URL_RIGHT, secret=True)
    try:
        url = read_reference(value, environ, directory)
    except UnusableSecret as error:
        fields.blame("database_url", str(error))
        return default
    if not re.fullmatch(DATABASE_URL, url):
        fields.blame("database_url", f"{value}: what it refers to must be {DATABASE_URL_RIGHT}")
    return url


def _database_url(environ: Mapping[str, str], failures: list[str]) -> str | None:
    url = _read_variable(DATABASE_VARIABLE, environ, failures)
    if url and not re.fullmatch(DATABASE_URL, url):
        failures.append(f"the environment variable {DATABASE_VARIABLE} must be {DATABASE_URL_RIGHT}")
    return url or None


def _admin_key(environ: Mapping[str, str], failures: list[str]) -> str | None:
    key = _read_variable(ADMIN_KEY_VARIABLE, environ, failures)
    if key and not re.fullmatch(r"[\x21-\x7e]{16,256}", key):
        failures.append(
            f"the environment variable {ADMIN_KEY_VARIABLE} must be 16 to 256 printable ASCII characters without "
            "spaces, such as the output of `openssl rand -hex 24`"
        )
    return key or None


def _read_variable(name: str, environ: Mapping[str, str], failures: list[str]) -> str:
    try:
        return read_variable(name, environ)
    except UnusableSecret as error:
        failures.append(f"the environment: {error}")
        return ""


def _lines_of(router: RouterDeclaration, lines: Lines) -> Mapping[str, int]:
    """The line of each field that the file sets of a router."""
    named = ("name",) if router.name is not None else ()
    found = {key: lines.of(("routers", router.id, key)) for key in (*named, "models", *router.options)}
    return {key: line for key, line in found.items() if line is not None}


def _render(problem: Problem, source: str | None, lines: Lines) -> str:
    return f"{_place(problem.path, source, lines)}: {problem.dotted()} {problem.message}"


def _place(path: tuple[str | int, ...], source: str | None, lines: Lines) -> str:
    line = lines.of(path)
    return f"{source or 'configuration'}{f', line {line}' if line else ''}"
