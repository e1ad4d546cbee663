"""The records that the ledger writes and reads: frozen values, without rows or sessions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bandit.quick import quick_dataclass
from bandit.statistics import Deltas
from bandit.types import Attempt, Epoch, Json, Scores


@dataclass(frozen=True, slots=True)
class RouterRecord:
    """A stored router. `settings` are the gateway's (policy, objective, limits); `secret` is the key of the draws.

    `revision` counts its changes: the store sets it. `declared` are the fields that the configuration file sets, each
    with its line. `eval_ids` are the scorecards that count for it; None: all that apply to it.
    """

    id: str
    name: str
    secret: bytes
    settings: Mapping[str, Json]
    models: tuple["RouterModel", ...]
    created_at: float
    updated_at: float
    deleted_at: float | None = None
    revision: int = 1
    declared: Mapping[str, int] = field(default_factory=dict)
    eval_ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Variant:
    """Settings with which a router calls a model. `name` is what follows the model's id and `@` in the arm's id.

    `thinking` and `tier` None: nothing is said of them. `params` are fields of the request, each with its value as
    JSON, sorted by name.
    """

    name: str
    thinking: str | None = None
    tier: str | None = None
    params: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RouterModel:
    """An arm of a router: a model, or a variant of it. A disabled one keeps its statistics.

    `unreadable` is a stored variant that this version can't read: it is kept as it is, and `model_id` is the arm's id.
    """

    model_id: str
    enabled: bool = True
    min_share: float = 0.0
    max_share: float = 1.0
    variant: Variant | None = None
    unreadable: str | None = None

    @property
    def arm_id(self) -> str:
        """Its id wherever decisions and statistics are told: the model's, for a variant followed by its name."""
        return self.model_id if self.variant is None else f"{self.model_id}@{self.variant.name}"


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What an API key may use; None: without a limit. Days and months are those of UTC."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    usd_per_day: float | None = None
    usd_per_month: float | None = None
    models: tuple[str, ...] | None = None
    tasks: tuple[str, ...] | None = None

    def allow(self, arm_id: str, model_id: str) -> bool:
        """Whether the key may use an arm: it is named, or its model is."""
        return self.models is None or arm_id in self.models or model_id in self.models


NO_LIMITS = KeyLimits()


@quick_dataclass(frozen=True, slots=True)
class KeyRecord:
    """An API key without its secret, of which only the SHA-256 is stored. `routers` None: all of them.

    `prefix` are the secret's first characters, None for keys of older versions. `created_by` is the id of the key that
    made this one; None: the command line, or the gateway's first start.
    """

    id: str
    hash: str
    label: str
    scopes: tuple[str, ...]
    routers: tuple[str, ...] | None
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    prefix: str | None = None
    created_by: str | None = None
    limits: KeyLimits = NO_LIMITS


class Status(StrEnum):
    """How a request ended."""

    ANSWERED = "answered"
    PARTIAL = "partial"  # content was sent, then the client left or the stream broke
    CLIENT_GONE = "client_gone"  # before any content
    FAILED = "failed"
    REJECTED = "rejected"  # the caller's own mistake, told by the provider


@quick_dataclass(frozen=True, slots=True)
class DecisionRecord:
    """The first draw of a request. `choice` is the choice's record, shared by all decisions drawn from it."""

    completion_id: str  # req_…
    router_id: str
    key_id: str
    at: Epoch
    choice_digest: str
    choice: bytes
    algorithm: str
    policy: str
    task: str
    drawn_model_id: str
    u: float
    propensity: float
    randomised: bool
    stream: bool
    estimated_prompt_tokens: int
    request_bytes: int
    instructions: str | None = None
    episode_id: str | None = None  # the key's own
    explored: bool = False  # drawn at random, although another model was better by the mean
    judge_probability: float | None = None  # with which its answer is drawn to be judged; None: there is no judge
    shadow_probability: float | None = None  # with which a second model is asked too; None: none is
    conversation: str | None = None  # 16 hexadecimal digits, the same for all its turns in this router
    experiment: str | None = None  # digest of the experiment's policies, shares and unit
    assignment: float | None = None  # the number that assigned the unit to its policy: the same for all its requests


