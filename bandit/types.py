"""The vocabulary of all layers: arms, choices, attempts and what is learned of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple, NewType, TypeAlias

from bandit.experiment import Experiment, ExperimentView
from bandit.price import Price
from bandit.quick import quick_dataclass

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

Epoch = NewType("Epoch", float)
"""An instant in seconds since 1970, UTC: what is recorded, and what every process agrees on."""

LoopTime = NewType("LoopTime", float)
"""An instant on the event loop's monotonic clock, in seconds: waits and cooldowns of this process, never recorded."""


@dataclass(frozen=True, slots=True)
class Objective:
    """What a perfect answer is worth, what a second of waiting and a failure cost, all in dollars."""

    quality_usd: float
    second_usd: float
    failure_usd: float


@dataclass(frozen=True, slots=True)
class HalfLives:
    """Seconds after which an observation weighs half, per signal."""

    success: float = 3_600.0
    latency: float = 1_800.0
    quality: float = 14 * 86_400.0
    tokens: float = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class LogNormalPrior:
    """Prior of ln(seconds): mean, spread of one observation, and how many observations the mean is worth."""

    mean: float
    spread: float
    weight: float


@dataclass(frozen=True, slots=True)
class ArmPrior:
    """Prior of a model in one router, frozen when it joins; None: the built-in default.

    The frozen `completion_tokens` also caps observations. With `of_price_class` the times are those of other models at
    a similar price.
    """

    first_token: LogNormalPrior | None = None
    per_token: LogNormalPrior | None = None
    total: LogNormalPrior | None = None
    completion_tokens: float | None = None
    of_price_class: bool = False
    joined_late: bool = False  # the router had had traffic when the model joined


@dataclass(frozen=True, slots=True)
class Arm:
    """One model of one router. `price` None: dollars are learned as they are reported."""

    model_id: str
    price: Price | None
    prior: ArmPrior = ArmPrior()
    min_share: float = 0.0
    max_share: float = 1.0


@dataclass(frozen=True, slots=True)
class RouterSettings:
    """Settings of one router. The default objective is `balanced` at a typical cost of $0.001.

    `policy` is a name that `bandit.policies.named` knows, with an argument after a colon if it takes one
    (`fixed:openai/gpt-5.5`). With an experiment its parts' policies count instead.
    """

    router_id: str
    policy: str = "thompson"
    objective: Objective = Objective(quality_usd=0.02, second_usd=0.0002, failure_usd=0.005)
    exploration: float = 0.02
    temperature: float = 0.25
    half_lives: HalfLives = HalfLives()
    deadline_seconds: float = 600.0
    budget_usd_per_request: float | None = None
    latency_limit_seconds: float | None = None
    quality_floor: float | None = None  # share of the best arm's expected quality, in (0, 1)
    newcomer_share: float = 0.2
    newcomer_outcomes: int = 20
    experiment: Experiment | None = None


@quick_dataclass(frozen=True, slots=True)
class BudgetState:
    """State of a mean-cost budget: the shadow price 1 + λ of a dollar, and the moving mean of the cost."""

    multiplier: float = 1.0
    mean_cost_usd: float | None = None


class PromptParts(NamedTuple):
    """Estimated tokens of a prompt by part: by its size alone, before what has been learned of a model is applied."""

    text: int
    tools: int = 0  # definitions and calls of tools, and the schema that the answer is to have
    images: int = 0
    audio: int = 0
    files: int = 0


@quick_dataclass(frozen=True, slots=True)
class Context:
    """What a choice may depend on of a request, lengths in buckets: equal contexts get equal probabilities.

    The prompt's tokens are estimates by part (`PromptParts`); `prompt_tokens` are the text's. `cached_tokens`, as they
    are billed, are expected in the prompt cache of the model `cached_by` alone.
    """

    task: str
    prompt_tokens: int
    max_tokens: int | None = None
    cached_tokens: int = 0
    stream: bool = False
    wants_json: bool = False
    cached_by: str | None = None
    tool_tokens: int = 0
    image_tokens: int = 0
    audio_tokens: int = 0
    file_tokens: int = 0

    @property
    def parts(self) -> PromptParts:
        """The prompt's estimated tokens by part."""
        return PromptParts(self.prompt_tokens, self.tool_tokens, self.image_tokens, self.audio_tokens, self.file_tokens)


@quick_dataclass(frozen=True, slots=True)
class Steering:
    """Effect of a caller's instructions on the objective: multipliers in [0.1, 10].

    Candidates that they leave out are gone before the choice. `words` says both, for the reason given to the caller.
    """

    quality: float = 1.0
    cost: float = 1.0
    second: float = 1.0
    words: str = ""
    not_understood: tuple[str, ...] = ()


NO_STEERING = Steering()


class RuleMode(StrEnum):
    """What a rule does with the model that it names."""

    ALWAYS = "always"  # no other model, as long as it can serve the request
    PREFER = "prefer"  # some scores of 1 in advance, which scores of answers can overturn
    NEVER = "never"


@quick_dataclass(frozen=True, slots=True)
class AppliedRule:
    """A rule of the router that fits a request. `number` counts from 1; 0 is the default, for what no rule fits.

    `weight` is how many scores of 1 a preference counts for. `passed_over` says why its model can't serve the request
    now: the next rule that fits holds instead.
    """

    number: int
    mode: RuleMode
    model_id: str
    weight: float = 0.0
    when: str = ""
    passed_over: str = ""

    @property
    def chooses(self) -> bool:
        """Whether it can decide for its model: the first of these is in force."""
        return self.mode is not RuleMode.NEVER and not self.passed_over


