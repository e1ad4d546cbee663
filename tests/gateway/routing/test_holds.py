"""What models have refused lately: it is held as narrowly as it was said, and puts no model out."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers.upstream.provider import ProviderError, Verdict
from gateway.routing.holds import FIELD, HELD_SECONDS, MOST_FIELDS, MOST_VALUES, STATED, VALUE, Holds

HOT, COLD = ({"temperature": msgspec.Raw(value), "seed": msgspec.Raw(b"7")} for value in (b"0.2", b"1"))


def refusal(verdict: Verdict, param: str | None = None, context_tokens: int | None = None) -> ProviderError:
    return ProviderError(verdict, "no", status=400, param=param, context_tokens=context_tokens)


def weight(holds: Holds, fields: dict[str, msgspec.Raw], tokens: int = 10, now: float = 1.0) -> int:
    doubt = holds.doubt("a", fields, tokens, now)
    return 0 if doubt is None else doubt.weight


def test_a_refused_value_counts_for_that_value_alone_for_an_hour() -> None:
    holds = Holds()
    holds.refused("a", refusal(Verdict.REFUSED_VALUE, "temperature"), HOT, 0.0)
    assert weight(holds, HOT) == VALUE
    assert weight(holds, COLD) == 0
    assert weight(holds, {}) == 0
    assert weight(holds, HOT, now=HELD_SECONDS) == 0
    assert holds.doubt("b", HOT, 10, 1.0) is None


def test_an_unknown_field_counts_for_all_its_values() -> None:
    holds = Holds()
    holds.refused("a", refusal(Verdict.UNKNOWN_FIELD, "temperature"), HOT, 0.0)
    assert weight(holds, COLD) == FIELD
    assert weight(holds, {"seed": msgspec.Raw(b"7")}) == 0
    assert weight(holds, COLD, now=HELD_SECONDS) == 0


def test_what_the_request_did_not_hold_is_not_held() -> None:
    holds = Holds()
    holds.refused("a", refusal(Verdict.UNKNOWN_FIELD, "tools"), HOT, 0.0)
    holds.refused("a", refusal(Verdict.REFUSED_VALUE, None), HOT, 0.0)
    holds.refused("a", refusal(Verdict.REFUSED, "seed"), HOT, 0.0)
    holds.refused("a", refusal(Verdict.CONTENT, "seed"), HOT, 0.0)
    assert weight(holds, HOT | {"tools": msgspec.Raw(b"[]")}) == 0


def test_a_stated_context_counts_until_it_is_refuted() -> None:
    holds = Holds()
    holds.refused("a", refusal(Verdict.TOO_LONG, context_tokens=8192), HOT, 0.0)
    assert weight(holds, HOT, 8192) == 0
    assert weight(holds, HOT, 8193) == STATED
    holds.answered("a", 8000)
    assert weight(holds, HOT, 8193) == STATED
    holds.answered("a", 9000)
    assert weight(holds, HOT, 8193) == 0
    holds.refused("a", refusal(Verdict.TOO_LONG, context_tokens=1000), HOT, 0.0)
    assert weight(holds, HOT, 8193) == 0


def test_a_length_that_is_not_stated_is_not_held() -> None:
    holds = Holds()
    holds.refused("a", refusal(Verdict.TOO_LONG), HOT, 0.0)
    assert weight(holds, HOT, 10**9) == 0


@given(st.lists(st.text(min_size=1, max_size=5), max_size=200))
def test_callers_cannot_fill_the_memory(names: list[str]) -> None:
    holds = Holds()
    for number, name in enumerate([*names, *(f"n{n}" for n in range(2 * MOST_VALUES))]):
        fields = {name: msgspec.Raw(str(number).encode())}
        holds.refused("a", refusal(Verdict.UNKNOWN_FIELD, name), fields, 0.0)
        holds.refused("a", refusal(Verdict.REFUSED_VALUE, name), fields, 0.0)
    held = holds._models["a"]
    assert len(held.fields) == MOST_FIELDS
    assert len(held.values) == MOST_VALUES
    assert weight(holds, fields) == FIELD


def test_forgetting_is_for_one_model() -> None:
    holds = Holds()
    for model_id in ("a", "b"):
        holds.refused(model_id, refusal(Verdict.UNKNOWN_FIELD, "seed"), HOT, 0.0)
    holds.forget("a")
    assert weight(holds, HOT) == 0
    assert holds.doubt("b", HOT, 10, 1.0) is not None
