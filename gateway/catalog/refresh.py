"""Renews the facts of models from a file: models.dev's `api.json`, or a file of this package's own form."""

import os
from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import TypeVar

import msgspec

from gateway.catalog.facts import Count, Facts, FactsFile, Rates
from gateway.catalog.vendors import VENDORS

SOURCE = "models.dev (https://models.dev/api.json), MIT licence, copyright (c) 2025 spin.dev"
FEWEST = 50
"""A file with fewer models is taken for a mistake."""
MOST_WRONG = 0.1
"""A file with a larger share of models that can't be read is refused."""

T = TypeVar("T")


class UnusableFacts(ValueError):
    """The file can't renew the facts; the message says why."""


class _Limit(msgspec.Struct):
    context: Count = 0
    output: Count = 0


class _Modalities(msgspec.Struct):
    input: list[str]
    output: list[str]


class _Size(msgspec.Struct):
    size: Count


class _Tier(Rates, frozen=True, kw_only=True):
    tier: _Size


class _Cost(Rates, frozen=True, kw_only=True):
    tiers: tuple[_Tier, ...] = ()
    context_over_200k: Rates | None = None


class _Supported(msgspec.Struct):
    supported: bool


class _Model(msgspec.Struct):
    """A model in models.dev's own words."""

    modalities: _Modalities
    tool_call: bool | _Supported
    limit: _Limit
    reasoning: bool = False
    attachment: bool = False
    structured_output: bool | None = None
    temperature: bool | None = None
    cost: _Cost | None = None
    status: str | None = None


def read_source(path: Path, as_of: date, named: Collection[str] = ()) -> tuple[FactsFile, list[str]]:
    """The facts of the providers that are known here or named, and what could not be read. Raises UnusableFacts."""
    try:
        providers = msgspec.json.decode(path.read_bytes(), type=dict[str, msgspec.Raw])
    except OSError as error:
        raise UnusableFacts(f"{path}: can't be read ({error.strerror})") from None
    except msgspec.DecodeError as error:
        raise UnusableFacts(f"{path}: is no JSON object of providers ({error})") from None
    day = as_of.isoformat()
    if "providers" in providers and "as_of" in providers:
        day = _decode(providers["as_of"], str, f"{path}: as_of")
        providers = _decode(providers["providers"], dict[str, msgspec.Raw], f"{path}: providers")
    wanted = {vendor.facts for vendor in VENDORS} | set(named)
    wrong: list[str] = []
    read = {name: _models(name, raw, wrong) for name, raw in sorted(providers.items()) if name in wanted}
    count = sum(map(len, read.values()))
    if count < FEWEST:
        raise UnusableFacts(
            f"{path}: holds {count} models of the providers that are known here, and {FEWEST} or more are expected: "
            f"is it models.dev's api.json?{_first(wrong)}"
        )
    if len(wrong) > MOST_WRONG * count:
        raise UnusableFacts(f"{path}: {len(wrong)} models can't be read{_first(wrong)}")
    return FactsFile(SOURCE, day, read), wrong


def write_facts(file: FactsFile, path: Path) -> None:
    """Write the file, a model a line, so that a difference can be read. It appears when it is whole. Raises OSError."""
    encode = msgspec.json.encode
    lines = []
    for provider, models in sorted(file.providers.items()):
        listed = ",\n".join(
            f"  {encode(name).decode()}: {encode(facts).decode()}" for name, facts in sorted(models.items())
        )
        lines.append(f" {encode(provider).decode()}: {{\n{listed}\n }}")
    head = f'{{\n"source": {encode(file.source).decode()},\n"as_of": {encode(file.as_of).decode()},\n"providers": {{\n'
    unfinished = path.with_name(f"{path.name}.part")
    try:
        unfinished.write_text(head + ",\n".join(lines) + "\n}\n}\n", "utf-8")
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _models(provider: str, raw: msgspec.Raw, wrong: list[str]) -> dict[str, Facts]:
    models: dict[str, Facts] = {}
    try:
        entries = _decode(raw, dict[str, msgspec.Raw], provider)
        own_form = "models" not in entries
        for name, entry in (
            entries if own_form else _decode(entries["models"], dict[str, msgspec.Raw], provider)
        ).items():
            try:
                where = f"{provider}/{name}"
                models[name.lower()] = (
                    _decode(entry, Facts, where) if own_form else _facts(_decode(entry, _Model, where))
                )
            except UnusableFacts as error:
                wrong.append(str(error))
    except UnusableFacts as error:
        wrong.append(str(error))
    return models


def _facts(model: _Model) -> Facts:
    cost = model.cost
    steps: list[Rates] = []
    if cost is not None:
        over: list[tuple[Rates, int]] = [(tier, tier.tier.size) for tier in cost.tiers]
        if not over and cost.context_over_200k is not None:
            over = [(cost.context_over_200k, 200_000)]
        steps = [_rates(cost, 0), *(_rates(each, size) for each, size in over)]
    return Facts(
        inputs=model.modalities.input,
        outputs=model.modalities.output,
        tools=model.tool_call if isinstance(model.tool_call, bool) else model.tool_call.supported,
        context=model.limit.context,
        output=model.limit.output,
        reasoning=model.reasoning,
        files=model.attachment,
        structured_output=model.structured_output,
        temperature=model.temperature,
        usd_per_million=steps,
        status=model.status,
    )


def _rates(rates: Rates, beyond: int) -> Rates:
    told = {name: getattr(rates, name) for name in Rates.__struct_fields__}
    return Rates(**{**told, "min_context": beyond})


def _decode(raw: msgspec.Raw, kind: type[T], where: str) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        raise UnusableFacts(f"{where}: {error}") from None


def _first(wrong: list[str]) -> str:
    return f" ({'; '.join(wrong[:3])}{'; …' if len(wrong) > 3 else ''})" if wrong else ""
