"""Secrets stand outside of the configuration file: in an environment variable, or in a file that one names."""

import re
from collections.abc import Mapping
from pathlib import Path

from gateway.settings.table_reader import Fields

MAX_BYTES = 64 * 1024
_KEY = re.compile(r"[\x21-\x7e]+")


class UnusableSecret(Exception):
    """A secret is referred to and can't be had; the message says why and what to do, without the secret."""


def read_variable(name: str, environ: Mapping[str, str]) -> str:
    """The value of NAME, or the contents of the file that NAME_FILE names; empty if neither is set.

    Raises UnusableSecret.
    """
    value, path = environ.get(name, "").strip(), environ.get(f"{name}_FILE", "").strip()
    if value and path:
        raise UnusableSecret(f"{name} and {name}_FILE are both set: unset one of them")
    return _read_file(Path(path).expanduser(), f"{path}, which {name}_FILE names,") if path else value


def read_reference(reference: str, environ: Mapping[str, str], directory: Path) -> str:
    """What `env:NAME` or `file:PATH` refers to; a relative PATH starts at `directory`. Raises UnusableSecret."""
    kind, _, name = reference.partition(":")
    name = name.strip()
    if kind == "file":
        return _read_file(directory / Path(name).expanduser(), f"{name}, which")
    value = read_variable(name, environ)
    if not value:
        raise UnusableSecret(f"needs the environment variable {name}, which is not set: export it")
    return value


def is_reference(value: object) -> bool:
    """Whether a setting reads `env:NAME` or `file:PATH`."""
    return isinstance(value, str) and re.fullmatch(r"(env|file):.*\S.*", value) is not None


def read_keys(fields: Fields, environ: Mapping[str, str], directory: Path) -> tuple[str, ...]:
    """The keys that `api_key` refers to, one or a list."""
    value = fields.raw("api_key")
    if value is None:
        return ()
    references = value if isinstance(value, list) else [value]
    keys: list[str] = []
    for reference in references:
        key = _read_key(fields, reference, environ, directory)
        if key and key in keys:
            fields.blame("api_key", "names the same key twice")
        elif key:
            keys.append(key)
    if not references:
        fields.blame("api_key", 'is an empty list; leave it out, or write "env:NAME"')
    return tuple(keys)


def read_provider_key(name: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The key of a well-known provider's own variable, if it is set. Raises UnusableSecret."""
    key = read_variable(name, environ)
    if key and not _KEY.fullmatch(key):
        raise UnusableSecret(f"{name} is no key (one line of printable ASCII without spaces)")
    return (key,) if key else ()


def _read_key(fields: Fields, reference: object, environ: Mapping[str, str], directory: Path) -> str | None:
    if not isinstance(reference, str) or not is_reference(reference):
        variable = f"{re.sub('[^A-Z0-9]+', '_', str(fields.path[-1]).upper())}_API_KEY"
        fields.blame(
            "api_key",
            "must not hold a key in plain text: put the key into an environment variable and write "
            f'api_key = "env:{variable}" (or "file:PATH")',
        )
        return None
    try:
        key = read_reference(reference, environ, directory)
    except UnusableSecret as error:
        fields.blame("api_key", str(error))
        return None
    if not _KEY.fullmatch(key):
        fields.blame(
            "api_key", f"{reference}: what it refers to is no key (one line of printable ASCII without spaces)"
        )
        return None
    return key


def _read_file(path: Path, named: str) -> str:
    """The text of a secret's file without the white space around it."""
    try:
        if path.exists() and not path.is_file():  # reading a pipe or a device might never end
            raise UnusableSecret(f"needs the file {named} is not a regular file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UnusableSecret(f"needs the file {named} can't be read ({why})") from None
    if not text:
        raise UnusableSecret(f"needs the file {named} is empty: write the secret into it")
    if len(content) > MAX_BYTES:
        raise UnusableSecret(f"needs the file {named} is too large for a secret (more than {MAX_BYTES:,} bytes)")
    return text
