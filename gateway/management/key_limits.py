"""Limits of an API key, as they are set and shown, and what it has used of them."""

from pydantic import BaseModel

from gateway.management.context import Management
from gateway.settings.table_reader import Fields, nearest
from storage.key_usage import Usage
from storage.records import NO_LIMITS, KeyLimits
from storage.stores.key_usage import PresentUsage
from storage.stores.routers import Routers

MOST_A_MINUTE = 10**12
MOST_USD = 1e9
LONGEST_TASK = 64
MOST_NAMES = 100


class LimitsView(BaseModel):
    """What a key may use; null: without a limit. Days and months are those of UTC."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    usd_per_day: float | None = None
    usd_per_month: float | None = None
    models: list[str] | None = None
    tasks: list[str] | None = None


class MinuteUsage(BaseModel):
    """What a key has used in the present minute: of requests that have ended."""

    requests: int
    tokens: int


class PeriodUsage(MinuteUsage):
    """What a key has used in a UTC day or month."""

    cost_usd: float


class UsageView(BaseModel):
    """What a key has used, by the ledger: the figures that its limits go by."""

    minute: MinuteUsage
    today: PeriodUsage
    month: PeriodUsage


def read_limits(management: Management, fields: Fields, former: KeyLimits) -> KeyLimits:
    """The limits that `former` becomes by a merge patch: those left out stay, null takes a limit away.

    Mistakes are kept in `fields`.
    """
    if "limits" not in fields.names():
        fields.raw("limits")
        return former
    limits = fields.table("limits")
    if limits is None:
        return NO_LIMITS
    given = limits.names()

    def kept(name: str) -> object:
        return None if name in given else getattr(former, name)

    read: dict[str, object] = {}
    for name in ("requests_per_minute", "tokens_per_minute"):
        read[name] = limits.integer(name, kept(name), low=1, high=MOST_A_MINUTE)
    for name in ("usd_per_day", "usd_per_month"):
        read[name] = limits.number(name, kept(name), high=MOST_USD, above=True)
    for name in ("models", "tasks"):
        read[name] = limits.texts(name, kept(name))
        if name in given and read[name] == ():
            limits.blame(name, "must name one at least, or be null for all")
    if "models" in given:
        _check_models(management, limits)
    if "tasks" in given:
        _check_tasks(limits)
    limits.close()
    return KeyLimits(**read)  # type: ignore[arg-type]  # each is of its own type, or blamed


def _check_models(management: Management, limits: Fields) -> None:
    named = limits.texts("models", ())
    if not named:
        return
    routers = Routers(management.database).all()
    known = {*management.known_models(routers), *(each.arm_id for record in routers for each in record.models)}
    for model_id in named:
        if model_id not in known:
            limits.blame("models", f"names {model_id[:80]!r}, which is no model here{nearest(model_id, known)}")
    if len(named) > MOST_NAMES:
        limits.blame("models", f"must name at most {MOST_NAMES}")


def _check_tasks(limits: Fields) -> None:
    named = limits.texts("tasks", ())
    for task in named:
        if task != task.strip():
            limits.blame("tasks", f"names {task[:40]!r}: leave out the spaces around it, as requests do")
        if len(task) > LONGEST_TASK:
            limits.blame("tasks", f"names {task[:40]!r}…, and a task has at most {LONGEST_TASK} characters")
    if len(named) > MOST_NAMES:
        limits.blame("tasks", f"must name at most {MOST_NAMES}")


def limits_view(limits: KeyLimits) -> LimitsView:
    """The limits as they are shown."""
    return LimitsView(
        requests_per_minute=limits.requests_per_minute,
        tokens_per_minute=limits.tokens_per_minute,
        usd_per_day=limits.usd_per_day,
        usd_per_month=limits.usd_per_month,
        models=None if limits.models is None else list(limits.models),
        tasks=None if limits.tasks is None else list(limits.tasks),
    )


def usage_view(used: PresentUsage) -> UsageView:
    """What a key has used, as it is shown."""
    return UsageView(
        minute=MinuteUsage(requests=used.minute.requests, tokens=used.minute.tokens),
        today=_period(used.today),
        month=_period(used.month),
    )


def _period(used: Usage) -> PeriodUsage:
    return PeriodUsage(requests=used.requests, tokens=used.tokens, cost_usd=used.cost_usd)
