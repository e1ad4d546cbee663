"""Questions to the log: their fields, and what is wrong with them."""

from collections.abc import Collection
from dataclasses import dataclass

from bandit.ope.targets import Proposal, recorded_policy
from bandit.policies.fixed import Fixed
from bandit.types import AppliedRule, Objective, RuleMode


class InvalidQuestion(ValueError):
    """A question that can't be answered. `param` names the wrong field; the message begins with it."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a router's decisions of the last `days`."""

    router_id: str
    days: float
    proposal: Proposal


def proposal_of(
    router_id: str,
    known: Collection[str],
    policy: str,
    models: str | None,
    objective: Objective | None = None,
    exploration: float | None = None,
    without: AppliedRule | None = None,
) -> Proposal:
    """What is proposed to a router that has the models `known`; `models` are ids with commas between.

    Raises InvalidQuestion for a policy that can't be recomputed from a record, for a model that it does not have, and
    for leaving out a rule that excludes a model.
    """
    try:
        wanted = recorded_policy(policy)
    except ValueError as error:
        raise InvalidQuestion("policy", str(error)) from None
    if isinstance(wanted, Fixed) and wanted.model_id not in known:
        raise InvalidQuestion("policy", f"policy: {_no_model(router_id, wanted.model_id, known)}")
    if without is not None and without.mode is RuleMode.NEVER:
        why = f"rule {without.number} excludes {without.model_id}, which had no chance in the log"
        raise InvalidQuestion("without_rule", f"without_rule: {why}: what it would have done can't be told")
    chosen = None if models is None else _models_of(models, router_id, known)
    return Proposal(policy, objective, chosen, exploration, without)


def _models_of(text: str, router_id: str, known: Collection[str]) -> tuple[str, ...]:
    models = tuple(filter(None, (part.strip() for part in text.split(","))))
    for model in models:
        if model not in known:
            raise InvalidQuestion("models", f"models: {_no_model(router_id, model, known)}")
    if not models:
        raise InvalidQuestion("models", "models: names none")
    return models


def _no_model(router_id: str, model_id: str, known: Collection[str]) -> str:
    return f"{router_id} has no model {model_id[:80]}; it has {', '.join(sorted(known))}"
