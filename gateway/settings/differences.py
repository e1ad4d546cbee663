"""What two readings of the configuration differ in, in words, and without secrets."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from gateway.settings.table_reader import dotted, shown
from gateway.settings.values import RouterDeclaration, Settings

_TABLES = ("providers", "models", "routers")
_DERIVED = frozenset({"simulated", "notices", "config_path", *_TABLES})
_NOT_TOLD = frozenset({"id", "name", "provider", "where", "shipped", "lines"})
_LISTENING = {
    "addresses": "listen",
    "root_path": "root_path",
    "drain_seconds": "drain_seconds",
    "tls": "tls_certificate, tls_key or its password",
}
"""Keys of the file by the fields of `Listening` that hold them."""
READ_AT_START = tuple(field.name for field in fields(Settings) if field.name not in _DERIVED | {"admin_key"})
"""The fields that a reload does not change."""
_NAMES = {"api_keys": "api_key"}
"""Keys of the file by the fields that hold them, if they differ."""


def differences(before: Settings, after: Settings) -> tuple[str, ...]:
    """What differs in providers, models and routers, and in the administrator's key: what a reload can change."""
    told = [] if before.admin_key == after.admin_key else ["the administrator's key has changed"]
    for table in _TABLES:
        told += _of_tables(table, getattr(before, table), getattr(after, table))
    return tuple(told)


def differences_at_start(before: Settings, after: Settings) -> tuple[str, ...]:
    """The keys of the server that differ: they are read when it starts."""
    told = [name for name in READ_AT_START if name != "listening" and getattr(before, name) != getattr(after, name)]
    old, new = before.listening, after.listening
    return (*told, *(key for field, key in _LISTENING.items() if getattr(old, field) != getattr(new, field)))


def _of_tables(table: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        place = dotted((table, name))
        if name not in before:
            yield f"{place} is new"
        elif name not in after:
            stays = ": the router stays as it is" if table == "routers" else ""
            yield f"{place} is not declared any more{stays}"
        else:
            yield from (f"{place}: {change}" for change in _of_values(before[name], after[name]))


def _of_values(before: Any, after: Any) -> Iterator[str]:
    for field in filter(lambda field: field.compare, fields(before)):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old == new or field.name in _NOT_TOLD - {"name" if isinstance(before, RouterDeclaration) else ""}:
            continue
        name = _NAMES.get(field.name, field.name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            changed = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
            yield from (f"{key} is {_word(new.get(key))} (was {_word(old.get(key))})" for key in changed)
        elif field.repr:
            yield f"{name} is {_word(new)} (was {_word(old)})"
        else:
            yield f"{name} has changed"


def _word(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, tuple):
        return shown(", ".join(getattr(each, "arm_id", str(each)) for each in value))
    if isinstance(value, frozenset):
        return shown(", ".join(sorted(value)))
    return shown(value)
