"""Writes the reason of an answer: one or two short sentences, from this decision's record alone."""

from collections.abc import Sequence

from bandit.assignment import is_randomised
from bandit.experiment import ExperimentView
from bandit.types import AppliedRule, ArmView, Attempt, Choice, Draw, Ending, RuleMode
from gateway.dollars import dollars
from gateway.routing.task_names import OTHER
from gateway.tasks.call_sites import is_call_site
from gateway.tasks.classifier import LONG_PROMPT_TOKENS, TASK_NAMES

NOTABLE_MULTIPLIER = 1.05
"""A budget is mentioned if it makes a dollar count more than this."""

ENDINGS = {
    Ending.TIMEOUT: "timed out",
    Ending.FAILED: "failed",
    Ending.RATE_LIMITED: "is rate-limited",
    Ending.MISCONFIGURED: "refused our key or model name",
    Ending.INCAPABLE: "can't serve it",
    Ending.REJECTED: "refused it",
}


def reason(choice: Choice, draw: Draw, attempts: Sequence[Attempt], call_site: str = "") -> str:
    """Why this model answers this request, in words and with the decision's own figures.

    `draw` is that of the answering model; `attempts` are those before it, and may include its own. `call_site` is what
    the class of the request is called, if that is a call site.
    """
    arm = next((view for view in choice.arms if view.model_id == draw.model_id), None)
    failed = [attempt for attempt in attempts if attempt.ending in ENDINGS and attempt.model_id != draw.model_id]
    if arm is None:  # asked after the choice's own models
        text = f"{_kind(choice, call_site)}: {_instead(draw.model_id, failed)}."
    else:
        text = f"{_kind(choice, call_site)}: {_why(choice, draw, arm, failed)} ({_figures(choice, arm)})."
    for rule in choice.rules:
        text += f" {rule_words(rule, in_force=rule is choice.rule)}." if rule_matters(choice, rule) else ""
    for source, kept in choice.doubted:
        text += f" Scores of {source} count {kept:.0%}: users disagree."
    steering = choice.steering
    if steering.words:
        text += f" Instructions: {steering.words}."
    if steering.not_understood:
        text += " Not understood: " + "; ".join(f"“{part}”" for part in steering.not_understood) + "."
    return text


def rule_matters(choice: Choice, rule: AppliedRule) -> bool:
    """Whether a rule had an effect, or would have had one if its model could have served."""
    return rule.mode is RuleMode.NEVER or bool(rule.passed_over) or rule is choice.rule


def rule_words(rule: AppliedRule, *, in_force: bool) -> str:
    """What a rule says. Callers read it, so its own text, which may name other keys, is not repeated."""
    name = f"Rule {rule.number}" if rule.number else "The default"
    if rule.mode is RuleMode.NEVER:
        return f"{name} excludes {rule.model_id}"
    if rule.passed_over:
        return f"{name} is passed over: {rule.model_id} {rule.passed_over}"
    waits = "" if in_force else " if those before it do not hold"
    if rule.mode is RuleMode.ALWAYS:
        return f"{name} demands {rule.model_id}{waits}"
    return f"{name} prefers {rule.model_id}, like {rule.weight:g} scores of 1{waits}"


def _kind(choice: Choice, call_site: str) -> str:
    scale = "Long" if choice.context.prompt_tokens >= LONG_PROMPT_TOKENS else "Short"
    task = choice.context.task
    if task == OTHER:
        return f"{scale} request of a task without a class of its own"
    if is_call_site(task):
        return f"{scale} request of the call site “{call_site or task}”"
    return f"{scale} {TASK_NAMES.get(task, task) or 'general'} request"


def _why(choice: Choice, draw: Draw, arm: ArmView, failed: Sequence[Attempt]) -> str:
    if failed:
        return _instead(arm.model_id, failed)
    if not draw.randomised and is_randomised(choice):
        return f"{arm.model_id} answered this conversation before and keeps it"
    if choice.rule is not None and choice.rule.mode is RuleMode.ALWAYS:
        return f"{arm.model_id} by a rule of this router"
    if len(choice.arms) == 1:
        others = "; ".join(f"{model_id} {why}" for model_id, why in choice.left_out)
        return f"{arm.model_id} is the only candidate" + (f": {others}" if others else "")
    if choice.policy != "thompson":
        shared = _share(choice.experiment) if choice.experiment is not None else ""
        return f"{arm.model_id} by the policy {choice.policy}{shared}, with probability {arm.p:.2g}"
    if arm.mean_usd < max(view.mean_usd for view in choice.arms):
        return f"{arm.model_id} is tried, with probability {arm.p:.2g}, to learn"
    return f"{arm.model_id} has the best expected value of {len(choice.arms)} models" + _because(choice, arm)


def _share(view: ExperimentView) -> str:
    return f", which an experiment gives {view.parts[view.part].share:.3g} of all {view.unit}s"


def _instead(model_id: str, failed: Sequence[Attempt]) -> str:
    told = ", ".join(f"{attempt.model_id} {ENDINGS[attempt.ending]}" for attempt in failed)
    return f"{told}, so {model_id} answers instead"


def _because(choice: Choice, arm: ArmView) -> str:
    """What decided besides quality, cost and latency."""
    if choice.unpreferred is not None and choice.rule is not None and choice.rule.model_id == arm.model_id:
        return ", which a rule of this router adds to"
    if not any(view.scores for view in choice.arms):
        return ", by cost and wait while nothing is scored"
    budget = choice.price_multiplier / choice.steering.cost
    if budget > NOTABLE_MULTIPLIER:
        return f", with a dollar counted {budget:.2g} times to keep to the budget"
    return ""


def _figures(choice: Choice, arm: ArmView) -> str:
    is_preferred = choice.rule is not None and choice.rule.model_id == arm.model_id
    quality = choice.unpreferred.quality if choice.unpreferred is not None and is_preferred else arm.quality
    scored = f"quality {quality:.2f} from {arm.scores:.0f} scores" if arm.scores else "no scores yet"
    cost = f"{scored}, about {dollars(arm.cost_usd)}"
    return f"{cost} and {arm.seconds:.1f} s" if arm.seconds_known else cost
