"""From a request to a decision: which models can serve it, what the caller wishes, and which arm is drawn."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bandit.buckets import bucketed
from bandit.decision import draw
from bandit.types import NO_STEERING, Choice, Context, Draw, Epoch, LoopTime
from gateway.catalog.catalog import Model
from gateway.completions.request import CompletionRequest, Fields, conversation_of
from gateway.errors import BudgetExhausted, NoCapableModel, NoEnabledModels
from gateway.instructions import Interpretation, interpret
from gateway.providers.upstream.provider import Provider
from gateway.routing.cooldowns import Cooldowns
from gateway.routing.daily_spend import DailySpend
from gateway.routing.router import LiveRouter, Published, Weighed
from gateway.tasks.classifier import classify
from gateway.tasks.prompt_parts import estimate_parts

FORWARDED_BY_ALL = frozenset(
    {"messages", "stream", "stream_options", "temperature", "top_p", "max_tokens", "max_completion_tokens", "stop"}
)
"""Fields that every kind of provider translates; other fields are asked about."""


class NoModelAvailable(Exception):
    """Every model that could serve the request is cooling or parked; `reasons` says why, by model."""

    def __init__(self, reasons: Mapping[str, str], models: tuple[str, ...]) -> None:
        super().__init__("; ".join(f"{model_id}: {why}" for model_id, why in sorted(reasons.items())))
        self.models = models
        self.reasons = reasons


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided for one request, and on what grounds."""

    completion_id: str
    at: Epoch
    router: LiveRouter
    request: CompletionRequest
    published: Published
    context: Context
    estimated_prompt_tokens: int  # of all parts, by their sizes
    weighed: Weighed
    draw: Draw
    conversation: bytes | None  # where the router keeps a conversation's model

    @property
    def expected_usd(self) -> float:
        """What the drawn arm's answer is expected to cost."""
        return next(arm.cost_usd for arm in self.weighed.choice.arms if arm.model_id == self.draw.model_id)


def decide(
    completion_id: str,
    router: LiveRouter,
    request: CompletionRequest,
    providers: Mapping[str, Provider],
    cooldowns: Cooldowns,
    now: Epoch,
    loop_time: LoopTime,
) -> Decision:
    """Choose a model.

    Raises NoEnabledModels, NoCapableModel, BudgetExhausted, NoModelAvailable.
    """
    if not router.models:
        raise NoEnabledModels(f"router {router.id} has no enabled model", should_retry=False)
    classes = classify(request.features)
    task = request.task(router.options.task_metadata_key) or classes.task
    parts = estimate_parts(request.features)
    estimated_prompt_tokens = sum(parts)
    able, left_out = _capable_models(router, request, estimated_prompt_tokens, providers, cooldowns, loop_time)
    candidates = tuple(model_id for model_id in able if cooldowns.available(model_id, loop_time))
    steering, max_usd = NO_STEERING, request.routing.max_usd
    if request.routing.instructions and router.options.instructions:
        read = interpret(request.routing.instructions).apply(
            task, classes.long, request.features.tools, tuple(router.models), candidates
        )
        steering, able = read.steering, _allowed_models(read, able, left_out)
        max_usd = min((usd for usd in (max_usd, read.max_usd) if usd is not None), default=None)
    conversation = conversation_of(request.fields) if router.sticky else None
    kept = router.sticky.kept(conversation, now) if router.sticky and conversation is not None else None
    context = bucketed(
        task,
        parts,
        max_tokens=request.max_tokens,
        stream=request.stream,
        wants_json=request.features.wants_json,
        cached_tokens=kept.cached_tokens if kept else 0,
        cached_by=kept.model_id if kept else None,
    )
    published = router.published(now)
    if max_usd is not None or router.spend.limit_usd is not None:
        costs = published.snapshot.costs_usd(context)
        able = _affordable_models(able, costs, max_usd, router.spend, now, left_out)
    candidates = tuple(model_id for model_id in candidates if model_id in able)
    if not candidates:
        raise NoModelAvailable({model_id: cooldowns.reason(model_id, loop_time) or "" for model_id in able}, able)
    left_out.update({id_: cooldowns.reason(id_, loop_time) or "" for id_ in able if id_ not in candidates})
    weighed = published.weigh(context, candidates, steering, tuple(sorted(left_out.items())))
    drawn = draw(weighed.choice, router.secret, completion_id)
    if kept is not None:
        drawn = _sticky_draw(weighed.choice, drawn, kept.model_id)
    return Decision(
        completion_id=completion_id,
        at=now,
        router=router,
        request=request,
        published=published,
        context=context,
        estimated_prompt_tokens=estimated_prompt_tokens,
        weighed=weighed,
        draw=drawn,
        conversation=conversation,
    )


