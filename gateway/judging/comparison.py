"""Compares an answer with a second model's to the same request: a judge sees both, unnamed, in both orders."""

import logging
from dataclasses import replace

import msgspec

from gateway.catalog.catalog import Model
from gateway.errors import GatewayError
from gateway.judging.answered import Answered, Second
from gateway.judging.asking import Question
from gateway.judging.booking import BookedCalls, feedback_of
from gateway.judging.judgement import SCORED, question_to
from gateway.judging.prompt import Material
from gateway.judging.reply import Comparison, NoScore, Unscored, read_comparison
from gateway.providers.upstream.provider import Answer
from gateway.settings.judge_options import JudgeOptions
from storage.errors import LedgerError
from storage.records import ComparisonRecord

log = logging.getLogger(__name__)

MOST_SECOND_TOKENS = 8_192
"""Token limit of a second model's answer, beside the request's own: it bounds what a comparison can cost."""
LARGEST_ANSWER = 128 * 2**10
"""Bytes of a second model's answer that are compared."""
_UNASKED = {"stream", "stream_options", "store", "metadata", "service_tier", "n"}
"""Fields that a second model is not sent: nobody waits for its answer, and nobody will look for it at the provider."""
_LIMITS = ("max_completion_tokens", "max_tokens")
_MOST = msgspec.Raw(str(MOST_SECOND_TOKENS).encode())
_CUT = {"length", "content_filter", "tool_calls", "function_call"}


async def compare(calls: BookedCalls, answered: Answered) -> None:
    """Have an answer compared with that of its second model, or count why it is not."""
    router, second, judge = answered.router, answered.second, calls.judge_of(answered)
    options = router.options.judge
    if options is None or judge is None or second is None:
        calls.count(answered, "", Unscored.NO_JUDGE)
        return
    asked = question_to_second(second, router.options.request_timeout_seconds)
    shown = _question(answered, judge, options, (answered.answer, ""))
    shown = replace(shown, prompt_tokens=shown.prompt_tokens + asked.most_tokens)
    most_usd, spend = asked.most_usd + 2 * shown.most_usd, router.state.shadow_spend
    why_not = calls.why_not(spend, most_usd)
    if why_not is not None:
        calls.count(answered, "", why_not)
        return
    with spend.reserving(most_usd, calls.clock):
        result = await _compare(calls, answered, second, asked, judge, options)
    calls.count(answered, judge.id, result)


def question_to_second(second: Second, seconds: float) -> Question:
    """The request as it is sent to the second model."""
    fields = {name: raw for name, raw in second.fields.items() if name not in _UNASKED}
    stated = next((name for name in _LIMITS if _tokens(fields.get(name)) is not None), "max_tokens")
    limit = _tokens(fields.get(stated))
    if limit is None or limit > MOST_SECOND_TOKENS:
        limit = MOST_SECOND_TOKENS
        fields[stated] = _MOST
    return Question(second.model, fields, second.prompt_tokens, limit, seconds, second.tier)


async def _compare(
    calls: BookedCalls, answered: Answered, second: Second, asked: Question, judge: Model, options: JudgeOptions
) -> str:
    """What came of a comparison, once it is recorded."""
    other = (await calls.ask_second(answered, asked, _read_second)).said
    if other is None:
        return Unscored.NO_SECOND_ANSWER
    first = await calls.ask_judge(answered, _question(answered, judge, options, (answered.answer, other)), _read)
    if first.said is None:
        return first.unscored or Unscored.FAILED
    swapped = await calls.ask_judge(answered, _question(answered, judge, options, (other, answered.answer)), _read)
    if swapped.said is None:
        return swapped.unscored or Unscored.FAILED
    own, its = (first.said.first + swapped.said.second) / 2, (first.said.second + swapped.said.first) / 2
    now = calls.clock()
    record = ComparisonRecord(feedback_of(answered, judge, own, first.said.ground, now), second.arm_id, its)
    try:
        receipts = await calls.recorder.comparison(record)
    except (GatewayError, LedgerError) as error:
        log.info("a comparison of %s is not recorded: %s", answered.completion_id, error, extra={"about": "judging"})
        return Unscored.NOT_RECORDED
    calls.observer.scored(receipts, now)
    return SCORED


def _question(answered: Answered, judge: Model, options: JudgeOptions, answers: tuple[str, str]) -> Question:
    return question_to(judge, Material(options.rubric, answered.request, answers), options.timeout_seconds)


def _read(answer: Answer) -> Comparison:
    return read_comparison(answer.text, answer.finish_reason)


def _read_second(answer: Answer) -> str:
    if not answer.text or answer.finish_reason in _CUT or len(answer.text.encode(errors="replace")) > LARGEST_ANSWER:
        raise NoScore(Unscored.NO_SECOND_ANSWER)
    return answer.text


def _tokens(raw: msgspec.Raw | None) -> int | None:
    return None if raw is None else msgspec.json.decode(raw, type=int | None)
