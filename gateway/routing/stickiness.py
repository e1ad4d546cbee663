"""Conversations that keep their model for a while, so that the provider's prompt cache pays.

Kept per process, and bounded: a conversation that is forgotten is decided anew.
"""

from collections import OrderedDict

from bandit.quick import quick_dataclass
from bandit.types import LoopTime

MOST_CONVERSATIONS = 100_000


@quick_dataclass(frozen=True, slots=True)
class Kept:
    """The model that answered a conversation last, and how many of its tokens are in the provider's prompt cache."""

    model_id: str
    cached_tokens: int
    until: LoopTime


class Stickiness:
    """The model that answered each conversation last, for `seconds` after that. `now` is the event loop's time."""

    __slots__ = ("_kept", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()

    def kept(self, conversation: bytes, now: LoopTime) -> Kept | None:
        """The model that answered last; None if that is forgotten."""
        kept = self._kept.get(conversation)
        return kept if kept is not None and now < kept.until else None

    def keep(self, conversation: bytes, model_id: str, cached_tokens: int, now: LoopTime) -> None:
        """Keep the model that has answered for this conversation, for a time from now."""
        self._kept[conversation] = Kept(model_id, cached_tokens, LoopTime(now + self.seconds))
        self._kept.move_to_end(conversation)
        while len(self._kept) > MOST_CONVERSATIONS:
            self._kept.popitem(last=False)
