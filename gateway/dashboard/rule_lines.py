"""Rules of a router as lines of a form: `prefer openai/gpt-5.5 (20) when code review`, `always … otherwise`."""

import re
from collections.abc import Mapping

from pydantic import JsonValue

from bandit.types import RuleMode
from gateway.dashboard.numbers import number
from gateway.settings.router_options import OptionsError
from gateway.settings.table_reader import Problem, shown

_LINE = re.compile(
    r"(?P<mode>\w+)\s+(?P<use>\S+)(?:\s+\(?(?P<weight>[^\s()]+)\)?)?\s+(?:when\s+(?P<when>.*)|otherwise)",
    re.IGNORECASE,
)
RIGHT = (
    "write “prefer MODEL (20) when …”, “always MODEL when …” or “never MODEL when …”; the default ends in “otherwise”"
)


def lines_of(settings: Mapping[str, JsonValue]) -> str:
    """The rules and the default of a router's settings, one a line."""
    rules, default = settings["rules"], settings["default"]
    listed = rules if isinstance(rules, list) else []
    return "\n".join(line_of(rule) for rule in (*listed, default) if isinstance(rule, dict))


def patch_of_lines(text: str) -> dict[str, object]:
    """The settings `rules` and `default` that the lines say. Raises OptionsError."""
    rules: list[dict[str, object]] = []
    defaults: list[dict[str, object]] = []
    problems: list[Problem] = []
    for place, line in enumerate(filter(None, map(str.strip, text.splitlines())), start=1):
        found = _LINE.fullmatch(line)
        if found is None:
            problems.append(Problem(("rules",), f"line {place} is not understood: {shown(line)}; {RIGHT}"))
            continue
        rule: dict[str, object] = {"use": found["use"], "mode": found["mode"].lower()}
        if found["weight"] is not None:
            rule["weight"] = number(found["weight"])
        if found["when"] is None:
            defaults.append(rule)
        else:
            rules.append({"when": found["when"].strip(), **rule})
    if len(defaults) > 1:
        problems.append(Problem(("rules",), f"{len(defaults)} lines end in “otherwise”; a router has one default"))
    if problems:
        raise OptionsError(problems)
    return {"rules": rules or None, "default": defaults[0] if defaults else None}


def line_of(rule: Mapping[str, JsonValue]) -> str:
    """A rule as a line; without a condition it is the default."""
    weight, when = rule.get("weight"), rule.get("when")
    strength = (
        f" ({str(weight).removesuffix('.0')})"
        if rule["mode"] == RuleMode.PREFER and isinstance(weight, int | float)
        else ""
    )
    # Spaces within quotes are part of a name.
    ending = f"when {' '.join(when.splitlines())}" if isinstance(when, str) else "otherwise"
    return f"{rule['mode']} {rule['use']}{strength} {ending}"
