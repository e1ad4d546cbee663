"""Recorded choices as they would have been without one of the router's rules."""

from dataclasses import replace

import numpy as np

from bandit.ope.recorded import Booleans, RecordedChoices
from bandit.preference import preferred
from bandit.types import AppliedRule, RuleMode


def without_rule(choices: RecordedChoices, left_out: AppliedRule) -> tuple[RecordedChoices, Booleans]:
    """What the choices follow from if a rule is left out, and which of them that changes: those where it was in force.

    There the next rule that fits holds. Of a demand's other models the traffic shares of then are not known: they are
    taken to be free.
    """
    changed = np.array([_is_in_force(left_out, rules) for rules in choices.rules], dtype=np.bool_)
    other = replace(
        choices,
        mean_usd=choices.mean_usd.copy(),
        deviation_usd=choices.deviation_usd.copy(),
        quality=choices.quality.copy(),
        quality_deviation=choices.quality_deviation.copy(),
        low=choices.low.copy(),
        high=choices.high.copy(),
    )
    for row in np.flatnonzero(changed).tolist():
        _take_back(other, row)
        if len(choices.rules[row]) > 1:
            _apply(other, row, choices.rules[row][1])
    return other, changed


def _is_in_force(left_out: AppliedRule, rules: tuple[AppliedRule, ...]) -> bool:
    """Whether it is the first of those that can hold: the same rule by what it says, whatever its number was."""
    told = (left_out.when, left_out.model_id, left_out.mode)
    return bool(rules) and (rules[0].when, rules[0].model_id, rules[0].mode) == told


def _take_back(choices: RecordedChoices, row: int) -> None:
    """Undo the rule in force."""
    rule, plain = choices.rules[row][0], choices.unpreferred[row]
    if rule.mode is RuleMode.ALWAYS:
        choices.low[row], choices.high[row] = 0.0, choices.candidate[row]
    elif plain is not None:
        at = row, choices.models.index(rule.model_id)
        choices.mean_usd[at], choices.deviation_usd[at] = plain.mean_usd, plain.deviation_usd
        choices.quality[at], choices.quality_deviation[at] = plain.quality, plain.quality_deviation


def _apply(choices: RecordedChoices, row: int, rule: AppliedRule) -> None:
    """Do what the next rule says, as `bandit.decision` does; of the variance, only what quality adds is re-scaled."""
    at = row, choices.models.index(rule.model_id)
    if rule.mode is RuleMode.ALWAYS:
        choices.low[row] = choices.high[row] = 0.0
        choices.low[at] = choices.high[at] = 1.0
        return
    before, deviation = choices.quality[at], choices.quality_deviation[at]
    quality, variance = preferred(before, deviation**2, rule.weight)
    usd = choices.objective[row, 0] * choices.success[at] * choices.validity[at]
    choices.quality[at], choices.quality_deviation[at] = quality, np.sqrt(variance)
    choices.mean_usd[at] += usd * (quality - before)
    tempered = choices.temperature[row] * usd**2
    rest = max(choices.deviation_usd[at] ** 2 - tempered * deviation**2, 0.0)
    choices.deviation_usd[at] = np.sqrt(rest + tempered * variance)
