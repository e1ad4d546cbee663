"""What the API says of one recorded decision in full."""

from typing import Literal

from pydantic import BaseModel, JsonValue

from gateway.management.decisions import DecisionFields
from gateway.management.routers import ObjectiveView


class DecisionContext(BaseModel):
    """What the choice depended on of the request: lengths are buckets, tokens are estimates before it was sent."""

    task: str
    prompt_tokens: int
    tool_tokens: int
    image_tokens: int
    audio_tokens: int
    file_tokens: int
    cached_tokens: int
    cached_by: str | None
    max_tokens: int | None
    stream: bool
    wants_json: bool


class WorthView(BaseModel):
    """What an answer is worth, less what it costs: mean and deviation of the posterior that was drawn from."""

    mean: float
    deviation: float


class CandidateView(BaseModel):
    """A model that could be drawn: what was expected of it, and its probability.

    `scores` is the weight of the scores behind its quality. `limited`: it was over the latency limit or under the
    quality floor. `newcomer`: its share was capped, as little was known.
    """

    model: str
    probability: float
    p_best: float
    quality: float
    quality_deviation: float
    success: float
    cost_usd: float
    seconds: float
    worth_usd: WorthView
    scores: float
    limited: bool
    newcomer: bool


class RuleView(BaseModel):
    """A rule of the router that the request fits. `number` 0 is the default.

    `weight` is that of a preference. `passed_over` says why its model could not serve; one rule at most is in force.
    """

    number: int
    mode: Literal["always", "prefer", "never"]
    model: str
    weight: float
    when: str
    passed_over: str
    in_force: bool


class LeftOutView(BaseModel):
    """A model that was no candidate, and why."""

    model: str
    why: str


class AttemptView(BaseModel):
    """A call of a model. `detail` is the provider's error message, `token_details` what else was billed apart."""

    number: int
    model: str
    probability: float
    randomised: bool
    ending: str
    started_at: float
    seconds: float
    first_token_seconds: float | None
    http_status: int | None
    detail: str
    finish_reason: str | None
    prompt_tokens: int | None
    cached_tokens: int
    completion_tokens: int | None
    token_details: dict[str, int]
    cost_usd: float
    cost_known: bool
    cost_stated: bool
    estimated: bool


class FeedbackView(BaseModel):
    """A score, by whose API key it was given."""

    id: str
    at: float
    source: str
    score: float
    comment: str | None
    metadata: dict[str, JsonValue] | None
    api_key_id: str
    api_key_label: str | None


class LessonView(BaseModel):
    """What was learned of a model, and when."""

    at: float
    model: str
    what: str


class ReplayView(BaseModel):
    """The choice computed again from its record.

    `drawn_again`: whether the random number follows from the router's secret; null: nothing was drawn, or it is gone.
    """

    identical: bool
    model: str
    largest_difference: float
    drawn_again: bool | None
    verdict: str


class ShadowScoreView(BaseModel):
    """A second model that was asked the same in the background, and the judge's score of its answer."""

    model: str
    score: float


class ContentView(BaseModel):
    """Prompt and answer as they were sent, which only routers with `store_content` keep."""

    request: str
    answer: str


class DecisionView(DecisionFields):
    """A decision in full: what was known, what was drawn, what happened, and what was learned.

    `u` is the random number that drew; `objective` in dollars, with the caller's instructions applied. `choice` is the
    record that is replayed, by its own names. Deprecated: the fields beside it say the same.
    """

    context: DecisionContext
    instructions: str | None
    objective: ObjectiveView
    price_multiplier: float
    temperature: float
    exploration: float
    snapshot_at: float
    candidates: list[CandidateView]
    left_out: list[LeftOutView]
    rules: list[RuleView]
    u: float
    attempts: list[AttemptView]
    ended_at: float
    overhead_seconds: float
    cached_tokens: int
    estimated: bool
    finish_reason: str | None
    valid: bool | None
    feedback: list[FeedbackView]
    learned: list[LessonView]
    shadow: ShadowScoreView | None
    replay: ReplayView
    choice: dict[str, JsonValue]
    content: ContentView | None
