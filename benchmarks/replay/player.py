"""Protocol of a player: it chooses a model for each request and learns from results."""

from typing import Protocol


class Player(Protocol):
    """One policy on one world. Requests are t = 0, 1, …; models are columns of the world's arrays."""

    def choose(self, t: int, failed: frozenset[int]) -> int | None:
        """The model for request t, without those that have failed it already; None if none is left."""
        ...

    def learn_answer(self, t: int, arm: int, answered: bool) -> None:
        """Learn from the end of a call; cost, tokens and latency are the world's, if it was answered."""
        ...

    def learn_score(self, t: int, arm: int, score: float, source: str = "user") -> None:
        """Learn a score of the answer to request t, perhaps much later."""
        ...

    def dump(self) -> bytes:
        """All that was learned, as text or bytes that another process can read."""
        ...

    def load(self, state: bytes) -> None:
        """Continue from a state that `dump` gave."""
        ...
