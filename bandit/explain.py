"""The reason given with an answer: one or two short sentences, true of this decision, from its record alone."""

from collections.abc import Sequence

from bandit.types import ArmView, Attempt, Choice, Draw, Ending

LONG_PROMPT_TOKENS = 1_500
"""From here on a prompt is called long."""

ENDINGS = {
    Ending.TIMEOUT: "timed out",
    Ending.FAILED: "failed",
    Ending.RATE_LIMITED: "is rate-limited",
    Ending.MISCONFIGURED: "refused our key or model name",
    Ending.INCAPABLE: "can't serve it",
}


def reason(choice: Choice, draw: Draw, attempts: Sequence[Attempt]) -> str:
    """Why this model answers this request, in words and in the decision's own figures.

    `draw` is that of the model which answers; `attempts` are those before it, and may hold its own.
    """
    views = {arm.model_id: arm for arm in choice.arms}
    arm = views[draw.model_id]
    failed = [attempt for attempt in attempts if attempt.ending in ENDINGS and attempt.model_id != draw.model_id]
    text = f"{_kind(choice)}: {_why(choice, arm, failed)} ({_figures(choice, arm)})."
    if choice.steering.not_understood:
        text += " Not understood: " + "; ".join(f"“{part}”" for part in choice.steering.not_understood) + "."
    return text


def _kind(choice: Choice) -> str:
    scale = "Long" if choice.context.prompt_tokens >= LONG_PROMPT_TOKENS else "Short"
    return f"{scale} {choice.context.task or 'general'} request"


def _why(choice: Choice, arm: ArmView, failed: Sequence[Attempt]) -> str:
    if failed:
        told = ", ".join(f"{attempt.model_id} {ENDINGS[attempt.ending]}" for attempt in failed)
        return f"{told}, so {arm.model_id} answers instead"
    best = max(choice.arms, key=lambda view: view.mean_usd)
    if len(choice.arms) == 1:
        return f"{arm.model_id} is the only model that can serve it"
    if arm is best:
        return f"{arm.model_id} has the best expected value of {len(choice.arms)} models"
    return f"{arm.model_id} is tried, with probability {arm.p:.2g}, to learn"


def _figures(choice: Choice, arm: ArmView) -> str:
    return f"quality {arm.quality:.2f} from {arm.scores:.0f} scores, about ${arm.cost_usd:.2g} and {arm.seconds:.1f} s"
