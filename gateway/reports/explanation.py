"""Explains one decision: what was known, how the arm was drawn, what came of it, and a replay from the record."""

from dataclasses import dataclass

import msgspec

from bandit.draws import draw
from bandit.replay import Replay, replay
from bandit.types import Choice, Draw
from gateway.choice_records import read_choice
from storage.records import DecisionView


class NotExplainable(LookupError):
    """The record no longer says enough to replay the decision; the message says why."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A recorded request, its choice, and its replay.

    `drawn_again`: whether u follows from the router's secret; None if there is no secret or nothing was drawn.
    """

    view: DecisionView
    choice: Choice
    replay: Replay
    drawn_again: bool | None

    @property
    def verdict(self) -> str:
        """The result of the replay, in words."""
        again, decision = self.replay, self.view.decision
        if again.identical and self.drawn_again is not False:
            return "replayed: identical"
        if decision.algorithm != again.algorithm:
            return (
                f"replayed by algorithm {again.algorithm}, recorded by {decision.algorithm}: {again.model_id}, "
                f"probabilities differ by up to {again.largest_difference:.2g}"
            )
        if self.drawn_again is False:
            return "replayed: u does not follow from the router's secret; was the router made anew?"
        return f"replayed: DIFFERENT, {again.model_id}, probabilities differ by up to {again.largest_difference:.2g}"


def explain(view: DecisionView, secret: bytes | None) -> Explained:
    """Replay a recorded decision; `secret` is its router's, if the router still exists. Raises NotExplainable."""
    decision = view.decision
    try:
        choice = read_choice(decision.choice)
    except msgspec.DecodeError:
        raise NotExplainable(f"the choice of {decision.completion_id} can't be read any more") from None
    drawn = Draw(1, decision.u, decision.drawn_model_id, decision.propensity, decision.randomised, decision.assignment)
    again = None
    if secret is not None and decision.randomised:
        again = draw(choice, secret, decision.completion_id).u == decision.u
    return Explained(view, choice, replay(choice, drawn), again)
