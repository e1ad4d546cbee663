"""Judges one answer: asks a judge, within the day's dollars, and records its score as any other."""

import logging

from gateway.catalog.catalog import Model
from gateway.errors import GatewayError
from gateway.judging.answered import Answered
from gateway.judging.asking import Question
from gateway.judging.booking import BookedCalls, feedback_of
from gateway.judging.prompt import MOST_REPLY_TOKENS, Material, images_in, judge_fields
from gateway.judging.reply import Grade, Unscored, read_reply
from gateway.providers.upstream.bill import BYTES_PER_TOKEN
from gateway.providers.upstream.provider import Answer
from gateway.tasks.prompt_parts import IMAGE_TOKENS
from storage.errors import LedgerError

log = logging.getLogger(__name__)


async def judge(calls: BookedCalls, answered: Answered) -> None:
    """Have an answer judged, or count why it is not."""
    options, judge_model = answered.router.options.judge, calls.judge_of(answered)
    if options is None or judge_model is None:
        calls.count(answered, "", Unscored.NO_JUDGE)
        return
    material = Material(options.rubric, answered.request, (answered.answer,))
    question = question_to(judge_model, material, options.timeout_seconds)
    most_usd, spend = question.most_usd, answered.router.state.judge_spend
    why_not = calls.why_not(spend, most_usd)
    if why_not is not None:
        calls.count(answered, "", why_not)
        return
    with spend.reserving(most_usd, calls.clock):
        reply = await calls.ask_judge(answered, question, _read)
    result: str = reply.unscored or SCORED
    if reply.said is not None and not await _record(calls, answered, judge_model, reply.said):
        result = Unscored.NOT_RECORDED
    calls.count(answered, judge_model.id, result)


SCORED = "scored"


def question_to(judge_model: Model, material: Material, seconds: float) -> Question:
    """The question for a judge."""
    abilities = judge_model.abilities
    fields = judge_fields(material, structured="json_schema" in abilities, sees="vision" in abilities)
    prompt_tokens = -(-len(memoryview(fields["messages"])) // BYTES_PER_TOKEN)
    if "vision" in abilities:
        prompt_tokens += IMAGE_TOKENS * len(images_in(material.request))
    return Question(judge_model, fields, prompt_tokens, MOST_REPLY_TOKENS, seconds)


def _read(answer: Answer) -> Grade:
    return read_reply(answer.text, answer.finish_reason)


async def _record(calls: BookedCalls, answered: Answered, judge_model: Model, grade: Grade) -> bool:
    """Record a score; returns whether it is."""
    now = calls.clock()
    record = feedback_of(answered, judge_model, grade.score, grade.ground, now)
    try:
        receipts = await calls.recorder.feedback((record,))
    except (GatewayError, LedgerError) as error:
        log.info("a score of %s is not recorded: %s", answered.completion_id, error, extra={"about": "judging"})
        return False
    calls.observer.scored(receipts, now)
    return True
