"""Reads provider keys by reference, `env:NAME` or `file:PATH`: no key stands in the configuration file."""

import re
from collections.abc import Mapping
from pathlib import Path

from gateway.settings.table_reader import Fields


def read_keys(fields: Fields, environ: Mapping[str, str], directory: Path) -> tuple[str, ...]:
    """The keys that `api_key` refers to, one or a list; a relative PATH starts at `directory`."""
    value = fields.raw("api_key")
    if value is None:
        return ()
    references = value if isinstance(value, list) else [value]
    keys: list[str] = []
    for reference in references:
        key = _resolve(fields, reference, environ, directory)
        if key and key in keys:
            fields.blame("api_key", "names the same key twice")
        elif key:
            keys.append(key)
    if not references:
        fields.blame("api_key", 'is an empty list; leave it out, or write "env:NAME"')
    return tuple(keys)


def _resolve(fields: Fields, reference: object, environ: Mapping[str, str], directory: Path) -> str | None:
    kind, _, name = reference.partition(":") if isinstance(reference, str) else ("", "", "")
    if kind not in {"env", "file"} or not name.strip():
        variable = f"{re.sub('[^A-Z0-9]+', '_', str(fields.path[-1]).upper())}_API_KEY"
        fields.blame(
            "api_key",
            "must not hold a key in plain text: put the key into an environment variable and write "
            f'api_key = "env:{variable}" (or "file:PATH")',
        )
        return None
    if kind == "env":
        key = environ.get(name.strip(), "").strip()
        if not key:
            fields.blame("api_key", f"needs the environment variable {name.strip()}, which is not set: export it")
            return None
    else:
        try:
            key = (directory / Path(name.strip()).expanduser()).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            fields.blame("api_key", f"needs the file {name.strip()}, which can't be read ({why})")
            return None
        if not key:
            fields.blame("api_key", f"needs the file {name.strip()}, which is empty: write the key into it")
            return None
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        fields.blame(
            "api_key", f"{reference}: what it refers to is no key (one line of printable ASCII without spaces)"
        )
        return None
    return key
