"""Finds files with secrets, prompts or answers that other users of the machine may read."""

import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from bandit.types import Json

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_KEY_FILE = "file:"
_SPOOLED = ("spool-*.db", "spool-*.db-wal", "spool-*.db-shm", "spool-*.lock")


def exposed_files(config: Path | None, database_url: str, spool: Path, environ: Mapping[str, str]) -> list[Path]:
    """The files of the ledger, the spool and keys that exist and that group or others may open.

    New files of the ledger and the spool are made for their owner alone. `spool` is the path that its files begin with.
    """
    files = [*_of_ledger(database_url), *_of_spool(spool), *_of_keys(config, environ)]
    return [file for file in dict.fromkeys(files) if _is_exposed(file)]


def _of_ledger(database_url: str) -> Iterator[Path]:
    kind, _, path = database_url.partition(":///")
    if kind == "sqlite":
        yield from (Path(path + suffix) for suffix in ("", "-wal", "-shm"))


def _of_spool(stem: Path) -> Iterator[Path]:
    for pattern in _SPOOLED:
        yield from sorted(stem.parent.glob(f"{stem.name}{pattern}"))


def _of_keys(config: Path | None, environ: Mapping[str, str]) -> Iterator[Path]:
    """What the configuration refers to as `file:PATH`, and variables such as `OPENAI_API_KEY_FILE`."""
    if config is not None:
        for text in _strings(tomllib.loads(config.read_text("utf-8"))):
            if text.startswith(_KEY_FILE):
                yield config.parent / Path(text.removeprefix(_KEY_FILE).strip()).expanduser()
    for name, value in environ.items():
        if value and (
            name.endswith("_API_KEY_FILE") or (name.startswith("BANDIT_GATEWAY_") and name.endswith("_FILE"))
        ):
            yield Path(value)


def _strings(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _is_exposed(file: Path) -> bool:
    try:
        return bool(stat.S_IMODE(file.stat().st_mode) & _OTHERS)
    except OSError:
        return False
