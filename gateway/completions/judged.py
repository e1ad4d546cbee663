"""Hands an answer that was drawn to be judged, or compared with a second model's, to its queue, if it is gradable."""

import asyncio
from dataclasses import replace

from bandit.types import Attempt, Ending
from gateway.completions.decision import Decision
from gateway.completions.validation import UNCHECKED_FINISHES
from gateway.judging.answered import Answered, Second, drawn_second
from gateway.judging.booking import judges_for
from gateway.judging.queue import JudgingQueue
from gateway.judging.reply import Unscored
from gateway.routing.model_states import ModelStates
from storage.records import Purpose

_READING, _SEEING = frozenset[str](), frozenset({"vision"})
"""Abilities that a judge needs for requests without images and with some."""


def judge(queue: JudgingQueue, decision: Decision, attempt: Attempt, text: str | None) -> None:
    """Queue the answer, which has been sent, if it is a whole text and a judge can read the request."""
    answered = _answered(decision, attempt, text or "", Purpose.JUDGE)
    if _is_gradable(decision, attempt, answered):
        queue.add(answered)
    else:
        queue.skip(answered, Unscored.UNSUITABLE)


def compare(
    queue: JudgingQueue, decision: Decision, attempts: list[Attempt], text: str | None, model_states: ModelStates
) -> None:
    """Queue the answer, which has been sent, for a comparison with another candidate's."""
    attempt, shadow = attempts[-1], decision.router.options.shadow
    answered = _answered(decision, attempt, text or "", Purpose.SHADOW)
    if decision.request.features.tools and (shadow is None or not shadow.tools):
        queue.skip(answered, Unscored.TOOLS)
    elif not _is_gradable(decision, attempt, answered):
        queue.skip(answered, Unscored.UNSUITABLE)
    else:
        second = _second(decision, attempts, model_states)
        if second is None:
            queue.skip(answered, Unscored.NO_SECOND)
        else:
            queue.add(replace(answered, second=second))


def _answered(decision: Decision, attempt: Attempt, text: str, purpose: Purpose) -> Answered:
    return Answered(
        completion_id=decision.completion_id,
        router=decision.router,
        model_id=attempt.model_id,
        request=decision.request.fields["messages"],
        answer=text,
        purpose=purpose,
        needs=_SEEING if decision.request.features.images else _READING,
    )


def _is_gradable(decision: Decision, attempt: Attempt, answered: Answered) -> bool:
    features = decision.request.features
    if not answered.answer or features.audio_seconds or features.file_kilobytes:
        return False
    if features.images and not judges_for(answered):
        return False
    return attempt.ending is Ending.COMPLETE and attempt.finish_reason not in UNCHECKED_FINISHES


def _second(decision: Decision, attempts: list[Attempt], model_states: ModelStates) -> Second | None:
    """One of the candidates that were not asked, each with the same probability; None if there is none."""
    router, now = decision.router, asyncio.get_running_loop().time()
    tried = {attempt.model_id for attempt in attempts}
    others = tuple(arm.model_id for arm in decision.cached.choice.arms if arm.model_id not in tried)
    for breakers in (model_states.cooldowns, model_states.shadows):
        others = tuple(arm_id for arm_id in others if breakers.available(router.models[arm_id].id, now))
    if not others:
        return None
    drawn = drawn_second(router, decision.completion_id, others)
    variant = router.variants.get(drawn)
    fields = decision.request.forwarded(router.options.task_metadata_key)
    return Second(
        arm_id=drawn,
        model=router.models[drawn],
        fields=fields if variant is None else variant.fields(fields),
        prompt_tokens=decision.estimated_prompt_tokens,
        tier=None if variant is None else variant.variant.tier,
    )
