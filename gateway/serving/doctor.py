"""`doctor`: checks the installation. Each finding says what was found and, if something is wrong, the remedy."""

import asyncio
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from importlib import metadata
from pathlib import Path

import httpx

from gateway.catalog.catalog import Catalog
from gateway.routing.variants import unusable, unusable_declared
from gateway.serving.exposed_files import exposed_files
from gateway.serving.socket import ServerError, bound
from gateway.settings import ProviderSettings, Settings, SettingsError, load, missing_database
from gateway.settings.listening import Address, Listening, TcpAddress
from gateway.settings.loading import override
from gateway.settings.router_options import OptionsError, RouterOptions
from storage.database.engine import open_database
from storage.errors import LedgerError
from storage.stores.routers import Routers
from storage.writing.spool import owner_of, refused_files, spool_stem

CALL_SECONDS = 10.0
CLOCK_SECONDS = 30.0
"""If the clock is off by more than this, recorded times can't be compared with those of other machines."""


class State(StrEnum):
    """The result of a check."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. `detail` includes the remedy if one is needed."""

    check: str
    state: State
    detail: str


def examine(
    config: Path | None, database_url: str | None, environ: Mapping[str, str], *, calls: bool
) -> Iterator[Finding]:
    """Check configuration, models, database, address and packages; with `calls` also the providers and the clock."""
    yield _packages()
    try:
        settings = override(load(config, environ), database_url=database_url)
    except SettingsError as error:
        yield from (Finding("configuration", State.WRONG, problem) for problem in error.problems)
        return
    yield Finding("configuration", State.OK, settings.config_path or "no file: defaults and the environment")
    yield from (Finding("configuration", State.NOTE, notice) for notice in settings.notices)
    try:
        catalog = Catalog(settings, datetime.now(UTC))
        if problems := unusable_declared(settings, catalog):
            raise SettingsError(*problems)
    except SettingsError as error:
        yield from (Finding("models", State.WRONG, problem) for problem in error.problems)
        return
    yield Finding("models", State.OK, ", ".join(model.id for model in catalog))
    yield from (Finding("models", State.NOTE, notice) for notice in catalog.notices)
    yield from _database(settings, catalog)
    yield from _exposed(settings, environ)
    for address in settings.listening.addresses:
        yield _address(address, settings.listening)
    if calls:
        yield from asyncio.run(_call_all(settings.providers))
    elif settings.providers:
        yield Finding("providers", State.NOTE, "not called; --calls asks each for its list of models")


def _packages() -> Finding:
    try:
        metadata.distribution("bandit")
    except metadata.PackageNotFoundError:
        return Finding("packages", State.OK, "no package takes another's import name")
    return Finding(
        "packages",
        State.WRONG,
        "the linter `bandit` is installed and has the import name of our engine: run `pip uninstall bandit`, then "
        "install bandit-gateway again",
    )


def _database(settings: Settings, catalog: Catalog) -> Iterator[Finding]:
    if absent := missing_database(settings.database_url):
        if os.access(absent.absolute().parent, os.W_OK):
            yield Finding("database", State.NOTE, f"{absent} is not there yet: `bandit-gateway serve` makes it")
        else:
            detail = f"{absent} can't be made: check that {absent.absolute().parent} exists and can be written"
            yield Finding("database", State.WRONG, detail)
        return
    try:
        database = open_database(settings.database_url, settings.sqlite_synchronous, schema=settings.database_schema)
    except LedgerError as error:
        yield Finding("database", State.WRONG, str(error))
        return
    try:
        records = Routers(database).all()
        refused = list(refused_files(spool_stem(settings.database_url), owner_of(database)))
    except LedgerError as error:
        yield Finding("database", State.WRONG, str(error))
        return
    finally:
        database.close()
    yield Finding("database", State.OK, f"{database.where}, schema up to date")
    yield from (Finding("spool", State.WRONG, why) for why in refused)
    if not records:
        yield Finding("routers", State.NOTE, "none yet: `bandit-gateway serve` makes the first")
    for record in records:
        try:
            RouterOptions.from_json(record.settings)
        except OptionsError as error:
            yield Finding("routers", State.WRONG, f"{record.id} has a broken setting: {error}")
        enabled = [model.arm_id for model in record.models if model.enabled]
        missing = [model.arm_id for model in record.models if model.enabled and unusable(model, catalog) is not None]
        if missing:
            detail = (
                f"{record.id} has models that are not configured: {', '.join(missing)}; declare them or disable them"
            )
            yield Finding("routers", State.WRONG if len(missing) == len(enabled) else State.NOTE, detail)
        elif not enabled:
            yield Finding("routers", State.WRONG, f"{record.id} has no enabled model: enable one")
        else:
            yield Finding("routers", State.OK, f"{record.id}: {', '.join(enabled)}")


