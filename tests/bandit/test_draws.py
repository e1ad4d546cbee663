"""Draws: an arm by the choice's probabilities, the same whenever it is computed again."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit.decision import ALGORITHM
from bandit.draws import draw, redraw
from bandit.types import ArmView, Choice, Context, Objective


def choice_of(shares: dict[str, float]) -> Choice:
    """A choice with these probabilities."""
    arms = tuple(
        ArmView(
            model_id=model_id,
            mean_usd=0.0,
            deviation_usd=0.01,
            quality=0.6,
            quality_deviation=0.1,
            scores=0.0,
            success=1.0,
            validity=1.0,
            cost_usd=0.001,
            seconds=1.0,
            low=0.0,
            high=1.0,
            p_best=share,
            p_explored=share,
            p=share,
        )
        for model_id, share in shares.items()
    )
    return Choice(
        algorithm=ALGORITHM,
        policy="thompson",
        router_id="rtr_x",
        snapshot_at=0.0,
        context=Context("code", 200),
        objective=Objective(0.02, 0.0, 0.0),
        price_multiplier=1.0,
        temperature=1.0,
        exploration=0.0,
        relaxed=False,
        arms=arms,
    )


def test_draws_follow_the_probabilities() -> None:
    choice = choice_of({"a": 0.6, "b": 0.3, "c": 0.1})
    drawn = [draw(choice, b"s", f"req_{number}").model_id for number in range(20_000)]
    for arm in choice.arms:
        assert drawn.count(arm.model_id) / 20_000 == pytest.approx(arm.p, abs=0.015)


@given(st.binary(max_size=200), st.text(max_size=60))
def test_a_draw_is_that_of_the_standard_librarys_hmac(secret: bytes, message: str) -> None:
    choice = choice_of({"a": 1.0})
    digest = hmac.new(secret, message.encode(), "sha256").digest()
    assert draw(choice, secret, message).u == ((int.from_bytes(digest[:8], "big") >> 12) + 0.5) / 2**52


def test_ids_draw_evenly() -> None:
    choice = choice_of({"a": 0.5, "b": 0.5})
    u = sorted(draw(choice, b"another secret", f"req_{number}").u for number in range(4_000))
    assert max(abs(value - (rank + 0.5) / 4_000) for rank, value in enumerate(u)) < 0.03
    assert 0.0 < u[0] < u[-1] < 1.0


def test_a_failed_first_choice_is_redrawn_from_the_others_alone() -> None:
    choice = choice_of({"a": 0.5, "b": 0.3, "c": 0.15, "d": 0.05})
    failed: set[str] = set()
    for attempt in range(2, 5):
        failed.add(choice.arms[attempt - 2].model_id)
        again = redraw(choice, b"s", "req_1", attempt, failed)
        assert again is not None
        assert again.model_id not in failed
        assert not again.randomised
        left = sum(arm.p for arm in choice.arms if arm.model_id not in failed)
        of = next(arm for arm in choice.arms if arm.model_id == again.model_id)
        assert again.propensity == pytest.approx(of.p / left)
    assert redraw(choice, b"s", "req_1", 5, {"a", "b", "c", "d"}) is None
