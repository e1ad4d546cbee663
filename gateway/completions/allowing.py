"""What the limits of a request's API key allow: which models, and whether there is room for its tokens."""

from collections.abc import Mapping

from bandit.posteriors.snapshot import Snapshot
from bandit.types import Context, Epoch
from gateway.catalog.catalog import Model
from gateway.errors import InsufficientScope, NoCapableModel
from gateway.limits.allowance import KeyAllowance


def models_of_key(
    allowance: KeyAllowance, models: Mapping[str, Model], able: tuple[str, ...], left_out: dict[str, str]
) -> tuple[str, ...]:
    """The capable models that the key may use. Raises InsufficientScope, NoCapableModel if there is none."""
    allowed = allowance.allowed_models(able, models, left_out)
    if allowed:
        return allowed
    named = [id_ for id_, model in models.items() if allowance.limits.allow(id_, model.id)]
    if not named:
        raise InsufficientScope(
            f"this API key may use {', '.join(allowance.limits.models or ())}, and the router has none of them",
            should_retry=False,
        )
    raise NoCapableModel(
        "no model that this API key may use can serve this request: "
        + "; ".join(f"{model_id} {left_out[model_id]}" for model_id in named)
    )


def require_room(
    allowance: KeyAllowance,
    snapshot: Snapshot,
    context: Context,
    able: tuple[str, ...],
    prompt_tokens: int,
    max_tokens: int | None,
    now: Epoch,
) -> None:
    """Check that the key's tokens a minute have room for the tersest of the models. Raises RateLimitExceeded."""
    if max_tokens is not None:
        allowance.require_tokens(prompt_tokens, max_tokens, now, stated=True)
        return
    expected = snapshot.completion_tokens(context.task)[0]
    least = min(expected[snapshot.rows[model_id]] for model_id in able)
    allowance.require_tokens(prompt_tokens, least, now, stated=False)