def _exposed(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    config = Path(settings.config_path) if settings.config_path else None
    files = exposed_files(config, settings.database_url, spool_stem(settings.database_url), environ)
    for file in files:
        yield Finding("files", State.NOTE, f"other users of this machine may open {file}: run `chmod 600 {file}`")
    if not files:
        yield Finding("files", State.OK, "only their owner may open the files of ledger, spool and keys")


def _address(address: Address, listening: Listening) -> Finding:
    try:
        with bound([address]):
            return Finding("address", State.OK, f"{address} is free")
    except ServerError as error:
        transport = None if isinstance(address, TcpAddress) else httpx.HTTPTransport(uds=address.path)
        host = str(address) if isinstance(address, TcpAddress) else "localhost"
        try:
            with httpx.Client(transport=transport, timeout=2.0, trust_env=False, verify=False) as client:  # noqa: S501 - itself
                answer = client.get(f"{'https' if listening.tls else 'http'}://{host}/healthz")
        except httpx.HTTPError:
            return Finding("address", State.WRONG, str(error))
        if answer.status_code == 200:
            return Finding("address", State.OK, f"a gateway answers on {address}")
        return Finding("address", State.WRONG, str(error))


async def _call_all(providers: Mapping[str, ProviderSettings]) -> list[Finding]:
    async with httpx.AsyncClient(timeout=CALL_SECONDS, follow_redirects=False) as client:
        answers = await asyncio.gather(*(_call(client, provider) for provider in providers.values()))
    return [finding for findings in answers for finding in findings]


async def _call(client: httpx.AsyncClient, provider: ProviderSettings) -> list[Finding]:
    """Ask a provider for its list of models: that is free and needs the key. The key is never printed."""
    key = provider.api_keys[0] if provider.api_keys else None
    headers = {}
    if key and provider.kind == "anthropic":
        headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
    elif key:
        headers = {"authorization": f"Bearer {key}"}
    name = f"provider {provider.name}"
    url = f"{provider.base_url}/models"
    try:
        answer = await client.get(url, headers=headers)
    except httpx.HTTPError as error:
        return [
            Finding(name, State.WRONG, f"{url} does not answer ({type(error).__name__}): check base_url and network")
        ]
    if answer.status_code in {401, 403}:
        return [Finding(name, State.WRONG, f"{url} refuses the key ({answer.status_code}): check api_key")]
    if answer.status_code != 200:
        detail = f"{url} answers {answer.status_code}; not every server lists its models, but check base_url"
        return [Finding(name, State.NOTE, detail)]
    return [Finding(name, State.OK, f"{url} answers"), *_clock(answer)]


def _clock(answer: httpx.Response) -> list[Finding]:
    """Compare our clock with the provider's."""
    try:
        theirs = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return []
    seconds = time.time() - theirs
    if abs(seconds) < CLOCK_SECONDS:
        return []
    return [Finding("clock", State.WRONG, f"is {seconds:+.0f} s off {answer.url.host}'s: set this machine's time")]
