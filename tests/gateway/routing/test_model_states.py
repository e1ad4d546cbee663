"""Resuming models, here and in other processes."""

import msgspec

from gateway.providers.upstream.provider import ProviderError, Verdict
from gateway.routing.model_states import ModelStates

FIELDS = {"seed": msgspec.Raw(b"1")}


def doubtful_states() -> ModelStates:
    """`parked` is parked, `limited` is rate-limited, and both refused a value."""
    states = ModelStates()
    for model_id, verdict in (("parked", Verdict.PARKED), ("limited", Verdict.RATE_LIMITED)):
        states.cooldowns.failed(model_id, ProviderError(verdict, "no", status=400), 0.0, b"x")
        refusal = ProviderError(Verdict.REFUSED_VALUE, "no", status=400, param="seed")
        states.holds.refused(model_id, refusal, FIELDS, 0.0)
    return states


def free(states: ModelStates) -> set[str]:
    """The models that nothing is held against."""
    return {
        model_id
        for model_id in ("parked", "limited")
        if states.cooldowns.available(model_id, 1.0) and states.holds.doubt(model_id, FIELDS, 1, 1.0) is None
    }


def test_a_resumed_model_is_free_of_its_cooldown_and_its_refusals() -> None:
    states = doubtful_states()
    assert free(states) == set()
    states.resume("parked")
    assert free(states) == {"parked"}


def test_models_that_another_process_resumed_are_resumed_here() -> None:
    states = doubtful_states()
    states.follow(frozenset())
    assert free(states) == set()
    states.follow(frozenset({"limited", "unknown"}))
    assert free(states) == {"limited"}


def test_if_it_is_not_known_which_were_resumed_all_parked_ones_are() -> None:
    states = doubtful_states()
    states.follow(None)
    assert free(states) == {"parked"}
