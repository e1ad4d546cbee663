"""Questions to the judge of a run, and its score, or why there is none, which leaves an answer ungraded."""

from dataclasses import dataclass

from gateway.evals.asking import Question
from gateway.evals.graders import gradable
from gateway.evals.journal import Kept
from gateway.evals.prompts import EvalPrompt
from gateway.judging.prompt import MOST_REPLY_TOKENS, Material, judge_fields
from gateway.judging.reply import NoScore, Unscored, read_reply
from gateway.providers.upstream.bill import BYTES_PER_TOKEN

_SAID = {
    Unscored.REFUSED: "refused",
    Unscored.CUT: "was cut off at its token limit",
    Unscored.EMPTY: "said nothing",
    Unscored.PROSE: "said something else than one JSON object",
    Unscored.MALFORMED: "gave other fields than score and ground",
    Unscored.BAD_SCORE: "gave no score in [0, 1]",
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge said. `score` None: it gave none; `ground` then says what it gave instead."""

    score: float | None
    ground: str


def question_to_judge(prompt: EvalPrompt, rubric: str, answer: Kept, *, structured: bool) -> Question:
    """The question to the judge; `structured`: it can be held to a schema. Equal for equal answers."""
    request, graded = prompt.request.fields["messages"], gradable(answer.text, answer.calls)
    fields = judge_fields(Material(rubric, request, (graded,), prompt.reference), structured=structured)
    tokens = -(-len(memoryview(fields["messages"])) // BYTES_PER_TOKEN)
    return Question(fields, tokens, MOST_REPLY_TOKENS)


def read_judgement(answer: Kept) -> Judgement:
    """What the judge said, if it is a score in [0, 1]."""
    try:
        grade = read_reply(answer.text, answer.finish_reason)
    except NoScore as none:
        return Judgement(None, f"the judge {_SAID[none.reason]}")
    return Judgement(grade.score, grade.ground)