def rule_in_force(rules: Sequence[AppliedRule]) -> AppliedRule | None:
    """The first rule that fits and whose model can serve the request; None without one."""
    return next((rule for rule in rules if rule.chooses), None)


@quick_dataclass(frozen=True, slots=True)
class Unpreferred:
    """What a choice would hold of a preferred model without the preference."""

    quality: float
    quality_deviation: float
    mean_usd: float
    deviation_usd: float


@quick_dataclass(frozen=True, slots=True)
class ArmView:
    """One candidate in a choice: expected values, deviations, and its probability after each step."""

    model_id: str
    mean_usd: float  # expected utility
    deviation_usd: float  # of the utility's posterior, temperature included
    quality: float
    quality_deviation: float
    scores: float  # weight of the scores behind the quality, in this class and others
    success: float
    validity: float
    cost_usd: float
    seconds: float
    low: float  # share bounds that held
    high: float
    p_best: float
    p_explored: float
    p: float
    index: float = 0.0  # what the policy compared, and its deviation: p_best is a function of these
    index_deviation: float = 0.0
    limited: bool = False  # over the latency limit or under the quality floor: kept to its exploration share
    newcomer: bool = False  # its share is capped until it is known
    seconds_known: bool = True  # the seconds come from this model's answers, here or in another router


@quick_dataclass(frozen=True, slots=True)
class Choice:
    """A distribution over candidates with all that it follows from: a replay needs nothing else.

    `arms` are sorted by model id. `left_out` names the models that were no candidates, and why.
    """

    algorithm: str
    policy: str
    router_id: str
    snapshot_at: float
    context: Context
    objective: Objective  # in dollars, steering applied
    price_multiplier: float  # 1 + λ, steering applied
    temperature: float
    exploration: float
    relaxed: bool  # the bounds of traffic shares could not all hold
    arms: tuple[ArmView, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    steering: Steering = NO_STEERING
    doubted: tuple[tuple[str, float], ...] = ()  # sources that users disagree with, and what is left of their weight
    rules: tuple[AppliedRule, ...] = ()  # those that fit, in order
    unpreferred: Unpreferred | None = None  # of the model that a rule prefers
    experiment: ExperimentView | None = None

    @property
    def rule(self) -> AppliedRule | None:
        """The rule in force."""
        return rule_in_force(self.rules)


@quick_dataclass(frozen=True, slots=True)
class Draw:
    """One arm drawn from a choice. `assignment` is the number that chose the part of an experiment.

    `randomised` False: a re-draw after a failure, a sticky conversation, or a part that leaves nothing to chance.
    """

    attempt: int
    u: float
    model_id: str
    propensity: float
    randomised: bool
    assignment: float | None = None


class Ending(StrEnum):
    """How an attempt ended; `bandit.learning.LESSONS` says whose fault it is and what is learned of it."""

    COMPLETE = "complete"
    CLIENT_GONE = "client_gone"
    TIMEOUT = "timeout"
    FAILED = "failed"  # 5xx, 408, connection lost, malformed answer
    CUT = "cut"  # the stream broke after its first content
    RATE_LIMITED = "rate_limited"
    MISCONFIGURED = "misconfigured"  # 401, 402, 403, 404: our key or our model name
    INCAPABLE = "incapable"  # an unsupported parameter, or the context length
    REJECTED = "rejected"  # the caller's own mistake


@quick_dataclass(frozen=True, slots=True)
class Attempt:
    """One call to one provider and its outcome. Times in seconds; tokens are None if they were not reported."""

    number: int
    model_id: str
    propensity: float
    randomised: bool
    ending: Ending
    started_at: float
    seconds: float
    stream: bool
    first_token_seconds: float | None = None
    status: int | None = None
    detail: str = ""
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    cached_tokens: int = 0
    completion_tokens: int | None = None
    cost_usd: float = 0.0
    estimated: bool = False  # tokens and cost are our estimate: booked, not learned
    cost_known: bool = True
    cost_stated: bool = False  # by the provider: not our count of tokens × price
    token_details: Mapping[str, int] = field(default_factory=dict)  # what else of the tokens is billed apart


@quick_dataclass(frozen=True, slots=True)
class Scores:
    """The current scores of one completion, by source, with the key of its statistics."""

    router_id: str
    model_id: str
    task: str
    at: float  # the response's end
    by_source: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)  # of sources that weigh less than 1

    def mean(self) -> float | None:
        """The completion's one score: the weighted mean over its sources; None without a source."""
        if not self.by_source:
            return None
        if not self.weights:
            return sum(self.by_source.values()) / len(self.by_source)
        weights = {source: self.weights.get(source, 1.0) for source in self.by_source}
        return sum(weights[source] * score for source, score in self.by_source.items()) / sum(weights.values())

    def without(self, source: str) -> "Scores":
        """The same without one source's score."""
        return replace(self, by_source={name: score for name, score in self.by_source.items() if name != source})

    def weight(self) -> float:
        """How much the one score weighs: as its heaviest source, so that another source never takes weight away."""
        return max((self.weights.get(source, 1.0) for source in self.by_source), default=0.0)
