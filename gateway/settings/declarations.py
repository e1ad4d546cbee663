"""Reads the tables of the configuration file, each into its value."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from bandit.price import TOKEN_RATES
from gateway.settings.experiment_options import check_experiment
from gateway.settings.judge_options import judging_models
from gateway.settings.presets import PRESETS
from gateway.settings.router_options import mentioned_options, read_models
from gateway.settings.rule_options import check_rules
from gateway.settings.secrets import UnusableSecret, read_keys, read_provider_key
from gateway.settings.shadow_options import check_judged
from gateway.settings.table_reader import Fields, Problem, shown
from gateway.settings.urls import bad_url, is_loopback
from gateway.settings.values import ABILITIES, SIMULATED, ModelSettings, ProviderSettings, RouterDeclaration
from gateway.settings.variant_options import LEVELS

KINDS = ("openai", "anthropic")
MAX_USD_PER_MILLION = 100_000.0
_PROVIDER_NAME = r"[a-z0-9][a-z0-9_-]{0,63}"
_ROUTER_ID = r"rtr_[A-Za-z0-9_-]{1,64}"


def read_provider(
    name: str, fields: Fields, environ: Mapping[str, str], directory: Path, *, secrets: bool = True
) -> tuple[ProviderSettings, str | None]:
    """Read one `[providers.NAME]`; a well-known one needs only what differs. The second value is a notice.

    Without `secrets` its keys are left out.
    """
    preset = PRESETS.get(name)
    unusable = not re.fullmatch(_PROVIDER_NAME, name) or name == SIMULATED
    if name == SIMULATED:
        fields.blame(None, "is built in and can't be declared; choose another name")
    elif unusable:
        fields.blame(None, "is not a provider's name: up to 64 lower-case letters, digits, `-` and `_`")
    kind = fields.choice("kind", preset.kind if preset else "openai", KINDS)
    base_url = fields.text("base_url", preset.base_url if preset else "")
    keys = read_keys(fields, environ, directory) if secrets else ()
    if fields.raw("api_key") is None and preset and secrets:
        try:
            keys = read_provider_key(preset.variable, environ)
        except UnusableSecret as error:
            fields.blame(None, str(error))
    if not base_url:
        if fields.raw("base_url") is None and not unusable:
            fields.blame(None, 'needs base_url, such as base_url = "https://api.example.com/v1"')
    elif why := _bad_base_url(base_url):
        fields.blame("base_url", why)
    settings = ProviderSettings(
        name=name,
        kind=kind,
        base_url=base_url.rstrip("/"),
        api_keys=keys,
        timeout_seconds=fields.number("timeout_seconds", 300.0, high=3_600.0, above=True),
        idle_seconds=fields.number("idle_seconds", 120.0, high=3_600.0, above=True),
        drop=frozenset(fields.texts("drop", ())),
        api_version=fields.text("api_version", None, pattern=r"[A-Za-z0-9._-]+", right="a version like 2024-10-21"),
    )
    fields.close()
    open_wire = keys and base_url.startswith("http://") and not is_loopback(base_url)
    return settings, f"{fields.path[-1]}: keys and prompts go to {base_url} unencrypted" if open_wire else None


def read_model(model_id: str, fields: Fields, providers: Mapping[str, ProviderSettings]) -> ModelSettings:
    """Read one `[models."PROVIDER/NAME"]`."""
    if why := bad_model_id(model_id, providers):
        fields.blame(None, why)
    provider, _, name = model_id.partition("/")
    abilities = fields.texts("abilities", None)
    for ability in abilities or ():
        if ability not in ABILITIES:
            fields.blame("abilities", f"{shown(ability)} is no ability; there are {', '.join(ABILITIES)}")
    thinking = fields.texts("thinking", None)
    for level in thinking or ():
        if level not in LEVELS:
            fields.blame("thinking", f"{shown(level)} is no level; there are {', '.join(LEVELS)}")
    long_prompts: dict[int, Mapping[str, float]] = {}
    fields.tables("long_prompts", lambda beyond, table: _read_long_prompts(beyond, table, long_prompts))
    settings = ModelSettings(
        id=model_id,
        provider=provider,
        upstream_name=fields.text("upstream_name", name),
        base_model=fields.text("base_model", None),
        rates=_read_rates(fields),
        long_prompts=dict(sorted(long_prompts.items())),
        service_tiers=_read_factors(fields.table("service_tiers")),
        context_window=fields.integer("context_window", None, low=1),
        output_limit=fields.integer("output_limit", None, low=1),
        abilities=None if abilities is None else frozenset(abilities),
        thinking=thinking,
        stream=fields.flag("stream", True),
    )
    fields.close()
    return settings


def _read_rates(fields: Fields) -> dict[str, float]:
    """Dollars per million tokens, by the names of `bandit.price.Price`."""
    declared = {rate: fields.number(f"{rate}_per_million", None, high=MAX_USD_PER_MILLION) for rate in TOKEN_RATES}
    return {rate: usd for rate, usd in declared.items() if usd is not None}


def _read_long_prompts(beyond: str, table: Fields, found: dict[int, Mapping[str, float]]) -> None:
    """Read `[models."PROVIDER/NAME".long_prompts.TOKENS]`."""
    if not re.fullmatch(r"[1-9][0-9]{0,9}", beyond):
        table.blame(None, "is not a number of tokens, such as long_prompts.200000")
        return
    found[int(beyond)] = _read_rates(table)
    table.close()


def _read_factors(table: Fields | None) -> dict[str, float]:
    """Read `service_tiers`: the price of each as a factor of the full one."""
    if table is None:
        return {}
    declared = {name: table.number(name, None, high=100.0) for name in table.names()}
    return {name: factor for name, factor in declared.items() if factor is not None}


def read_router(router_id: str, fields: Fields, providers: Mapping[str, ProviderSettings]) -> RouterDeclaration:
    """Read one `[routers.rtr_…]`. Models that are not declared are taken from the catalog."""
    if not re.fullmatch(_ROUTER_ID, router_id):
        fields.blame(None, "is not a router's id: rtr_ and up to 64 letters, digits, `-` and `_`")
    name = fields.text("name", None, pattern=r"(?s).{0,199}\S", right="a name of at most 200 characters")
    placed = read_models(fields)
    for position, model_id in dict.fromkeys((each.position, each.model.model_id) for each in placed):
        if why := bad_model_id(model_id, providers):
            fields.problems.append(Problem((*fields.path, "models", position), why))
    models = tuple(each.model for each in placed)
    options = mentioned_options(fields, frozenset(model.arm_id for model in models))
    for model_id in judging_models(options):
        if why := bad_model_id(model_id, providers):
            fields.problems.append(Problem((*fields.path, "judge", "model"), why))
    check_judged(fields, options)
    check_rules(fields, options, models)
    check_experiment(fields, options, [model.arm_id for model in models if model.enabled])
    fields.close()
    return RouterDeclaration(id=router_id, name=name, models=models, options=options)


def bad_model_id(model_id: str, providers: Mapping[str, ProviderSettings]) -> str | None:
    """Why this can't be a model's id; None if it can."""
    provider, slash, name = model_id.partition("/")
    if not slash or not name.strip() or len(model_id) > 200:
        return f'{shown(model_id)} is no model id: write "PROVIDER/NAME", such as "openai/gpt-5.5"'
    if provider in providers or provider == SIMULATED:
        return None
    preset = PRESETS.get(provider)
    remedy = f"set {preset.variable}, or declare" if preset else "declare"
    known = ", ".join(sorted(providers)) or "none"
    return (
        f"{shown(model_id)}: there is no provider {shown(provider)} (there are: {known}); "
        f"{remedy} [providers.{provider}]"
    )


def _bad_base_url(url: str) -> str | None:
    if why := bad_url(url):
        return why
    parts = urlsplit(url)
    if parts.username is not None or parts.query or parts.fragment:
        return "must be a URL without user, query or fragment (keys go to api_key)"
    return None
