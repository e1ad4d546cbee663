"""Call sites that were seen, but are no classes yet: one has to recur, in conversations of their own.

Each API key has its own, the latest ones: prompts that never come again, however many, push out nobody else's.
"""

from collections import Counter, OrderedDict
from dataclasses import dataclass, field

ENOUGH = 3
"""A call site that has begun this many conversations is a class."""

MOST_SITES, MOST_KEYS = 256, 256
"""Call sites of a key, and keys, that are remembered in a router."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A request of a call site: by whose API key, how many messages it has, and its built-in class."""

    key_id: str
    messages: int
    built_in: str


@dataclass(slots=True)
class _Seen:
    messages: int
    times: int = 0
    classes: Counter[str] = field(default_factory=Counter)


class Sightings:
    """The call sites of a router that this process has seen lately, by API key."""

    __slots__ = ("_by_key",)

    def __init__(self) -> None:
        self._by_key: OrderedDict[str, OrderedDict[str, _Seen]] = OrderedDict()

    def add(self, site: str, sighting: Sighting) -> str | None:
        """Count a request of a call site; if it recurs, return the built-in class that most of its requests were of."""
        sites = self._by_key.setdefault(sighting.key_id, OrderedDict())
        self._by_key.move_to_end(sighting.key_id)
        seen = sites.setdefault(site, _Seen(sighting.messages))
        sites.move_to_end(site)
        # The later turns of a conversation repeat its prompt, and have more messages than its first.
        if sighting.messages <= seen.messages:
            seen.messages = sighting.messages
            seen.times += 1
            seen.classes[sighting.built_in] += 1
        for remembered, most in ((sites, MOST_SITES), (self._by_key, MOST_KEYS)):
            while len(remembered) > most:
                remembered.popitem(last=False)
        return seen.classes.most_common(1)[0][0] if seen.times >= ENOUGH else None
