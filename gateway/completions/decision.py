"""Decides which model answers a request: what it needs, what the caller wishes, and the draw."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from bandit.assignment import assign, draw_assigned
from bandit.buckets import bucketed
from bandit.draws import draw_from
from bandit.experiment import Experiment, Unit
from bandit.quick import quick_dataclass
from bandit.types import NO_STEERING, Choice, Context, Draw, Epoch, LoopTime
from gateway.catalog.catalog import Model
from gateway.completions.affording import affordable_models
from gateway.completions.agreeing import agreeing
from gateway.completions.allowing import models_of_key, require_room
from gateway.completions.doubts import doubts_of, least_doubtful
from gateway.completions.plain import FORWARDED_BY_ALL
from gateway.completions.request import CompletionRequest, conversation_of
from gateway.completions.ruling import NO_RULES, fitting_rules, ruled
from gateway.errors import NoCapableModel, NoEnabledModels
from gateway.instructions import Interpretation, interpret
from gateway.limits.allowance import KeyAllowance
from gateway.providers.upstream.provider import Provider
from gateway.routing.cooldowns import Cooldowns
from gateway.routing.model_states import ModelStates
from gateway.routing.published import CachedChoice, Published
from gateway.routing.router import LiveRouter
from gateway.tasks.call_sites import is_call_site
from gateway.tasks.classifier import classify, is_long
from gateway.tasks.prompt_parts import estimate_parts, estimate_text
from storage.records import KeyRecord

NO_MODELS: tuple[str, ...] = ()


class NoModelAvailable(Exception):
    """Every model that could serve the request is cooling down; `reasons` says why, by model."""

    def __init__(self, reasons: Mapping[str, str], models: tuple[str, ...]) -> None:
        super().__init__("; ".join(f"{model_id}: {why}" for model_id, why in sorted(reasons.items())))
        self.models = models
        self.reasons = reasons


@quick_dataclass(frozen=True, slots=True)
class Decision:
    """The decision for one request, and what it was made from.

    `reserve` are the models to try after the choice's own, the least doubtful first: they have refused something of it
    lately, or it is estimated to be too long for them.
    """

    completion_id: str
    at: Epoch
    router: LiveRouter
    request: CompletionRequest
    published: Published
    context: Context
    estimated_prompt_tokens: int  # of all parts, by their sizes
    cached: CachedChoice
    draw: Draw
    expected_usd: float  # cost of the drawn model's answer
    conversation: bytes | None  # None: the caller does not tell them apart
    reserve: tuple[str, ...] = NO_MODELS

    @property
    def expected_tokens(self) -> float:
        """Estimated tokens of the prompt, and `max_tokens`, else what the drawn model is expected to answer with."""
        if self.request.max_tokens is not None:
            return float(self.estimated_prompt_tokens + self.request.max_tokens)
        snapshot = self.published.snapshot
        answer = snapshot.completion_tokens(self.context.task)[0][snapshot.rows[self.draw.model_id]]
        return self.estimated_prompt_tokens + answer


def decide(
    completion_id: str,
    router: LiveRouter,
    request: CompletionRequest,
    providers: Mapping[str, Provider],
    model_states: ModelStates,
    allowance: KeyAllowance | None,
    key: KeyRecord,
    stated: str | None,
    now: Epoch,
    loop_time: LoopTime,
) -> Decision:
    """Choose a model. `stated` is the task that the caller states.

    What models have refused before orders the candidates but never empties the list: the choice is among the least
    doubtful models that are available, and if all are cooling down, one of them is the last resort. Of the router's
    rules, those that exclude a model narrow the list, and the first other one whose model is a candidate then is in
    force. `allowance` is what the API key may still use. Raises NoEnabledModels, NoCapableModel, BudgetExhausted,
    NoModelAvailable, RateLimitExceeded, InsufficientScope.
    """
    cooldowns = model_states.cooldowns
    if not router.models:
        raise NoEnabledModels(f"router {router.id} has no enabled model", should_retry=False)
    task = _task(router, request, stated, now)
    parts = estimate_parts(request.features)
    estimated_prompt_tokens = sum(parts)
    able, left_out = _capable_models(router, request, providers)
    if allowance is not None:
        able = models_of_key(allowance, router.models, able, left_out)
    fitting, able = (
        (NO_RULES, able)
        if router.rules is None
        else fitting_rules(
            router.rules, router, request, able, left_out, stated=stated, task=task, key=key.label, now=now
        )
    )
    ready = _available(router, able, cooldowns, loop_time)
    steering, max_usd = NO_STEERING, request.routing.max_usd
    if request.routing.instructions and router.options.instructions:
        read = interpret(request.routing.instructions).apply(
            classify(request.features) if is_call_site(task) else task,
            is_long(request.features),
            request.features.tools,
            tuple(router.models),
            ready,
        )
        steering, able = read.steering, _allowed_models(read, able, left_out)
        max_usd = min((usd for usd in (max_usd, read.max_usd) if usd is not None), default=None)
    conversation = conversation_of(request.fields, router.secret)
    kept = router.sticky.kept(conversation, loop_time) if router.sticky and conversation is not None else None
    context = bucketed(
        task,
        parts,
        max_tokens=request.max_tokens,
        stream=request.stream,
        wants_json=request.features.wants_json,
        cached_tokens=kept.cached_tokens if kept else 0,
        cached_by=kept.model_id if kept else None,
    )
    published = router.published(now, loop_time)
    if allowance is not None and allowance.counts_tokens:
        require_room(allowance, published.snapshot, context, able, estimated_prompt_tokens, request.max_tokens, now)
    limited = router.spend.limit_usd is not None or (allowance is not None and allowance.spending.is_limited)
    if max_usd is not None or limited:
        able = affordable_models(
            able, published.snapshot.costs_usd(context), max_usd, router.spend, now, left_out, allowance
        )
    if ready != able:
        ready = _still_ready(router, ready, able, cooldowns, loop_time, left_out)
    candidates, reserve = ready, NO_MODELS
    doubts = doubts_of(router, request, providers, estimated_prompt_tokens, ready, model_states.holds, loop_time)
    if doubts:
        candidates, reserve = least_doubtful(ready, doubts, left_out)
    reasons = tuple(sorted(left_out.items()))
    rules = ruled(fitting, candidates, left_out) if fitting else NO_RULES
    experiment = router.settings.experiment
    if experiment is None:
        cached = published.choose(context, candidates, steering, reasons, rules)
        drawn = draw_from(cached.intervals, router.secret, completion_id)
    else:
        part, u = assign(experiment, router.secret, _unit(experiment, request, key.id, completion_id))
        cached = published.choose(context, candidates, steering, reasons, rules, part)
        drawn = draw_assigned(cached.choice, router.secret, completion_id, u)
    drawn = drawn if kept is None else _sticky_draw(cached.choice, drawn, kept.model_id)
    return Decision(
        completion_id=completion_id,
        at=now,
        router=router,
        request=request,
        published=published,
        context=context,
        estimated_prompt_tokens=estimated_prompt_tokens,
        cached=cached,
        draw=drawn,
        expected_usd=cached.costs_usd[drawn.model_id],
        conversation=conversation,
        reserve=reserve,
    )


def _task(router: LiveRouter, request: CompletionRequest, stated: str | None, now: Epoch) -> str:
    """The class of the request's statistics: the stated one, that of its call site, or the classifier's."""
    if stated:
        return router.tasks.use(stated, now)
    site = request.call_site
    if site is not None and router.knows_call_sites and site.key in router.tasks:
        return router.tasks.use(site.key, now)
    return classify(request.features)


def decide_plainly(
    completion_id: str,
    router: LiveRouter,
    request: CompletionRequest,
    model_states: ModelStates,
    now: Epoch,
    loop_time: LoopTime,
) -> Decision | None:
    """As `decide` of a plain request that all models of a plain router can serve, in few steps; else None.

    Its API key has no limits.
    """
    features, max_tokens = request.features, request.max_tokens
    text_tokens = estimate_text(features)
    if not (
        router.is_plain
        and router.spend.limit_usd is None
        and model_states.cooldowns.are_none
        and model_states.holds.are_none
        and router.takes_everywhere(text_tokens, max_tokens or 0)
    ):
        return None
    task = classify(features) if request.call_site is None else _task(router, request, None, now)
    published = router.published(now, loop_time)
    cached = published.choose_plainly(task, text_tokens, max_tokens, request.stream, router.arm_ids)
    draw = draw_from(cached.intervals, router.secret, completion_id)
    return Decision(
        completion_id=completion_id,
        at=now,
        router=router,
        request=request,
        published=published,
        context=cached.choice.context,
        estimated_prompt_tokens=text_tokens,
        cached=cached,
        draw=draw,
        expected_usd=cached.costs_usd[draw.model_id],
        conversation=None,
    )


def _unit(experiment: Experiment, request: CompletionRequest, key_id: str, completion_id: str) -> str:
    """What an experiment assigns: the caller's user, else the API key; or each request apart."""
    if experiment.unit == Unit.REQUEST:
        return completion_id
    user = request.user if experiment.unit == Unit.USER else None
    return f"user {user}" if user else f"key {key_id}"


