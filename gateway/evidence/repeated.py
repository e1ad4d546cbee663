"""Finds rows that came before without keeping them: a dry run writes none that the database could be asked for."""

from collections.abc import Iterable
from hashlib import blake2b

LARGEST = 1_000_000
"""Rows that are remembered, in some 100 MB."""
_BYTES = 8  # of a digest: among a million rows two equal ones by chance are a case of one in 30 million

Key = tuple[str, str, str]


class Remembered:
    """The first million keys (model, task, prompt) as digests."""

    def __init__(self) -> None:
        self._digests: set[bytes] = set()

    def had(self, keys: Iterable[Key]) -> set[Key]:
        """Those of the keys that came in an earlier call; the others are remembered."""
        digests = {key: blake2b(repr(key).encode(), digest_size=_BYTES).digest() for key in keys}
        found = {key for key, digest in digests.items() if digest in self._digests}
        if len(self._digests) < LARGEST:
            self._digests.update(digests.values())
        return found