def _affordable_models(
    able: tuple[str, ...],
    costs: Mapping[str, float],
    max_usd: float | None,
    spend: DailySpend,
    now: Epoch,
    left_out: dict[str, str],
) -> tuple[str, ...]:
    """The models whose expected cost fits into the request's limit and what is left of the day's.

    Raises BudgetExhausted if none does; a free model always fits.
    """
    left_usd = spend.left_usd(now)
    limit_usd = left_usd if max_usd is None else min(left_usd, max_usd)
    affordable = tuple(model_id for model_id in able if costs[model_id] <= limit_usd)
    if not affordable:
        cheapest = min(able, key=lambda model_id: costs[model_id])
        expected = f"{cheapest}, the cheapest that can serve this request, is expected to cost ${costs[cheapest]:.2g}"
        if left_usd <= limit_usd:
            raise BudgetExhausted(
                f"${left_usd:.2g} are left of the router's ${spend.limit_usd:g} for this UTC day, and {expected}; it "
                "serves again at midnight UTC",
                should_retry=False,
            )
        raise BudgetExhausted(f"this request may cost ${max_usd:g}, and {expected}", should_retry=False)
    over = [model_id for model_id in able if model_id not in affordable]
    left_out.update({id_: f"is expected to cost ${costs[id_]:.2g}, more than ${limit_usd:.2g}" for id_ in over})
    return affordable


def _sticky_draw(choice: Choice, drawn: Draw, model_id: str) -> Draw:
    """The draw of a conversation's own model while it is a candidate: not randomised, so no off-policy estimate."""
    for arm in choice.arms:
        if arm.model_id == model_id:
            return replace(drawn, model_id=arm.model_id, propensity=arm.p, randomised=False)
    return drawn


def _capable_models(
    router: LiveRouter,
    request: CompletionRequest,
    estimated_prompt_tokens: int,
    providers: Mapping[str, Provider],
    cooldowns: Cooldowns,
    loop_time: LoopTime,
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The models that can do what the request needs, and why each of the others can't."""
    special = [field for field in request.fields if field not in FORWARDED_BY_ALL]
    tokens = estimated_prompt_tokens + (request.max_tokens or 0)
    left_out: dict[str, str] = {}
    for model in router.models.values():
        why = (
            _missing_abilities(model, request.needs)
            or _context_exceeded(model, cooldowns.context_limit(model.id, loop_time), tokens)
            or _unsupported_fields(providers[model.provider], special)
            or _fields_refused_before(cooldowns.incapable_fields(model.id, loop_time), request.fields)
        )
        if why:
            left_out[model.id] = why
    able = tuple(model_id for model_id in router.models if model_id not in left_out)
    if not able:
        raise NoCapableModel(
            "no enabled model can serve this request: "
            + "; ".join(f"{model_id} {why}" for model_id, why in sorted(left_out.items()))
        )
    return able, left_out


def _missing_abilities(model: Model, needs: frozenset[str]) -> str | None:
    lacking = needs - model.abilities
    return "lacks " + ", ".join(sorted(lacking)) if lacking else None


def _context_exceeded(model: Model, stated_limit: int | None, tokens: int) -> str | None:
    limits = [limit for limit in (model.context_window, stated_limit) if limit is not None]
    if limits and tokens > min(limits):
        return f"has a context of {min(limits)} tokens, and about {tokens} are needed"
    return None


def _unsupported_fields(provider: Provider, fields: list[str]) -> str | None:
    unknown = [field for field in fields if not provider.knows(field)]
    return "can't be sent " + ", ".join(sorted(unknown)) if unknown else None


def _fields_refused_before(refused: frozenset[str], fields: Fields) -> str | None:
    again = refused & fields.keys() if refused else refused
    return "refused " + ", ".join(sorted(again)) + " within the hour" if again else None


def _allowed_models(read: Interpretation, able: tuple[str, ...], left_out: dict[str, str]) -> tuple[str, ...]:
    """The able models that the instructions allow. Raises NoCapableModel."""

    def is_allowed(model_id: str) -> bool:
        return (read.allowed is None or model_id in read.allowed) and model_id not in read.forbidden

    remaining = tuple(model_id for model_id in able if is_allowed(model_id))
    if not remaining:
        others = "; ".join(f"{model_id} {why}" for model_id, why in sorted(left_out.items()) if is_allowed(model_id))
        raise NoCapableModel(
            "the instructions leave no model to choose from" + (f": {others}" if others else ""),
            param="routing.instructions",
        )
    left_out.update({model_id: "excluded by the instructions" for model_id in able if model_id not in remaining})
    return remaining