@quick_dataclass(frozen=True, slots=True)
class OutcomeRecord:
    """The outcome of a request, over all its attempts. `ended_at` is the event time of learning."""

    status: Status
    ended_at: Epoch  # the response's end
    seconds: float
    overhead_seconds: float
    model_id: str | None  # the model that answered
    attempts: int
    prompt_tokens: int | None
    cached_tokens: int
    completion_tokens: int | None
    cost_usd: float
    estimated: bool
    finish_reason: str | None
    reason: str
    http_status: int
    error_code: str | None = None
    valid: bool | None = None  # whether a structured answer matches the requested schema; None: not checked


@quick_dataclass(frozen=True, slots=True)
class Content:
    """Prompt and answer, stored only if the router has `store_content`."""

    request: bytes
    answer: bytes


@quick_dataclass(frozen=True, slots=True)
class CompletionRecord:
    """A request with its attempts, outcome and deltas, which are written in one transaction."""

    decision: DecisionRecord
    attempts: tuple[Attempt, ...]
    outcome: OutcomeRecord
    deltas: Deltas
    content: Content | None = None


@dataclass(frozen=True, slots=True)
class ValidityRecord:
    """Whether a structured answer matches the requested schema: checked after the outcome was written.

    `deltas` are at the outcome's instant. Only an outcome's first such record counts.
    """

    completion_id: str  # req_…
    valid: bool
    deltas: Deltas


class Purpose(StrEnum):
    """Why a model was called beside all requests."""

    JUDGE = "judge"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class JudgingRecord:
    """A call of a judge, or of a model in the shadow: no part of any request. `scored`: it gave a score."""

    router_id: str
    purpose: Purpose
    model_id: str
    at: Epoch
    scored: bool
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float


@dataclass(frozen=True, slots=True)
class FeedbackRecord:
    """A score for a completion, or for all completions of an episode of the key's own.

    `score` is in [0, 1], or (`on_own_scale`) on the scale of the router that answered.

    `any_key` True: it may score completions of other keys, on `routers` (None: all).
    """

    id: str  # fbk_…
    completion_id: str  # req_…; "" if an episode is scored
    key_id: str
    any_key: bool
    routers: tuple[str, ...] | None
    source: str
    score: float
    at: float
    comment: str | None = None
    metadata: Mapping[str, Json] | None = None
    episode_id: str | None = None
    on_own_scale: bool = False


@dataclass(frozen=True, slots=True)
class ComparisonRecord:
    """A judge's scores, in [0, 1], of an answer and of a second model's to the same request: both are written or none.

    `feedback` is that of the answer; `model_id` and `score` are the second model's, whose answer nobody got.
    """

    feedback: FeedbackRecord
    model_id: str
    score: float


class FeedbackStatus(StrEnum):
    """The effect of a feedback."""

    RECORDED = "recorded"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class FeedbackReceipt:
    """A completion's score that is committed. `index`: of the feedback in its list, which may score an episode."""

    index: int
    id: str
    completion_id: str
    router_id: str
    model_id: str
    source: str
    score: float
    status: FeedbackStatus


class Via(StrEnum):
    """The way on which somebody changed something."""

    API = "api"
    DASHBOARD = "dashboard"
    CLI = "cli"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something. `key_id` None: whoever may run the command line or write the configuration file."""

    via: Via
    key_id: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One change of a router, key, scorecard or model. `before` and `after` hold the changed fields alone.

    `reverts` is the id of the change that this one takes back; it is kept as that one's `reverted_by`. `forecast` is
    what was expected of it.
    """

    id: str  # chg_…
    at: float
    actor: Actor
    action: str  # such as router.update
    target: str
    before: Mapping[str, Json] = field(default_factory=dict)
    after: Mapping[str, Json] = field(default_factory=dict)
    reverted_by: str | None = None
    reverts: str | None = None
    forecast: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class Shadow:
    """A second model that was asked the same in the background, and the judge's score of its answer."""

    model_id: str
    score: float


@dataclass(frozen=True, slots=True)
class DecisionView:
    """One recorded request, for `explain`, replay and the management API.

    `scores` are the current ones, of which the feedback is the history. `learned` is what its outcome added to the
    statistics, as `storage.deltas` encodes it.
    """

    decision: DecisionRecord
    attempts: tuple[Attempt, ...]
    outcome: OutcomeRecord
    feedback: tuple[FeedbackRecord, ...]
    scores: Scores
    learned: str = "{}"
    shadow: Shadow | None = None
