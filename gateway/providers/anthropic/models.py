"""What each generation of Claude accepts, by the model's name.

From Anthropic's migration guides and its pages on thinking, effort, structured outputs and prefill. To a model whose
name tells no generation nothing is sent that some generation refuses, and nothing is refused on its behalf.
"""

import re
from dataclasses import dataclass

LOW_TO_HIGH = ("low", "medium", "high")
TO_MAX = (*LOW_TO_HIGH, "max")
ALL_EFFORTS = (*LOW_TO_HIGH, "xhigh", "max")

_FAMILY_FIRST = re.compile(r"claude-([a-z]+)-(\d)(?:[-.](\d)(?!\d))?(?!\d)")
_VERSION_FIRST = re.compile(r"claude-(\d)(?:[-.](\d)(?!\d))?(?!\d)(?:-([a-z]+))?")
_OLDEST = re.compile(r"claude-(?:v1|instant)")


@dataclass(frozen=True, slots=True)
class Generation:
    """What a generation of models accepts.

    `sampling`: one of `temperature` and `top_p`. `efforts`: the values of `output_config.effort`. `budget`: a budget of
    thinking tokens; `adaptive`: `thinking` of that type, which has to be asked for. `structured`: JSON schemas in
    `output_config`. `prefill`: a conversation that ends with the beginning of the answer. `forced_tools`: a
    `tool_choice` that demands a call.
    """

    sampling: bool = False
    efforts: tuple[str, ...] = ()
    budget: bool = False
    adaptive: bool = False
    structured: bool = True
    prefill: bool = False
    forced_tools: bool = True


def generation_of(model: str) -> Generation:
    """Find a model's generation by its name at Anthropic, Bedrock, Vertex or OpenRouter."""
    found = _family_and_version(model.lower())
    if found is None:
        return Generation(prefill=True)
    family, version = found
    if version < (4, 5):
        return Generation(sampling=True, budget=version >= (3, 7), structured=False, prefill=True)
    if version < (4, 6):
        effortful = family == "opus"
        efforts = LOW_TO_HIGH if effortful else ()
        return Generation(sampling=True, efforts=efforts, budget=not effortful, prefill=True)
    if version < (4, 7):
        return Generation(sampling=True, efforts=TO_MAX, adaptive=True)
    if version < (5, 0):
        return Generation(efforts=ALL_EFFORTS, adaptive=True)
    free = family == "haiku" or version < ((5, 5) if family in {"opus", "sonnet"} else (5, 1))
    return Generation(efforts=ALL_EFFORTS, forced_tools=free)


def _family_and_version(model: str) -> tuple[str | None, tuple[int, int]] | None:
    if match := _FAMILY_FIRST.search(model):
        return match[1], (int(match[2]), int(match[3] or 0))
    if match := _VERSION_FIRST.search(model):
        return match[3], (int(match[1]), int(match[2] or 0))
    return (None, (1, 0)) if _OLDEST.search(model) else None
