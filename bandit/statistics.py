"""The statistics: what signals there are, and additive sums of what was observed of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from bandit.quick import quick_dataclass

ANY_TASK = ""
"""The task of a statistic that is kept per arm and not per class."""


class Signal(StrEnum):
    """What a statistic is about: each signal has a posterior of its own, and only a decision composes them."""

    SUCCESS = "success"  # weight: attempts; total: successes
    QUALITY = "quality"  # per task; weight: scored completions; total: sum of their mean scores
    # The same scores, fading faster: windows that show a change, the shorter the more scores there are.
    QUALITY_4 = "quality_4"  # 4 times faster
    RECENT_QUALITY = "recent_quality"  # 16 times
    QUALITY_64 = "quality_64"
    QUALITY_256 = "quality_256"
    LATEST_QUALITY = "latest_quality"  # 1,024 times
    QUALITY_4096 = "quality_4096"
    QUALITY_16384 = "quality_16384"  # of 14 days: a half-life of 74 seconds
    JUDGED_QUALITY = "judged_quality"  # per task; of the completions in quality those that the judge alone has scored
    JUDGE_DIFFERENCE = "judge_difference"  # of completions with both: the judge's score less the others' mean
    VALIDITY = "validity"  # weight: checked structured answers; total: valid ones
    FIRST_TOKEN = "first_token"  # noqa: S105 - ln seconds until a stream's first content
    PER_TOKEN = "per_token"  # noqa: S105 - ln seconds per output token of a stream after the first
    TOTAL = "total"  # ln(seconds / (a + tokens)) of a plain answer
    COMPLETION_TOKENS = "completion_tokens"  # per task; total: capped completion tokens
    # Billed prompt tokens by part of the prompt; `posteriors.prompt` says what the sums are.
    PROMPT_RATIO = "prompt_ratio"  # of the text: all that there was before the other parts had signals of their own
    PROMPT_TOOLS = "prompt_tools"
    PROMPT_IMAGES = "prompt_images"
    PROMPT_AUDIO = "prompt_audio"
    PROMPT_FILES = "prompt_files"
    PROMPT_TOOLS_IMAGES = "prompt_tools_images"  # how much of two parts came together
    PROMPT_TOOLS_AUDIO = "prompt_tools_audio"
    PROMPT_TOOLS_FILES = "prompt_tools_files"
    PROMPT_IMAGES_AUDIO = "prompt_images_audio"
    PROMPT_IMAGES_FILES = "prompt_images_files"
    PROMPT_AUDIO_FILES = "prompt_audio_files"
    COST = "cost"  # per task; dollars of answers whose tokens are not known
    OUTCOMES = "outcomes"  # weight: outcomes ever seen; never fades


JUDGE = "judge"
"""The source of scores that a model gives: they count as far as people agree with them."""


class StatisticKey(NamedTuple):
    """What a row of sums is about."""

    router_id: str
    model_id: str
    task: str
    signal: Signal


@quick_dataclass(frozen=True, slots=True)
class Sums:
    """Additive sufficient statistic of one signal: Σ w, Σ w·y and Σ w·y² of its observations y, faded to `at`.

    Exponential forward decay (Cormode, Shkapenyuk, Srivastava and Xu 2009): S(t) = S(t0)·2^(-(t - t0)/half_life) + new.
    Both sides are brought to the later instant before they are added, so the order of events, replicas and corrections
    does not matter. What is added fades as the sums that it is added to, whatever half-life it came with.

    >>> one = Sums(at=0.0, half_life=60.0, weight=1.0, total=0.8, squares=0.64)
    >>> one.faded_to(60.0)
    Sums(at=60.0, half_life=60.0, weight=0.5, total=0.4, squares=0.32)
    >>> late = Sums(at=60.0, half_life=60.0, weight=1.0, total=0.5, squares=0.25)
    >>> one + late == late + one
    True
    >>> (one + late + -one).weight  # a withdrawn observation leaves nothing
    1.0
    """

    at: float  # seconds since the epoch
    half_life: float  # seconds; inf: never fades
    weight: float
    total: float = 0.0
    squares: float = 0.0

    def faded_to(self, at: float) -> "Sums":
        """The same sums at another instant."""
        if at == self.at:
            return self
        factor = 2.0 ** (-(at - self.at) / self.half_life)
        return Sums(at, self.half_life, self.weight * factor, self.total * factor, self.squares * factor)

    def __add__(self, other: "Sums") -> "Sums":
        half_life = self.half_life
        if self.at >= other.at:
            fade = 2.0 ** ((other.at - self.at) / half_life)
            return Sums(
                self.at,
                half_life,
                self.weight + other.weight * fade,
                self.total + other.total * fade,
                self.squares + other.squares * fade,
            )
        fade = 2.0 ** ((self.at - other.at) / half_life)
        return Sums(
            other.at,
            half_life,
            other.weight + self.weight * fade,
            other.total + self.total * fade,
            other.squares + self.squares * fade,
        )

    def __neg__(self) -> "Sums":
        return Sums(self.at, self.half_life, -self.weight, -self.total, -self.squares)


Deltas: TypeAlias = Mapping[StatisticKey, Sums]
"""What an event adds to the statistics."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Sums of an evaluation of models at the instant `at`: Σ w, Σ w·y, Σ w·y² by model, task and signal.

    The task of a mean that belongs to none is `ANY_TASK`. Compared by identity: there is one object per import.
    """

    source: str  # `eval:NAME`
    at: float  # when it was made: it fades from then on
    sums: Mapping[tuple[str, str, Signal], tuple[float, float, float]]
