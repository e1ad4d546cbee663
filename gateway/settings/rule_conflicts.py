"""Finds requests for which the rules of a router would leave no model."""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gateway.instructions.conditions import Asked
from gateway.instructions.facts import About, Circumstances, Fact
from gateway.instructions.lexicon import TASKS
from gateway.instructions.when import When

MOST_KINDS = 20_000
"""Kinds of requests that are tried."""


class Never(NamedTuple):
    """A rule that excludes a model."""

    position: int
    use: str
    when: When


def conflict_of(never: Sequence[Never], enabled: Sequence[str]) -> str | None:
    """What is wrong with rules that exclude models, if some request would be left without any."""
    by_model = [[rule for rule in never if rule.use == model_id] for model_id in enabled]
    if not by_model or not all(by_model):
        return None
    tried = 0
    for together in itertools.product(*by_model):
        for asked in _requests(together):
            if all(rule.when.holds(asked) for rule in together):
                named = " and ".join(f"rules[{position}]" for position in sorted({rule.position for rule in together}))
                return f"leave no model for some requests: {named} exclude {_all(enabled)}; leave one of them out"
            tried += 1
            if tried >= MOST_KINDS:
                named = ", ".join(f"rules[{rule.position}]" for rule in never)
                return f"exclude every model between them ({named}), and whether they hold together is too much to tell"
    return None


def _all(enabled: Sequence[str]) -> str:
    return f"all {len(enabled)} models that are enabled" if len(enabled) > 1 else f"{enabled[0]}, the only one"


def _requests(rules: Sequence[Never]) -> Iterator[Asked]:
    """One request of each kind that the rules tell apart."""
    facts = frozenset().union(*(rule.when.facts for rule in rules))
    for circumstances in _circumstances(facts):
        for task, long, tools in itertools.product(sorted(TASKS), (False, True), (False, True)):
            yield Asked(frozenset({task}), frozenset(), long, tools, circumstances)


def _circumstances(facts: frozenset[Fact]) -> Iterator[Circumstances]:
    def values(about: About) -> list[str]:
        return sorted({fact.value for fact in facts if fact.about is about})

    names, fields = values(About.NAME), sorted({fact.field for fact in facts if fact.about is About.METADATA})
    by_field = [["", *sorted({fact.value for fact in facts if fact.field == field})] for field in fields]
    for images, language, hour, key, named, metadata in itertools.product(
        (False, True) if values(About.IMAGES) else (False,),
        ["", *values(About.LANGUAGE)],
        range(24) if values(About.HOUR) else (0,),
        ["", *values(About.KEY)],
        [(), *itertools.combinations(names, 1), *itertools.combinations(names, 2)],
        itertools.product(*by_field),
    ):
        yield Circumstances(images, language, hour, key, frozenset(named), dict(zip(fields, metadata, strict=True)))
