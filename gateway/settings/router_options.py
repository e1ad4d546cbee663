"""The options of a router: read and checked alike from the file and the management API, and stored as JSON.

Only keys that were set are stored: the others follow the defaults here, also after an upgrade has changed them.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from dataclasses import fields as dataclass_fields
from typing import NamedTuple

from bandit.experiment import Experiment, Part, Unit
from bandit.objective import LARGEST_USD, PRESETS
from bandit.types import HalfLives, Json, Objective, RouterSettings
from gateway.settings.experiment_options import parts_to_json, read_parts, read_policy
from gateway.settings.judge_options import JudgeOptions, read_judge
from gateway.settings.rule_options import RuleOptions, read_default, read_rules
from gateway.settings.shadow_options import ShadowOptions, read_shadow
from gateway.settings.table_reader import Fields, Problem, shown
from gateway.settings.variant_options import read_entry
from storage.records import RouterModel, Variant

MAX_MODELS = 64
MAX_USD = 1_000_000.0
MAX_SECONDS = 10 * 365 * 86_400.0
FOREVER = "forever"
LARGEST_SCORE = 1_000_000.0

CALL_SITES, BUILT_IN = "call_sites", "built_in"
"""Where the class of a request comes from that states no task: call sites that recur, or the built-in classes alone."""


class Placed(NamedTuple):
    """An arm of a router, and the place of its entry in the list."""

    position: int
    model: RouterModel


@dataclass(frozen=True, slots=True)
class RouterOptions:
    """A router's options with their defaults.

    `retention_days` None keeps the ledger forever; `sticky_seconds` None chooses anew for every request.
    `automatic_models`: the router uses all configured models, until its models are set. `feedback_scale` is the worst
    and the best score of feedback that states no scale. `call_site_names`: a call site is called by the first words of
    its prompt. `policies` are the parts of an experiment, each with its share; without one `policy` counts.
    """

    policy: str = "thompson"
    policies: tuple[Part, ...] = ()
    experiment_unit: str = Unit.USER.value
    objective: Objective | str = "balanced"
    exploration: float = 0.02
    temperature: float = 0.25
    half_lives: HalfLives = field(default_factory=HalfLives)
    request_timeout_seconds: float = 600.0
    max_attempts: int = 3
    store_content: bool = False
    retention_days: int | None = 90
    instructions: bool = True
    task_metadata_key: str = "task"
    tasks: str = CALL_SITES
    call_site_names: bool = True
    budget_usd_per_request: float | None = None
    max_usd_per_day: float | None = None
    latency_limit_seconds: float | None = None
    quality_floor: float | None = None
    newcomer_share: float = 0.2
    newcomer_outcomes: int = 20
    sticky_seconds: float | None = None
    automatic_models: bool = False
    feedback_scale: tuple[float, float] = (0.0, 1.0)
    judge: JudgeOptions | None = None
    shadow: ShadowOptions | None = None
    rules: tuple[RuleOptions, ...] = ()
    default: RuleOptions | None = None

    @classmethod
    def from_json(cls, settings: Mapping[str, Json]) -> "RouterOptions":
        """The options of a stored router; keys of newer versions are ignored. Raises OptionsError."""
        problems: list[Problem] = []
        options = read_options(Fields(settings, problems))
        if problems:
            raise OptionsError(problems)
        return options

    @classmethod
    def readable(cls, settings: Mapping[str, Json]) -> "RouterOptions":
        """The options of a stored router, with the default of each that can't be read: to show, never to serve."""
        return read_options(Fields(settings, []))

    def to_json(self) -> dict[str, Json]:
        """All options, defaults included, to show them."""
        shown_as: dict[str, Json] = {name: getattr(self, name) for name in OPTION_KEYS}
        shown_as["half_lives"] = {f"{signal}_seconds": getattr(self.half_lives, signal) for signal in _SIGNALS}
        if isinstance(self.objective, Objective):
            shown_as["objective"] = {part: getattr(self.objective, part) for part in _OBJECTIVE_PARTS}
        shown_as["feedback_scale"] = list(self.feedback_scale)
        shown_as["retention_days"] = FOREVER if self.retention_days is None else self.retention_days
        shown_as["policies"] = parts_to_json(self.policies)
        if self.policies:
            shown_as["policy"] = None
        shown_as["judge"] = None if self.judge is None else self.judge.to_json()
        shown_as["shadow"] = None if self.shadow is None else self.shadow.to_json()
        shown_as["rules"] = [rule.to_json() for rule in self.rules]
        shown_as["default"] = None if self.default is None else self.default.to_json()
        return shown_as


