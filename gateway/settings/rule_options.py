"""The rules of a router: which model to use when, where people know better than scores."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bandit.types import Json, RuleMode
from gateway.instructions.when import ANY_REQUEST, When, read_when
from gateway.settings.rule_conflicts import Never, conflict_of
from gateway.settings.table_reader import Fields, Problem, shown
from gateway.settings.variant_options import LEVELS
from storage.records import RouterModel

MOST_RULES = 50
LONGEST_WHEN = 500
USUAL_WEIGHT = 20.0
LARGEST_WEIGHT = 10_000.0
_MODES = tuple(mode.value for mode in RuleMode)
_DECIDING = (RuleMode.ALWAYS.value, RuleMode.PREFER.value)


@dataclass(frozen=True, slots=True)
class RuleOptions:
    """One rule: for requests that `when` describes, `use` always, preferably or never.

    `weight` is how many scores of 1 a preference is worth. `meant` is `when` as it was read.
    """

    use: str
    when: str = ""
    mode: RuleMode = RuleMode.PREFER
    weight: float = USUAL_WEIGHT
    meant: When = field(default=ANY_REQUEST, compare=False, repr=False)

    def to_json(self) -> dict[str, Json]:
        """The table as it is written, with its defaults."""
        table: dict[str, Json] = {"when": self.when} if self.when else {}
        table |= {"use": self.use, "mode": self.mode.value}
        return table | ({"weight": self.weight} if self.mode is RuleMode.PREFER else {})


def read_rules(fields: Fields) -> tuple[RuleOptions, ...]:
    """Read `rules`, a list of tables."""
    value = fields.raw("rules")
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not all(isinstance(item, Mapping) for item in value):
        right = 'must be a list of tables, such as [{ when = "code review", use = "openai/gpt-5.5" }]'
        fields.blame("rules", f"{right}, not {shown(value)}")
        return ()
    if len(value) > MOST_RULES:
        fields.blame("rules", f"has {len(value)} rules; a router takes at most {MOST_RULES}")
        return ()
    return tuple(
        _read(Fields(item, fields.problems, (*fields.path, "rules", position)), _MODES)
        for position, item in enumerate(value)
    )


def read_default(fields: Fields) -> RuleOptions | None:
    """Read `default`: a model's id, or a table like a rule's without `when`. It holds if no rule does."""
    value = fields.raw("default")
    if value is None:
        return None
    if isinstance(value, str):
        return RuleOptions(use=fields.text("default", "", right='a model id such as "openai/gpt-5.5"'))
    table = fields.table("default")
    return None if table is None else _read(table, _DECIDING, is_default=True)


def check_rules(fields: Fields, settings: Mapping[str, Json], models: Sequence[RouterModel]) -> None:
    """Record a mistake if a router's rules name a model that is not enabled, or together leave none.

    `settings` are its complete ones and `models` all of its models; `fields` are those that were set now.
    """
    read = Fields(settings, [])
    rules, default = read_rules(read), read_default(read)
    if read.problems:
        return  # recorded when they were read
    enabled = [model.arm_id for model in models if model.enabled]
    for key, place, use in _uses(rules, default):
        if use not in enabled:
            known = f"; enabled are {', '.join(enabled)}" if enabled else ""
            said = f"names a model that the router has not enabled: {shown(use)}{known}"
            if fields.raw(key) is not None:
                fields.problems.append(Problem((*fields.path, *place), said))
            else:
                fields.blame("models", f"leave out {shown(use)}, which {key} needs: change {key} first")
    never = [Never(number, rule.use, rule.meant) for number, rule in enumerate(rules) if rule.mode is RuleMode.NEVER]
    conflict = conflict_of(never, enabled)
    if conflict is not None:
        fields.blame("rules" if fields.raw("rules") is not None else "models", conflict)


def _uses(
    rules: Sequence[RuleOptions], default: RuleOptions | None
) -> Iterator[tuple[str, tuple[str | int, ...], str]]:
    for position, rule in enumerate(rules):
        yield "rules", ("rules", position, "use"), rule.use
    if default is not None:
        yield "default", ("default",), default.use


def _read(fields: Fields, modes: Sequence[str], *, is_default: bool = False) -> RuleOptions:
    when, meant = ("", ANY_REQUEST) if is_default else _when(fields)
    use = fields.text("use", "", right='a model id such as "openai/gpt-5.5"')
    if fields.raw("use") is None:
        fields.blame(None, "needs use, a model's id")
    if (level := fields.choice("thinking", None, LEVELS)) is not None:
        use = f"{use}@{level}"
    mode = RuleMode(fields.choice("mode", RuleMode.PREFER.value, modes))
    weight = fields.number("weight", USUAL_WEIGHT, high=LARGEST_WEIGHT, above=True)
    if fields.raw("weight") is not None and mode is not RuleMode.PREFER:
        fields.blame("weight", f'is for mode "prefer" alone: "{mode.value}" weighs nothing')
    fields.close()
    return RuleOptions(use, when, mode, weight, meant)


def _when(fields: Fields) -> tuple[str, When]:
    when = fields.text("when", "", right='a condition such as "code review or long documents"')
    if fields.raw("when") is None:
        fields.blame(None, 'needs when, such as "code review or long documents"; default holds for all other requests')
    if not when:
        return "", ANY_REQUEST
    if len(when) > LONGEST_WHEN:
        fields.blame("when", f"has {len(when):,} characters; at most {LONGEST_WHEN} are read")
        return "", ANY_REQUEST
    meant = read_when(when)
    if meant.unknown:
        quoted = ", ".join(f"“{words}”" for words in meant.unknown)
        fields.blame(
            "when",
            f"says what is not understood: {quoted}; write in English of kinds of task, call sites, length, tools, "
            "images, language, metadata, keys or hours (docs/rules.md)",
        )
    return when, meant
