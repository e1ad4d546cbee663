"""Draws an arm from a choice's probabilities, by a number that follows from the completion's id and a secret."""

import hashlib
from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bandit.types import ArmView, Choice, Draw

_U_SCALE = 2.0**-52
# 52 bits, not 53: (2^53 - 0.5) / 2^53 is 1.0 in floating point, and u must be below 1.
_BLOCK_BYTES = 64  # of SHA-256
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))


def draw(choice: Choice, secret: bytes, completion_id: str) -> Draw:
    """Draw the arm of a request's first attempt: the one whose interval of cumulated probability holds u.

    u = (n + 0.5) / 2^52 with n the top 52 bits of HMAC-SHA256(secret, completion id): uniform, the same whenever it is
    computed again, and not for a caller to guess. No generator is shared between requests.
    """
    return draw_from(intervals_of(choice), secret, completion_id)


def draw_from(intervals: "Intervals", secret: bytes, completion_id: str) -> Draw:
    """Draw as `draw` does, from the intervals of a choice that many requests share."""
    u = _uniform(secret, completion_id)
    arm = intervals.arms[bisect_right(intervals.ends, u)]
    return Draw(1, u, arm.model_id, arm.p, randomised=True)


def redraw(choice: Choice, secret: bytes, completion_id: str, attempt: int, failed: Collection[str]) -> Draw | None:
    """Draw the arm of a later attempt from p_j / (1 - Σ p of the failed), with u from HMAC(secret, id‖attempt).

    If the policy gave the others no probability, it is the one of highest expected value. None if none is left.
    """
    rest = [arm for arm in choice.arms if arm.model_id not in failed]
    if not rest:
        return None
    u = _uniform(secret, f"{completion_id}{attempt}")
    total = sum(arm.p for arm in rest)
    if total <= 0.0:
        best = max(rest, key=lambda arm: arm.mean_usd)
        return Draw(attempt, u, best.model_id, 1.0, randomised=False)
    shares = [arm.p / total for arm in rest]
    arm = holding(rest, shares, u)
    return Draw(attempt, u, arm.model_id, arm.p / total, randomised=False)


def drawn_beside(secret: bytes, purpose: str, completion_id: str) -> float:
    """A uniform number in (0, 1) for something else than the arm, such as whether an answer is judged.

    HMAC-SHA256(secret, purpose, NUL, completion id): as good as independent of the arm's draw, and of other purposes.
    """
    return _uniform(secret, f"{purpose}\0{completion_id}")


def holding(arms: Sequence[ArmView], shares: Sequence[float], u: float) -> ArmView:
    """The arm whose interval of cumulated probability holds u."""
    intervals = _intervals(arms, shares)
    return intervals.arms[bisect_right(intervals.ends, u)]


@dataclass(frozen=True, slots=True)
class Intervals:
    """The arms with any probability, and where the interval of each but the last one ends.

    Rounding may leave the sum of all a hair below u: the last arm takes the remainder.
    """

    arms: tuple[ArmView, ...]
    ends: tuple[float, ...]


def intervals_of(choice: Choice) -> Intervals:
    """The intervals of cumulated probability that the arms of a first attempt are drawn from."""
    return _intervals(choice.arms, [arm.p for arm in choice.arms])


def _intervals(arms: Sequence[ArmView], shares: Sequence[float]) -> Intervals:
    held: list[ArmView] = []
    ends: list[float] = []
    cumulated = 0.0
    for arm, share in zip(arms, shares, strict=True):
        if share > 0.0:
            cumulated += share
            held.append(arm)
            ends.append(cumulated)
    return Intervals(tuple(held or arms[:1]), tuple(ends[:-1]))


def _uniform(secret: bytes, message: str) -> float:
    inner, outer = _hmac_states(secret)
    hashed = inner.copy()
    hashed.update(message.encode())
    keyed = outer.copy()
    keyed.update(hashed.digest())
    return ((int.from_bytes(keyed.digest()[:8], "big") >> 12) + 0.5) * _U_SCALE


@lru_cache(maxsize=1_024)
def _hmac_states(secret: bytes) -> "tuple[hashlib._Hash, hashlib._Hash]":
    """SHA-256 of the inner and of the outer key of HMAC (RFC 2104), to be copied and continued.

    Not hmac.new, which takes ten calls for each draw; not hmac.digest, which releases the GIL and, in a busy process,
    waits to get it back.
    """
    key = (secret if len(secret) <= _BLOCK_BYTES else hashlib.sha256(secret).digest()).ljust(_BLOCK_BYTES, b"\0")
    return hashlib.sha256(key.translate(_INNER)), hashlib.sha256(key.translate(_OUTER))
