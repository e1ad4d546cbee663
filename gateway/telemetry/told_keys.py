"""The API keys that metrics tell apart: each has cells of its own, which are not given back."""

MOST_KEYS = 1_000
"""API keys that a process tells apart."""


class ToldKeys:
    """The first `MOST_KEYS` keys that are asked for."""

    def __init__(self) -> None:
        self._ids: set[str] = set()

    def admit(self, key_id: str) -> bool:
        """Tell a key apart from now on, if there is room. Returns whether it is told apart."""
        if key_id not in self._ids and len(self._ids) < MOST_KEYS:
            self._ids.add(key_id)
        return key_id in self._ids
