"""A router's rules in memory: which of them fit a request, and which is in force."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from bandit.types import AppliedRule, RuleMode
from gateway.instructions.conditions import Asked, kinds_of
from gateway.instructions.facts import About, Circumstances, Fact
from gateway.settings.router_options import RouterOptions
from gateway.settings.rule_options import RuleOptions
from gateway.tasks.call_sites import is_call_site
from gateway.tasks.classifier import Features, classify, is_long
from gateway.tasks.languages import language_of, load_languages

_STRING = msgspec.json.Decoder(str)


@dataclass(frozen=True, slots=True)
class Request:
    """What rules test of a request. `task` is its class, `names` what that is called."""

    task: str
    names: Collection[str | None]
    features: Features
    metadata: Mapping[str, msgspec.Raw]
    key_label: str
    hour: int


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one router, and what they ask for that is not read of every request."""

    rules: tuple[RuleOptions, ...]
    default: RuleOptions | None
    asks_language: bool
    metadata_fields: tuple[str, ...]

    def fitting(self, request: Request) -> tuple[AppliedRule, ...]:
        """The rules that a request fits, in order; the default comes last."""
        asked = self._asked(request)
        fitting = [_applied(number, rule) for number, rule in enumerate(self.rules, 1) if rule.meant.holds(asked)]
        return (*fitting, _applied(0, self.default)) if self.default is not None else tuple(fitting)

    def _asked(self, request: Request) -> Asked:
        features = request.features
        kinds, name = kinds_of(classify(features) if is_call_site(request.task) else request.task)
        metadata = {
            field: _text(request.metadata[field]) for field in self.metadata_fields if field in request.metadata
        }
        circumstances = Circumstances(
            images=features.images > 0,
            language=language_of(features.text) if self.asks_language else "",
            hour=request.hour,
            key=request.key_label.lower(),
            names=frozenset(name.lower() for name in request.names if name),
            metadata=metadata,
        )
        return Asked(kinds, name, is_long(features), features.tools, circumstances)


def rules_of(rules: tuple[RuleOptions, ...], default: RuleOptions | None) -> Rules | None:
    """The rules of a router, ready for requests; None if it has none. May read a model of languages from the disk."""
    if not rules and default is None:
        return None
    facts: frozenset[Fact] = frozenset().union(*(rule.meant.facts for rule in rules))
    asks_language = any(fact.about is About.LANGUAGE for fact in facts)
    if asks_language:
        load_languages()
    fields = sorted({fact.field for fact in facts if fact.about is About.METADATA})
    return Rules(rules, default, asks_language, tuple(fields))


def excluded_by(fitting: Collection[AppliedRule]) -> dict[str, str]:
    """The models that rules exclude, each with the reason."""
    excluded: dict[str, str] = {}
    for rule in fitting:
        if rule.mode is RuleMode.NEVER:
            excluded.setdefault(rule.model_id, f"is excluded by rule {rule.number}")
    return excluded


def in_order(
    fitting: Collection[AppliedRule], candidates: Collection[str], why_not: Callable[[str], str]
) -> tuple[AppliedRule, ...]:
    """The rules that exclude, those that are passed over, the one in force and the one after that.

    A rule whose model is no candidate is passed over: `why_not` says why not. Further rules have no effect.
    """
    return tuple(_in_order(fitting, candidates, why_not))


def _in_order(
    fitting: Collection[AppliedRule], candidates: Collection[str], why_not: Callable[[str], str]
) -> Iterator[AppliedRule]:
    deciding = 0
    for rule in fitting:
        if rule.mode is RuleMode.NEVER:
            yield rule
        elif deciding < 2:
            able = rule.model_id in candidates
            deciding += able
            yield rule if able else _passed_over(rule, why_not(rule.model_id))


def _passed_over(rule: AppliedRule, why: str) -> AppliedRule:
    return AppliedRule(rule.number, rule.mode, rule.model_id, rule.weight, rule.when, why)


def rule_of(options: RouterOptions, number: int) -> AppliedRule | None:
    """The rule of that number; 0: the default. None if there is none."""
    if number == 0:
        return None if options.default is None else _applied(0, options.default)
    return _applied(number, options.rules[number - 1]) if number <= len(options.rules) else None


def _applied(number: int, rule: RuleOptions) -> AppliedRule:
    weight = rule.weight if rule.mode is RuleMode.PREFER else 0.0
    return AppliedRule(number, rule.mode, rule.use, weight, rule.when)


def _text(raw: msgspec.Raw) -> str:
    """A value of metadata as text, in lower case: a string's own, else its JSON."""
    try:
        return _STRING.decode(raw).strip().lower()
    except msgspec.ValidationError:
        return bytes(raw).decode(errors="replace").lower()