def _available(router: LiveRouter, able: tuple[str, ...], cooldowns: Cooldowns, loop_time: LoopTime) -> tuple[str, ...]:
    """Those of the arms whose models a request may be sent to: variants share their model's breaker."""
    if not router.variants:
        return cooldowns.available_among(able, loop_time)
    return tuple([id_ for id_ in able if cooldowns.available(router.models[id_].id, loop_time)])


def _still_ready(
    router: LiveRouter,
    ready: tuple[str, ...],
    able: tuple[str, ...],
    cooldowns: Cooldowns,
    loop_time: LoopTime,
    left_out: dict[str, str],
) -> tuple[str, ...]:
    """The able arms that are not cooling down, else those of one model that is. Raises NoModelAvailable."""
    still = tuple([id_ for id_ in ready if id_ in able]) or _last_resort(router, able, cooldowns, loop_time)
    unready = [id_ for id_ in able if id_ not in still]
    left_out.update({id_: cooldowns.reason(router.models[id_].id, loop_time) or "" for id_ in unready})
    return still


def _last_resort(
    router: LiveRouter, able: tuple[str, ...], cooldowns: Cooldowns, loop_time: LoopTime
) -> tuple[str, ...]:
    """The arms of the one model to probe if all are cooling down. Raises NoModelAvailable."""
    models = tuple(dict.fromkeys(router.models[id_].id for id_ in able))
    last_resort = cooldowns.claim_last_resort(models, loop_time)
    if last_resort is None:
        raise NoModelAvailable({model_id: cooldowns.reason(model_id, loop_time) or "" for model_id in models}, models)
    return tuple([id_ for id_ in able if router.models[id_].id == last_resort])


