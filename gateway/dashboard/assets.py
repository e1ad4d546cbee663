"""The files that the browser loads: served under a hash of all of them, so that they can be kept for ever."""

import hashlib
from functools import cache
from importlib.resources import files

from bandit.quick import quick_dataclass

MEDIA_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@quick_dataclass(frozen=True, slots=True)
class Assets:
    """All files by name, and the hash of all."""

    digest: str
    contents: dict[str, bytes]


@cache
def read_assets() -> Assets:
    """Read the files of the package, once."""
    folder = files("gateway.dashboard") / "assets"
    found = {each.name: each.read_bytes() for each in folder.iterdir() if each.name.rpartition(".")[2] in MEDIA_TYPES}
    contents = dict(sorted(found.items()))
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return Assets(digest.hexdigest()[:16], contents)
