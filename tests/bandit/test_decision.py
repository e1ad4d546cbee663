"""One decision: probabilities, draw, re-draw and replay."""

import msgspec
import pytest

from bandit.buckets import bucketed
from bandit.decision import choose
from bandit.draws import draw, redraw
from bandit.policies import PLAIN
from bandit.posteriors.snapshot import take_snapshot
from bandit.price import Price
from bandit.replay import replay
from bandit.types import Arm, BudgetState, Choice, PromptParts, RouterSettings

ARMS = [Arm(name, Price(usd, 4 * usd, usd / 10)) for name, usd in (("a", 1e-6), ("b", 2e-6), ("c", 4e-6))]
CONTEXT = bucketed("code", PromptParts(700), max_tokens=None, stream=False, wants_json=False)


def test_probabilities_sum_to_one_and_replay_identically() -> None:
    snapshot = take_snapshot(RouterSettings("rtr_1"), ARMS, {}, BudgetState(), 0.0)
    choice = choose(snapshot, CONTEXT, ("c", "a", "b"))
    assert sum(arm.p for arm in choice.arms) == pytest.approx(1.0, abs=1e-12)
    assert choice == choose(snapshot, CONTEXT, ("a", "b", "c"))
    first = draw(choice, b"secret", "req_1")
    assert replay(choice, first).identical
    second = redraw(choice, b"secret", "req_1", 2, {first.model_id})
    assert second is not None
    assert second.model_id != first.model_id
    assert redraw(choice, b"secret", "req_1", 3, {"a", "b", "c"}) is None


@pytest.mark.parametrize("policy", sorted(PLAIN))
@pytest.mark.parametrize(
    "limits",
    [{}, {"quality_floor": 0.9}, {"latency_limit_seconds": 0.5}, {"latency_limit_seconds": 60.0, "quality_floor": 0.9}],
    ids=str,
)
def test_every_choice_can_be_written_down_and_is_read_back_as_it_was(policy: str, limits: dict[str, float]) -> None:
    settings = RouterSettings("rtr_1", policy=policy, **limits)  # type: ignore[arg-type]  # these take numbers
    choice = choose(take_snapshot(settings, ARMS, {}, BudgetState(), 0.0), CONTEXT, ("a", "b", "c"))
    assert msgspec.json.decode(msgspec.json.encode(choice), type=Choice) == choice