def _sticky_draw(choice: Choice, drawn: Draw, model_id: str) -> Draw:
    """The draw of a conversation's own model if that is a candidate. Not randomised, so of no use for evaluation."""
    for arm in choice.arms:
        if arm.model_id == model_id and arm.high > 0.0:  # else a rule demands another one
            return replace(drawn, model_id=arm.model_id, propensity=arm.p, randomised=False)
    return drawn


def _capable_models(
    router: LiveRouter, request: CompletionRequest, providers: Mapping[str, Provider]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The models that can do what the request needs, and the reasons of the others."""
    special = request.fields.keys() - FORWARDED_BY_ALL
    left_out: dict[str, str] = {}
    if not special and not request.needs:
        able = tuple(router.models)
        return (agreeing(router, request.fields, able, left_out) if router.variants else able), left_out
    for arm_id, model in router.models.items():
        why = _missing_abilities(model, request.needs) or _unsupported_fields(providers[model.provider], special)
        if why:
            left_out[arm_id] = why
    able = tuple(model_id for model_id in router.models if model_id not in left_out)
    if not able:
        raise NoCapableModel(
            "no enabled model can serve this request: "
            + "; ".join(f"{model_id} {why}" for model_id, why in sorted(left_out.items()))
        )
    return (agreeing(router, request.fields, able, left_out) if router.variants else able), left_out


def _missing_abilities(model: Model, needs: frozenset[str]) -> str | None:
    lacking = needs - model.abilities
    return "lacks " + ", ".join(sorted(lacking)) if lacking else None


def _unsupported_fields(provider: Provider, fields: Collection[str]) -> str | None:
    unknown = [field for field in fields if not provider.knows(field)]
    return "can't be sent " + ", ".join(sorted(unknown)) if unknown else None


def _allowed_models(read: Interpretation, able: tuple[str, ...], left_out: dict[str, str]) -> tuple[str, ...]:
    """The capable models that the instructions allow. Raises NoCapableModel."""

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
