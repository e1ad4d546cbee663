"""What the rules of a router say of a request: which models they exclude, and which rule is in force."""

from bandit.types import AppliedRule, Epoch
from gateway.completions.request import CompletionRequest
from gateway.errors import NoCapableModel
from gateway.routing.router import LiveRouter
from gateway.routing.rules import Request, Rules, excluded_by, in_order
from storage.calendar import DAY, HOUR

NO_RULES: tuple[AppliedRule, ...] = ()


def fitting_rules(
    rules: Rules,
    router: LiveRouter,
    request: CompletionRequest,
    able: tuple[str, ...],
    left_out: dict[str, str],
    *,
    stated: str | None,
    task: str,
    key: str,
    now: Epoch,
) -> tuple[tuple[AppliedRule, ...], tuple[str, ...]]:
    """The router's rules that the request fits, and the capable models that they do not exclude.

    `stated` is the class that the caller states, `task` that of its statistics, `key` the API key's label. Raises
    NoCapableModel.
    """
    site = request.call_site if router.knows_call_sites else None
    names = [stated, task, router.tasks.called.get(task)]
    if site is not None:
        names += [router.tasks.called.get(site.key), site.name if router.options.call_site_names else None]
    fitting = rules.fitting(
        Request(
            task=stated or task,
            names=names,
            features=request.features,
            metadata=request.metadata,
            key_label=key,
            hour=int(now % DAY // HOUR),
        )
    )
    return fitting, _not_excluded(fitting, able, left_out)


def ruled(
    fitting: tuple[AppliedRule, ...], candidates: tuple[str, ...], left_out: dict[str, str]
) -> tuple[AppliedRule, ...]:
    """The rules that matter among these candidates; `left_out` says why the other models are none."""
    return in_order(fitting, candidates, lambda model_id: left_out.get(model_id, "is not enabled"))


def _not_excluded(fitting: tuple[AppliedRule, ...], able: tuple[str, ...], left_out: dict[str, str]) -> tuple[str, ...]:
    """The capable models that no rule excludes. Raises NoCapableModel."""
    excluded = {model_id: why for model_id, why in excluded_by(fitting).items() if model_id in able}
    left_out.update(excluded)
    remaining = tuple([model_id for model_id in able if model_id not in excluded])
    if not remaining:
        raise NoCapableModel(
            "the router's rules leave no model that can serve this request: "
            + "; ".join(f"{model_id} {why}" for model_id, why in sorted(left_out.items()))
        )
    return remaining
