"""Resuming models, here and in other processes."""

import msgspec

from gateway.providers.upstream.provider import ProviderError, Verdict
from gateway.routing.memory import Memory

FIELDS = {"seed": msgspec.Raw(b"1")}


def doubtful_memory() -> Memory:
    """`parked` is parked, `limited` is rate-limited, and both refused a value."""
    memory = Memory()
    for model_id, verdict in (("parked", Verdict.PARKED), ("limited", Verdict.RATE_LIMITED)):
        memory.cooldowns.failed(model_id, ProviderError(verdict, "no", status=400), 0.0)
        refusal = ProviderError(Verdict.REFUSED_VALUE, "no", status=400, param="seed")
        memory.holds.refused(model_id, refusal, FIELDS, 0.0)
    return memory


def free(memory: Memory) -> set[str]:
    """The models that nothing is held against."""
    return {
        model_id
        for model_id in ("parked", "limited")
        if memory.cooldowns.available(model_id, 1.0) and memory.holds.doubt(model_id, FIELDS, 1, 1.0) is None
    }


def test_a_resumed_model_is_free_of_its_cooldown_and_its_refusals() -> None:
    memory = doubtful_memory()
    assert free(memory) == set()
    memory.resume("parked")
    assert free(memory) == {"parked"}


def test_models_that_another_process_resumed_are_resumed_here() -> None:
    memory = doubtful_memory()
    memory.follow(frozenset())
    assert free(memory) == set()
    memory.follow(frozenset({"limited", "unknown"}))
    assert free(memory) == {"limited"}


def test_if_it_is_not_known_which_were_resumed_all_parked_ones_are() -> None:
    memory = doubtful_memory()
    memory.follow(None)
    assert free(memory) == {"parked"}
