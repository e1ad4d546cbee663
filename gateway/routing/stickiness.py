"""Conversations that keep their model for a while, so that the provider's prompt cache pays.

Kept per process, and bounded: a conversation that is forgotten is decided anew.
"""

from collections import OrderedDict

from bandit.types import Epoch

MOST_CONVERSATIONS = 100_000


class Stickiness:
    """The model that answered each conversation last, for `seconds` after that."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._kept: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def model(self, conversation: bytes, now: Epoch) -> str | None:
        """Who answered last; None where that is forgotten."""
        model_id, until = self._kept.get(conversation, (None, now))
        return model_id if now < until else None

    def keep(self, conversation: bytes, model_id: str, now: Epoch) -> None:
        """The model has answered: it goes on, for a time from now."""
        self._kept[conversation] = (model_id, now + self._seconds)
        self._kept.move_to_end(conversation)
        while len(self._kept) > MOST_CONVERSATIONS:
            self._kept.popitem(last=False)
