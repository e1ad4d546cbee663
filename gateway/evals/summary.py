"""Sums up a run: quality with an interval, cost and wait, per model and task."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

from bandit.ope.estimates import wilson
from gateway.evals.journal import Kept

LEVEL = 0.9
"""Of the intervals."""
_Z = NormalDist().inv_cdf((1.0 + LEVEL) / 2.0)


@dataclass(frozen=True, slots=True)
class Graded:
    """What came of one prompt with one model. `score` None: it has no grade, and `why` says why.

    `answer` None: the model gave none, or (`asked` False) can't be asked this. `judge_usd` is what judging cost.
    """

    prompt_id: str
    task: str
    model_id: str
    score: float | None
    why: str = ""
    answer: Kept | None = None
    judge_usd: float = 0.0
    asked: bool = True


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a model in a task (None: in all). Means are None without any answer or grade."""

    model_id: str
    task: str | None
    prompts: int
    graded: int
    quality: float | None
    quality_low: float | None
    quality_high: float | None
    cost_usd: float | None
    seconds: float | None


def summaries(graded: Sequence[Graded]) -> list[Summary]:
    """The figures per task and model, those over all tasks last."""
    models = sorted({each.model_id for each in graded})
    tasks = [*sorted({each.task for each in graded}), None]
    found = (
        (task, model_id, [e for e in graded if e.model_id == model_id and task in {None, e.task}])
        for task in tasks
        for model_id in models
    )
    return [_summary(model_id, task, mine) for task, model_id, mine in found if mine]


def ungraded(graded: Iterable[Graded]) -> Counter[tuple[str, str]]:
    """How many answers of a model have no grade, by the reason."""
    return Counter((each.model_id, each.why) for each in graded if each.score is None)


def _summary(model_id: str, task: str | None, graded: Sequence[Graded]) -> Summary:
    scores = [each.score for each in graded if each.score is not None]
    answers = [each.answer for each in graded if each.answer is not None]
    quality = fmean(scores) if scores else None
    # Conservative for graded scores, which spread less than rights and wrongs.
    sure = None if quality is None else wilson(quality, _Z * _Z / len(scores))
    return Summary(
        model_id=model_id,
        task=task,
        prompts=len(graded),
        graded=len(scores),
        quality=quality,
        quality_low=None if sure is None else max(sure.low, 0.0),
        quality_high=None if sure is None else min(sure.high, 1.0),
        cost_usd=fmean(each.cost_usd for each in answers) if answers else None,
        seconds=fmean(each.seconds for each in answers) if answers else None,
    )
