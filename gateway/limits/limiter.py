"""The allowances of all keys with limits, kept equal to the ledger."""

from collections.abc import Callable

from bandit.types import Epoch
from gateway.limits.alerts import Alert
from gateway.limits.allowance import KeyAllowance
from storage.records import NO_LIMITS, KeyRecord
from storage.replication.changes import Changed
from storage.writing.writer import Committed


class KeyLimiter:
    """Finds the allowance of a key. For the event loop alone.

    `share` says which part of its limits this process may grant: all of it while the database shows what others use.
    """

    def __init__(
        self,
        everything: Changed,
        clock: Callable[[], Epoch],
        share: Callable[[], float],
        alert: Callable[[Alert], None],
    ) -> None:
        self._clock = clock
        self._share = share
        self._alert = alert
        self._allowances: dict[str, KeyAllowance] = {}
        self.follow(everything)

    def of(self, key: KeyRecord) -> KeyAllowance | None:
        """The key's allowance; None without limits."""
        if key.limits is NO_LIMITS:
            former = self._allowances.get(key.id)
            if former is not None and former.limits is not NO_LIMITS:  # else its first limits are being loaded
                del self._allowances[key.id]
            return None
        allowance = self._allowance(key.id)
        allowance.share = self._share()
        if allowance.limits is not key.limits:
            allowance.follow(key, self._clock())
        return allowance

    def apply(self, committed: Committed) -> None:
        """Apply what this process has committed."""
        for cell, usage in committed.usage.items():
            allowance = self._allowances.get(cell.key_id)
            if allowance is not None:
                allowance.commit(cell, usage)

    def follow(self, changed: Changed) -> None:
        """Apply what the ledger says, of keys with limits alone."""
        if changed.everything:
            for allowance in self._allowances.values():
                allowance.spending.forget()
        now = self._clock()
        for cell, usage in changed.usage.items():
            self._allowance(cell.key_id).replace(cell, usage, now)

    def all(self) -> list[KeyAllowance]:
        """The allowances of the keys that were used here and have limits."""
        return [each for each in self._allowances.values() if each.limits is not NO_LIMITS]

    def _allowance(self, key_id: str) -> KeyAllowance:
        allowance = self._allowances.get(key_id)
        if allowance is None:
            allowance = self._allowances[key_id] = KeyAllowance(key_id, self._clock, self._alert)
        return allowance
