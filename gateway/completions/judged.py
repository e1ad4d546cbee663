"""Hands an answer that was drawn to be judged to the judges' queue, if a judge can grade it."""

from bandit.types import Attempt, Ending
from gateway.completions.decision import Decision
from gateway.completions.validation import UNCHECKED_FINISHES
from gateway.judging.queue import Answered, JudgingQueue
from gateway.judging.reply import Unscored


def judge(queue: JudgingQueue, decision: Decision, attempt: Attempt, text: str | None) -> None:
    """Queue the answer, which has been sent. Judges read text alone: whole answers to requests that are text."""
    features = decision.request.features
    attached = features.images or features.audio_seconds or features.file_kilobytes
    whole = attempt.ending is Ending.COMPLETE and attempt.finish_reason not in UNCHECKED_FINISHES
    if not text or attached or not whole:
        queue.skip(decision.router.id, Unscored.UNSUITABLE)
        return
    queue.add(
        Answered(
            completion_id=decision.completion_id,
            router=decision.router,
            model_id=attempt.model_id,
            request=decision.request.fields["messages"],
            answer=text,
        )
    )