DEFAULT_OPTIONS = RouterOptions()
OPTION_KEYS = tuple(each.name for each in dataclass_fields(RouterOptions))
_SIGNALS = tuple(each.name for each in dataclass_fields(HalfLives))
_OBJECTIVE_PARTS = tuple(each.name for each in dataclass_fields(Objective))


class OptionsError(ValueError):
    """A router's options are wrong; `problems` says where, and what would be right."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(f"{problem.dotted()} {problem.message}" for problem in problems))
        self.problems = problems


def read_options(fields: Fields, model_ids: frozenset[str] | None = None) -> RouterOptions:
    """Read the options of a table, without closing it. With `model_ids`, a fixed policy must name one of them."""
    default = DEFAULT_OPTIONS
    return RouterOptions(
        policy=read_policy(fields, DEFAULT_OPTIONS.policy, model_ids),
        policies=read_parts(fields),
        experiment_unit=fields.choice("experiment_unit", default.experiment_unit, [unit.value for unit in Unit]),
        objective=_objective(fields),
        exploration=fields.number("exploration", default.exploration, high=1.0),
        temperature=fields.number("temperature", default.temperature, high=100.0, above=True),
        half_lives=_half_lives(fields),
        request_timeout_seconds=fields.number(
            "request_timeout_seconds", default.request_timeout_seconds, high=3_600.0, above=True
        ),
        max_attempts=fields.integer("max_attempts", default.max_attempts, low=1, high=10),
        store_content=fields.flag("store_content", default.store_content),
        retention_days=_retention_days(fields),
        instructions=fields.flag("instructions", default.instructions),
        task_metadata_key=fields.text(
            "task_metadata_key", default.task_metadata_key, pattern=r".{0,63}\S", right="a name of 1 to 64 characters"
        ),
        tasks=fields.choice("tasks", default.tasks, (CALL_SITES, BUILT_IN)),
        call_site_names=fields.flag("call_site_names", default.call_site_names),
        budget_usd_per_request=fields.number("budget_usd_per_request", None, high=MAX_USD, above=True),
        max_usd_per_day=fields.number("max_usd_per_day", None, high=MAX_USD, above=True),
        latency_limit_seconds=fields.number("latency_limit_seconds", None, high=3_600.0, above=True),
        quality_floor=fields.number("quality_floor", None, high=1.0, above=True),
        newcomer_share=fields.number("newcomer_share", default.newcomer_share, high=1.0, above=True),
        newcomer_outcomes=fields.integer("newcomer_outcomes", default.newcomer_outcomes, high=1_000_000),
        sticky_seconds=fields.number("sticky_seconds", None, high=7 * 86_400.0, above=True),
        automatic_models=fields.flag("automatic_models", default.automatic_models),
        feedback_scale=_feedback_scale(fields),
        judge=read_judge(fields),
        shadow=read_shadow(fields),
        rules=read_rules(fields),
        default=read_default(fields),
    )


def mentioned_options(fields: Fields, model_ids: frozenset[str] | None = None) -> dict[str, Json]:
    """Only the options that the table sets, checked."""
    read_options(fields, model_ids)
    settings: dict[str, Json] = {}
    for key in OPTION_KEYS:
        value = fields.raw(key)
        if isinstance(value, bool | int | float | str | dict | list):
            settings[key] = value
    return settings


def read_models(fields: Fields, known: Iterable[RouterModel] = ()) -> tuple[Placed, ...]:
    """Read a router's `models`: ids, or tables like `{ id = "openai/gpt-5.5", thinking = ["low", "high"] }`.

    An entry may stand for several arms. Those of `known` can be named by their ids alone.
    """
    value = fields.raw("models")
    if value is None or value == []:
        fields.blame("models", 'must name at least one model, such as models = ["openai/gpt-5.5"]')
        return ()
    if not isinstance(value, list | tuple):
        fields.blame("models", f"must be a list of models, not {shown(value)}")
        return ()
    if len(value) > MAX_MODELS:
        fields.blame("models", f"names {len(value)} models; a router takes at most {MAX_MODELS}")
    models: dict[str, Placed] = {}
    settings: dict[tuple[object, ...], str] = {}
    named = {model.arm_id: model for model in known}
    for position, item in enumerate(value):
        place = (*fields.path, "models", position)
        entry = Fields(item if isinstance(item, Mapping) else {"id": item}, fields.problems, place)
        for model in read_entry(entry, named):
            same = settings.setdefault(_settings_of(model), model.arm_id)
            if model.arm_id in models:
                entry.blame(None, f"names {shown(model.arm_id)} a second time")
            elif same != model.arm_id:
                entry.blame(None, f"names {shown(model.arm_id)}, which has the same settings as {shown(same)}")
            else:
                models[model.arm_id] = Placed(position, model)
    if len(models) > MAX_MODELS >= len(value):
        fields.blame("models", f"name {len(models)} models and variants; a router takes at most {MAX_MODELS}")
    _check_shares(fields, [placed.model for placed in models.values()])
    return tuple(models.values())


def _settings_of(model: RouterModel) -> tuple[object, ...]:
    """What an arm sends: two of a router must not send the same."""
    variant = model.variant or Variant("")
    return model.model_id, variant.thinking, variant.tier, variant.params


def bandit_settings(router_id: str, options: RouterOptions, objective: Objective) -> RouterSettings:
    """The bandit's part of a router's options; `objective` in dollars."""
    return RouterSettings(
        router_id=router_id,
        policy=options.policy,
        objective=objective,
        exploration=options.exploration,
        temperature=options.temperature,
        half_lives=options.half_lives,
        deadline_seconds=options.request_timeout_seconds,
        budget_usd_per_request=options.budget_usd_per_request,
        latency_limit_seconds=options.latency_limit_seconds,
        quality_floor=options.quality_floor,
        newcomer_share=options.newcomer_share,
        newcomer_outcomes=options.newcomer_outcomes,
        experiment=Experiment(options.policies, Unit(options.experiment_unit)) if options.policies else None,
    )


def _objective(fields: Fields) -> Objective | str:
    if not isinstance(fields.raw("objective"), Mapping):
        return fields.choice("objective", DEFAULT_OPTIONS.objective, PRESETS)
    table = fields.table("objective")
    assert table is not None  # noqa: S101 - it is a mapping
    for part in _OBJECTIVE_PARTS:
        if table.raw(part) is None:
            table.blame(None, f"needs {part}, in dollars")
    objective = Objective(**{part: table.number(part, 0.0, high=LARGEST_USD) for part in _OBJECTIVE_PARTS})
    table.close()
    return objective


def _half_lives(fields: Fields) -> HalfLives:
    table = fields.table("half_lives")
    if table is None:
        return DEFAULT_OPTIONS.half_lives
    seconds = {
        signal: table.number(
            f"{signal}_seconds", getattr(DEFAULT_OPTIONS.half_lives, signal), low=1.0, high=MAX_SECONDS
        )
        for signal in _SIGNALS
    }
    table.close()
    return HalfLives(**seconds)


def _feedback_scale(fields: Fields) -> tuple[float, float]:
    value = fields.raw("feedback_scale")
    if value is None:
        return DEFAULT_OPTIONS.feedback_scale
    listed = value if isinstance(value, list) else []
    numbers = [float(each) for each in listed if isinstance(each, int | float) and not isinstance(each, bool)]
    if len(listed) == len(numbers) == 2 and is_scale(numbers[0], numbers[1]):
        return numbers[0], numbers[1]
    fields.blame("feedback_scale", f"must be the worst and the best score, such as [1, 5], not {shown(value)}")
    return DEFAULT_OPTIONS.feedback_scale


def is_scale(worst: float, best: float) -> bool:
    """Whether scores can lie between these."""
    return worst != best and abs(worst) <= LARGEST_SCORE and abs(best) <= LARGEST_SCORE


def _retention_days(fields: Fields) -> int | None:
    if fields.raw("retention_days") == FOREVER:
        return None
    return fields.integer("retention_days", DEFAULT_OPTIONS.retention_days, low=1, high=36_500)


def _check_shares(fields: Fields, models: Collection[RouterModel]) -> None:
    enabled = [model for model in models if model.enabled]
    if models and not enabled:
        fields.blame("models", "are all disabled; enable at least one")
    elif sum(model.min_share for model in enabled) > 1.0 + 1e-9:
        fields.blame("models", "have min_share that add up to more than 1")
    elif models and sum(model.max_share for model in enabled) < 1.0 - 1e-9:
        fields.blame("models", "have max_share that add up to less than 1")


def feedback_scale_of(settings: Mapping[str, Json]) -> tuple[float, float]:
    """A stored router's worst and best score; the default if it can't be read."""
    return RouterOptions.readable(settings).feedback_scale


def half_lives_of(settings: Mapping[str, Json]) -> HalfLives | None:
    """A stored router's half-lives; None if they can't be read."""
    problems: list[Problem] = []
    half_lives = _half_lives(Fields(settings, problems))
    return None if problems else half_lives
