"""What was learned since a snapshot was taken, and whether it is worth taking another one.

A snapshot and the choices from it cost as much as several requests, and an answer like those before it moves nothing
that a decision can see. So a snapshot is renewed once what is known has grown by a constant factor, as rarely switching
bandits do, at a constant factor of their regret (Abbasi-Yadkori, Pál and Szepesvári 2011, section 5.1). After a score
or a failure it is renewed at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bandit.posteriors.snapshot import Snapshot
from bandit.statistics import Deltas, Signal, StatisticKey, Sums
from bandit.types import BudgetState

GROWTH = 0.5
"""A snapshot is renewed when outcomes have come since that are this part of its attempts."""
FIRST_ATTEMPTS = 12.0
"""Its priors are worth so many of them: the first six answers are worth one."""
PRICE_STEP = 0.01
"""Or when the budget's price of a dollar has moved by this part."""

SHARES = frozenset({Signal.SUCCESS, Signal.VALIDITY})
ROUTINE = frozenset(
    {
        Signal.FIRST_TOKEN,
        Signal.PER_TOKEN,
        Signal.TOTAL,
        Signal.COMPLETION_TOKENS,
        Signal.COST,
        *(signal for signal in Signal if signal.name.startswith("PROMPT_")),
    }
)
"""Signals that every answer has, and that move little by one."""
SMALLEST_FAILURE = 1e-6


@dataclass(slots=True)
class News:
    """Outcomes since a snapshot was taken, and whether a score, a failure or an invalid answer was among them."""

    outcomes: float = 0.0
    pressing: bool = False

    def add(self, deltas: Deltas) -> None:
        """Note what was learned."""
        for (_, _, _, signal), delta in deltas.items():
            if signal in ROUTINE:
                continue
            if signal is Signal.OUTCOMES:
                self.outcomes += delta.weight
            elif signal not in SHARES or delta.weight - delta.total > SMALLEST_FAILURE:
                self.pressing = True

    def note_replaced(self, former: Mapping[StatisticKey, Sums], sums: Mapping[StatisticKey, Sums]) -> None:
        """Note what was learned by another process, which has replaced rows."""
        self.add({key: value + -former[key] if key in former else value for key, value in sums.items()})

    def outdates(self, snapshot: Snapshot, budget: BudgetState) -> bool:
        """Whether another snapshot is worth what it costs, with a budget in this state."""
        before = snapshot.budget.multiplier
        return (
            self.pressing
            or self.outcomes >= GROWTH * (snapshot.attempts + FIRST_ATTEMPTS)
            or abs(budget.multiplier - before) > PRICE_STEP * before
        )
