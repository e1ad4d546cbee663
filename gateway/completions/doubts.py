"""Doubts whether a model accepts a request after all: what was refused lately, and limits that it may exceed."""

from collections.abc import Mapping

from bandit.types import LoopTime
from gateway.catalog.catalog import Model
from gateway.completions.request import CompletionRequest
from gateway.providers.upstream.provider import Provider
from gateway.routing.holds import ESTIMATED, STATED, Doubt, Holds
from gateway.routing.router import LiveRouter


def doubts_of(
    router: LiveRouter,
    request: CompletionRequest,
    providers: Mapping[str, Provider],
    estimated_prompt_tokens: int,
    model_ids: tuple[str, ...],
    holds: Holds,
    loop_time: LoopTime,
) -> dict[str, Doubt]:
    """The models that may not accept this request after all, each with the reason."""
    if (
        holds.are_none
        and not request.features.images
        and router.takes_everywhere(estimated_prompt_tokens, request.max_tokens or 0)
    ):
        return {}  # the usual case, in few steps
    tokens = estimated_prompt_tokens + (request.max_tokens or 0)
    doubts: dict[str, Doubt] = {}
    for model_id in model_ids:
        model, variant = router.models[model_id], router.variants.get(model_id)
        fields = request.fields if variant is None else variant.fields(request.fields)
        doubt = (
            holds.doubt(model_id, fields, tokens, loop_time)
            or _limit_exceeded(model, providers[model.provider], request)
            or _context_exceeded(model, tokens)
        )
        if doubt is not None:
            doubts[model_id] = doubt
    return doubts


def least_doubtful(
    ready: tuple[str, ...], doubts: Mapping[str, Doubt], left_out: dict[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The models of the least doubt, and the others in the order in which they are asked after these."""
    weights = {model_id: doubts[model_id].weight if model_id in doubts else 0 for model_id in ready}
    least = min(weights.values())
    candidates = tuple([model_id for model_id, weight in weights.items() if weight == least])
    rest = [model_id for model_id, weight in weights.items() if weight != least]
    left_out.update({model_id: f"is asked last: it {doubts[model_id].why}" for model_id in rest})
    return candidates, tuple(sorted(rest, key=lambda model_id: doubts[model_id]))


def _context_exceeded(model: Model, tokens: int) -> Doubt | None:
    window = model.context_window
    if window is None or tokens <= window:
        return None
    return Doubt(ESTIMATED, f"has a context of {window} tokens, and about {tokens} are needed")


def _limit_exceeded(model: Model, provider: Provider, request: CompletionRequest) -> Doubt | None:
    """Whether the request exceeds a known limit: of the model's answers, or on images at its kind of provider."""
    asked, limit = request.max_tokens, model.output_limit
    if asked is not None and limit is not None and asked > limit:
        return Doubt(STATED, f"answers with at most {limit} tokens, and {asked} are asked for")
    most = provider.max_image_bytes
    if most is not None and request.features.images and request.size > most < request.largest_image_bytes():
        return Doubt(STATED, f"takes images of at most {most / 2**20:g} MB in base64, and one is larger")
    return None
