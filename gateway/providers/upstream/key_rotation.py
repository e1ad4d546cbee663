"""Rotates the API keys of a provider, and skips those that are rate-limited or refused."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.providers.upstream.provider import ProviderError, Verdict

LIMITED_SECONDS = 5.0
"""How long a rate-limited key is skipped if the provider doesn't say."""
REFUSED_SECONDS = 600.0
"""How long a refused key is skipped."""


@dataclass(slots=True)
class _Key:
    secret: str = field(repr=False)
    refused_until: float = 0.0
    limited_until: dict[str, float] = field(default_factory=dict)  # by model

    def free_at(self, model: str) -> float:
        return max(self.refused_until, self.limited_until.get(model, 0.0))


class KeyRing:
    """Round-robin over the keys; a key that is refused, or rate-limited for a model, is skipped while others are free.

    `only` is a single key, "" without any; it is never skipped: the cooldowns of its models decide.
    """

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        self.secrets = tuple(secrets)
        self._keys = [_Key(secret) for secret in secrets] or [_Key("")]
        self.only = self._keys[0].secret if len(self._keys) == 1 else None
        self._turn = 0

    def pick(self, model: str, now: float) -> str:
        """Return the next free key, else the one that is free soonest; "" without keys."""
        if self.only is not None:
            return self.only
        for _ in self._keys:
            self._turn = (self._turn + 1) % len(self._keys)
            key = self._keys[self._turn]
            if key.free_at(model) <= now:
                return key.secret
        return min(self._keys, key=lambda key: key.free_at(model)).secret

    def another(self, secret: str, model: str, error: ProviderError, now: float) -> bool:
        """Record a failure of a key; whether another key is free and may succeed."""
        if len(self._keys) == 1 or error.verdict not in {Verdict.RATE_LIMITED, Verdict.PARKED}:
            return False
        for key in self._keys:
            if key.secret != secret:
                continue
            if error.verdict is Verdict.RATE_LIMITED:
                wait = error.retry_after_seconds
                key.limited_until[model] = now + (LIMITED_SECONDS if wait is None else wait)
            elif error.about_key:
                key.refused_until = now + REFUSED_SECONDS
            else:
                return False  # a wrong model name is wrong for every key
        return any(key.free_at(model) <= now for key in self._keys)

    def soonest(self, model: str, now: float) -> float:
        """Seconds until the first key is free for the model."""
        return max(min(key.free_at(model) for key in self._keys) - now, 0.0)
