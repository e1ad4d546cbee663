"""An answer that was sent and was drawn to be judged or compared, and how that is drawn."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec

from bandit.draws import drawn_beside
from gateway.catalog.catalog import Model
from gateway.routing.router import LiveRouter
from storage.records import Purpose

JUDGE = "judge"
"""The source of judges' scores, the key that is recorded with them, and the purpose of the draw."""
_SHADOW, _SECOND = "shadow", "second"
"""Purposes of draws: which answers are compared, and with which model's."""


@dataclass(frozen=True, slots=True)
class Second:
    """A second arm that is asked the same: its model, and the fields that it is sent. `prompt_tokens` are estimated.

    `tier` is the service tier that it asks for.
    """

    arm_id: str
    model: Model
    fields: Mapping[str, msgspec.Raw]
    prompt_tokens: int
    tier: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer to be judged, or compared with that of a `second` model.

    `request` is its request's `messages`, as JSON; `model_id` the model that answered; `needs` what a judge must be
    able to do: see images, if there are some.
    """

    completion_id: str
    router: LiveRouter
    model_id: str
    request: msgspec.Raw
    answer: str
    purpose: Purpose = Purpose.JUDGE
    needs: frozenset[str] = frozenset()
    second: Second | None = None

    @property
    def size(self) -> int:
        """Bytes that it takes in memory, as soon as it is a copy."""
        fields = {} if self.second is None else self.second.fields
        others = sum(len(memoryview(raw)) for name, raw in fields.items() if name != "messages")
        return len(memoryview(self.request)) + sys.getsizeof(self.answer) + others

    def copy(self) -> "Answered":
        """The same with copies of the request's raw fields: they are parts of the whole body, and would keep it."""
        request, second = self.request.copy(), self.second
        if second is not None:
            fields = {name: request if name == "messages" else raw.copy() for name, raw in second.fields.items()}
            second = replace(second, fields=fields)
        return replace(self, request=request, second=second)


def is_judged(router: LiveRouter, completion_id: str) -> bool:
    """Whether an answer is drawn to be judged: the same whenever it is computed again."""
    judge = router.options.judge
    return judge is not None and _is_drawn(router, JUDGE, completion_id, judge.share)


def is_compared(router: LiveRouter, completion_id: str) -> bool:
    """Whether a request is drawn to be asked of a second model, too: the same whenever it is computed again."""
    shadow = router.options.shadow
    return shadow is not None and _is_drawn(router, _SHADOW, completion_id, shadow.share)


def drawn_second(router: LiveRouter, completion_id: str, others: tuple[str, ...]) -> str:
    """The second model, drawn uniformly among others than the one that answered, which must not be empty."""
    return sorted(others)[int(drawn_beside(router.secret, _SECOND, completion_id) * len(others))]


def _is_drawn(router: LiveRouter, purpose: str, completion_id: str, share: float) -> bool:
    return share > 0.0 and drawn_beside(router.secret, purpose, completion_id) < share
