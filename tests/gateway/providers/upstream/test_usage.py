"""What providers say of tokens and costs, as it was recorded, and what can't be believed of it."""

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit.price import Tokens
from gateway.providers.upstream.provider import Usage
from gateway.providers.upstream.usage import MOST_TOKENS, MOST_USD, find_usage, read_usage
from tests.support.usages import RECORDED, Recorded

WORDS = sorted(
    {
        word
        for row in RECORDED
        for part in (row.answer, *row.events)
        for word in re.findall(r'"([A-Za-z_]+)":', json.dumps(part))
        if word not in {"choices", "delta", "content"}
    }
)


@pytest.mark.parametrize("row", RECORDED, ids=lambda row: row.id)
def test_a_recorded_usage_means_what_is_written_beside_it(row: Recorded) -> None:
    usage = row.read() or Usage(None)
    assert usage.tokens == row.wanted
    assert usage.tier == row.tier
    assert usage.cost_usd == (None if row.stated_usd is None else pytest.approx(row.stated_usd))


def test_the_table_holds_every_bucket_of_many_providers() -> None:
    assert len(RECORDED) >= 100
    assert len({row.provider for row in RECORDED}) >= 18
    named = {name for row in RECORDED if row.tokens for name, count in row.tokens.items() if count}
    assert named == set(Tokens.__slots__) - {"cached_image_tokens"}
    assert all(row.source for row in RECORDED)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(WORDS), JSON))
def test_whatever_a_provider_sends_no_count_is_absurd_and_no_part_exceeds_its_whole(sent: dict[str, Any]) -> None:
    usage = read_usage(sent)
    assert usage.cost_usd is None or 0.0 <= usage.cost_usd <= MOST_USD * 3
    tokens = usage.tokens
    if tokens is None:
        return
    assert all(0 <= getattr(tokens, name) <= MOST_TOKENS * 8 for name in Tokens.__slots__)
    assert tokens.cached_tokens + tokens.cache_write_tokens <= tokens.prompt_tokens
    assert tokens.cache_write_1h_tokens <= tokens.cache_write_tokens
    assert tokens.audio_input_tokens + tokens.image_input_tokens + tokens.cache_write_tokens <= tokens.prompt_tokens
    assert tokens.cached_audio_tokens + tokens.cached_image_tokens <= tokens.cached_tokens
    spoken = tokens.audio_output_tokens + tokens.image_output_tokens
    assert spoken + tokens.reasoning_tokens + tokens.citation_tokens <= tokens.completion_tokens


@pytest.mark.parametrize(
    ("cost", "believed"),
    [
        (0.0123, 0.0123),
        ("0.0123", 0.0123),
        (0, 0.0),
        (None, None),
        ({}, None),
        (True, None),
        ("free", None),
        (-0.01, None),
        (MOST_USD * 2, None),
        ("NaN", None),
        ("Infinity", None),
        ({"total_cost": -1}, None),
        ({"input_tokens_cost": 0.01, "output_tokens_cost": 0.02, "note_cost": None}, 0.03),
    ],
)
def test_a_stated_cost_is_believed_if_it_can_be_right(cost: Any, believed: float | None) -> None:
    usage = read_usage({"prompt_tokens": 7, "completion_tokens": 3, "cost": cost})
    assert usage.tokens == Tokens(7, 3)
    assert usage.cost_usd == (None if believed is None else pytest.approx(believed))
    assert bool(usage.doubt) == (believed is None and cost not in (None, {}))


@pytest.mark.parametrize(
    ("stated", "upstream", "own_key", "expected"),
    [
        (0.01, 0.2, True, 0.21),
        (0.0, 0.2, True, 0.2),
        (0.2, 0.2, True, 0.2),
        (0.2, 0.2, False, 0.2),
        (0.2, 0.1, False, 0.2),
        (0.2, 0.1, None, 0.2),
        (0.01, 0.2, None, 0.21),
        (0.01, None, True, 0.01),
    ],
)
def test_an_upstream_cost_is_added_only_if_it_is_other_money(
    stated: float, upstream: float | None, own_key: bool | None, expected: float
) -> None:
    usage = {"cost": stated, "is_byok": own_key, "cost_details": {"upstream_inference_cost": upstream}}
    assert read_usage(usage).cost_usd == pytest.approx(expected)


def test_a_cost_may_be_stated_without_tokens() -> None:
    assert read_usage({"cost": 0.5}) == Usage(None, cost_usd=0.5)


def test_a_doubt_names_the_figure_and_is_short() -> None:
    assert read_usage({"prompt_tokens": -3, "completion_tokens": 1}).doubt == "prompt_tokens is -3"
    assert len(read_usage({"prompt_tokens": 10**4000, "completion_tokens": 1}).doubt) < 80


def test_a_figure_that_no_float_holds_is_doubted() -> None:
    assert find_usage({"usage": msgspec.Raw(b'{"prompt_tokens":1e999,"completion_tokens":1}')}) == Usage(
        None, doubt="the usage is not an object"
    )


def test_a_detail_that_is_not_counted_is_none() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "completion_tokens_details": {"reasoning_tokens": -1}}
    assert read_usage(usage).tokens == Tokens(7, 3)


_counts = st.integers(-1, 60) | st.none() | st.just(2**60)
_own_spelling = st.fixed_dictionaries(
    {"prompt_tokens": _counts, "completion_tokens": _counts},
    optional={
        "total_tokens": _counts,
        "prompt_tokens_details": st.dictionaries(st.sampled_from(["cached_tokens", "audio_tokens"]), _counts),
        "completion_tokens_details": st.dictionaries(
            st.sampled_from(["reasoning_tokens", "audio_tokens", "accepted_prediction_tokens"]), _counts
        ),
    },
)


@given(_own_spelling, st.sampled_from([None, "flex", 3]))
def test_openais_own_spelling_means_what_the_general_rules_make_of_it(usage: dict[str, Any], tier: object) -> None:
    """It is read in few steps, because most answers have it."""
    if (usage["prompt_tokens"] or 0) >= 0 and (usage["completion_tokens"] or 0) >= 0:
        usage |= {
            "total_tokens": usage.get("total_tokens")
            or (usage["prompt_tokens"] or 0) + (usage["completion_tokens"] or 0)
        }
    fields = {"usage": msgspec.Raw(json.dumps(usage).encode()), "service_tier": msgspec.Raw(json.dumps(tier).encode())}
    assert find_usage(fields) == read_usage(usage, tier if isinstance(tier, str) else None)
