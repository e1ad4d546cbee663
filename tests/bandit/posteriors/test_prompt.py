"""Prompt tokens by part: additive rows, the ridge regression that they are sums for, and what a prompt then costs."""

import itertools
import math
import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bandit.buckets import bucketed
from bandit.learning import learn_attempt, merge
from bandit.posteriors.prompt import (
    LARGEST_RATIOS,
    NOISE,
    PAIR_SIGNALS,
    PART_SIGNALS,
    PRIOR_TOKENS,
    SMALLEST_RATIOS,
    _solve,
    observe,
    prompt_ratios,
)
from bandit.posteriors.snapshot import Snapshot, take_snapshot
from bandit.price import Price
from bandit.statistics import Signal, StatisticKey
from bandit.statistics import Sums as SumsOf
from bandit.types import Arm, Attempt, BudgetState, Context, Ending, PromptParts, RouterSettings

USD = 1e-6
ARM = Arm("a/one", Price(USD, 0.0, USD / 10))
OTHER = Arm("b/two", Price(USD, 0.0, USD / 10))
SETTINGS = RouterSettings("rtr_x")
PROMPT_SIGNALS = (*PART_SIGNALS, *PAIR_SIGNALS.values())

Statistics = dict[StatisticKey, SumsOf]
Answer = tuple[PromptParts, int]
"""A prompt's estimated tokens by part, and the tokens that were billed."""


def snapshot_of(sums: Statistics, *arms: Arm) -> Snapshot:
    return take_snapshot(SETTINGS, arms or (ARM,), sums, BudgetState(), 0.0)


def context_of(parts: PromptParts, **more: object) -> Context:
    text, tools, images, audio, files = parts
    return Context("code", text, tool_tokens=tools, image_tokens=images, audio_tokens=audio, file_tokens=files, **more)  # type: ignore[arg-type]  # any field


def taught(parts: PromptParts, billed: int) -> Statistics:
    attempt = Attempt(1, "a/one", 1.0, True, Ending.COMPLETE, 0.0, 2.0, stream=False, prompt_tokens=billed)
    learned = learn_attempt(snapshot_of({}), context_of(parts), attempt, 0.0, None)
    return {key: sums for key, sums in learned.items() if key.signal in PROMPT_SIGNALS}


def learned(answers: Sequence[Answer]) -> Statistics:
    sums: Statistics = {}
    for parts, billed in answers:
        merge(sums, taught(parts, billed))
    return sums


def usd(sums: Statistics, parts: PromptParts) -> float:
    """What a prompt is expected to cost."""
    return float(snapshot_of(sums).cost_usd(context_of(parts))[0][0])


def test_a_plain_text_answer_writes_one_row_estimated_and_billed_tokens() -> None:
    ((key, sums),) = taught(PromptParts(400), 440).items()
    assert key.signal is Signal.PROMPT_RATIO
    assert (sums.weight, sums.total, sums.squares) == (400.0, 440.0, 0.0)


@pytest.mark.parametrize(
    ("parts", "rows"),
    [
        (PromptParts(10, tools=90), {Signal.PROMPT_RATIO, Signal.PROMPT_TOOLS}),
        (PromptParts(10, images=800), {Signal.PROMPT_RATIO, Signal.PROMPT_IMAGES}),
        (
            PromptParts(10, tools=90, files=500),
            {Signal.PROMPT_RATIO, Signal.PROMPT_TOOLS, Signal.PROMPT_FILES, Signal.PROMPT_TOOLS_FILES},
        ),
    ],
)
def test_an_answer_writes_rows_for_the_parts_that_it_has_alone(parts: PromptParts, rows: set[Signal]) -> None:
    assert {key.signal for key in taught(parts, 1_000)} == rows


def test_thirty_answers_with_large_tool_schemas_leave_the_price_of_a_text_alone() -> None:
    text = PromptParts(2_500)
    sums = learned([(PromptParts(1, tools=5_000), 8_000)] * 30)
    assert usd(sums, text) == pytest.approx(usd({}, text), rel=0.01)
    assert usd(sums, PromptParts(1, tools=5_000)) == pytest.approx(8_000 * USD, rel=0.01)


def test_each_part_gets_its_own_ratio() -> None:
    rng = random.Random(5)
    ratios = (1.2, 0.6, 0.3, 2.0, 4.0)
    answers = []
    for _ in range(200):
        parts = PromptParts(rng.randint(50, 4_000), *(rng.choice((0, rng.randint(100, 3_000))) for _ in range(4)))
        exact = sum(tokens * ratio for tokens, ratio in zip(parts, ratios, strict=True))
        answers.append((parts, round(exact * math.exp(rng.gauss(0.0, 0.05)))))
    mean = snapshot_of(learned(answers)).prompt_ratios.mean[:, 0]
    assert mean == pytest.approx(np.array(ratios), rel=0.1)


def test_with_little_data_the_prior_holds() -> None:
    parts = PromptParts(20, tools=10)
    assert usd(learned([(parts, 90)]), PromptParts(2_000, tools=1_000)) == pytest.approx(3_000 * USD, rel=0.1)


def test_parts_that_always_come_together_are_billed_rightly_together_and_never_below_zero() -> None:
    together = PromptParts(500, tools=500, images=800)
    sums = learned([(together, 600)] * 50)
    assert usd(sums, together) == pytest.approx(600 * USD, rel=0.05)
    for alone in (PromptParts(500), PromptParts(1, tools=500), PromptParts(1, images=800)):
        assert 0.0 < usd(sums, alone) < 1_000 * USD


PARTS = st.builds(PromptParts, st.integers(1, 3_000), *[st.sampled_from([0, 0, 7, 800, 20_000])] * 4)


@given(st.lists(st.tuples(PARTS, st.integers(1, 30_000)), min_size=1, max_size=12))
def test_the_ratios_are_those_of_the_ridge_regression_on_the_answers_themselves(answers: list[Answer]) -> None:
    size = np.array([float(sum(parts)) for parts, _ in answers])
    x = np.array([list(map(float, parts)) for parts, _ in answers]) / np.sqrt(size)[:, None]
    y = np.array([float(billed) for _, billed in answers]) / np.sqrt(size)
    ridge = x.T @ x + np.diag(PRIOR_TOKENS)
    expected = np.linalg.solve(ridge, x.T @ y + PRIOR_TOKENS)
    ratios = snapshot_of(learned(answers)).prompt_ratios
    bounded = np.clip(expected, SMALLEST_RATIOS, LARGEST_RATIOS)
    if (bounded == expected).all():
        assert ratios.mean[:, 0] == pytest.approx(expected, rel=1e-6)
    assert (np.clip(ratios.mean[:, 0], SMALLEST_RATIOS, LARGEST_RATIOS) == ratios.mean[:, 0]).all()
    assert ratios.covariance[0] == pytest.approx(NOISE * np.linalg.inv(ridge), rel=1e-6, abs=1e-9)


@given(st.permutations(range(8)), st.randoms(use_true_random=False))
def test_any_order_and_any_split_give_the_same_price(order: list[int], rng: random.Random) -> None:
    answers = [
        (PromptParts(rng.randint(1, 3_000), rng.choice((0, 400)), rng.choice((0, 800))), rng.randint(1, 9_000))
        for _ in order
    ]
    asked = PromptParts(700, tools=300, images=1_600)
    one, other = learned([answers[i] for i in order[:3]]), learned([answers[i] for i in order[3:]])
    merge(other, one)
    assert usd(other, asked) == pytest.approx(usd(learned(answers), asked))


@pytest.mark.parametrize("others", [[], [(PromptParts(9, tools=800), 500)] * 20])
def test_whatever_was_billed_beside_short_texts_a_long_text_costs_no_more_than_a_token_a_byte(
    others: list[Answer],
) -> None:
    """Such as the tokens of tools in the text's row of an older database, or a prompt of the provider's own."""
    sums = learned([(PromptParts(9), 8_000)] * 30 + others)
    assert usd(sums, PromptParts(2_500)) <= 4 * 2_500 * USD
    if others:
        assert usd(sums, PromptParts(9, tools=800)) == pytest.approx(500 * USD, rel=0.1)


def test_a_statistic_of_text_alone_reads_as_it_did_before_parts_had_their_own() -> None:
    key = StatisticKey("rtr_x", "a/one", "", Signal.PROMPT_RATIO)
    ratios = snapshot_of({key: SumsOf(0.0, 604_800.0, 50_000.0, 60_000.0)}).prompt_ratios
    assert ratios.mean[0, 0] == pytest.approx((2_000 + 60_000) / (2_000 + 50_000))
    assert ratios.mean[1:, 0].tolist() == [1.0] * 4


@pytest.mark.parametrize("lost", PROMPT_SIGNALS)
def test_whichever_row_is_lost_the_rest_gives_sensible_prices(lost: Signal) -> None:
    everything = PromptParts(900, 700, 800, 160, 500)
    pairs = [
        PromptParts(300, *(600 if place in pair else 0 for place in range(4)))
        for pair in itertools.combinations(range(4), 2)
    ]
    sums = learned([(parts, round(1.1 * sum(parts))) for parts in (everything, PromptParts(300), *pairs)] * 20)
    broken = {key: SumsOf(0.0, 1.0, math.nan) if key.signal is lost else row for key, row in sums.items()}
    assert len(broken) == len(PROMPT_SIGNALS)
    snapshot = snapshot_of(broken)
    assert len(snapshot.warnings) == 1
    mean, variance = snapshot.cost_usd(context_of(everything))
    assert 0.2 * sum(everything) * USD < mean[0] < 5.0 * sum(everything) * USD
    assert 0.0 <= variance[0] < math.inf


def test_images_and_sound_are_expected_at_their_own_prices() -> None:
    arm = Arm("a/one", Price(USD, 0.0, USD, audio_input_usd=40 * USD, image_input_usd=10 * USD))
    mean, _ = snapshot_of({}, arm).cost_usd(context_of(PromptParts(100, tools=50, images=800, audio=160, files=50)))
    assert mean[0] == pytest.approx((200 + 8_000 + 6_400) * USD)


def test_the_length_at_which_prices_step_is_that_of_all_parts() -> None:
    arm = Arm("a/one", Price(USD, 0.0, USD, longer=((10_000, Price(2 * USD, 0.0, USD)),)))
    snapshot = snapshot_of({}, arm)
    assert snapshot.cost_usd(context_of(PromptParts(100, tools=9_000)))[0][0] == pytest.approx(9_100 * USD)
    assert snapshot.cost_usd(context_of(PromptParts(100, tools=11_000)))[0][0] == pytest.approx(2 * 11_100 * USD)


def test_a_prompt_cache_makes_the_prompt_cheaper_for_its_own_model_alone() -> None:
    snapshot = snapshot_of({}, ARM, OTHER)
    fresh = context_of(PromptParts(4_000))
    held = context_of(PromptParts(4_000), cached_tokens=3_000, cached_by="a/one")
    assert snapshot.cost_usd(held)[0] == pytest.approx([1_300 * USD, 4_000 * USD])
    assert snapshot.cost_usd(fresh)[0] == pytest.approx([4_000 * USD, 4_000 * USD])


def test_no_more_is_cached_than_the_prompt_has() -> None:
    held = context_of(PromptParts(1_000), cached_tokens=9_000, cached_by="a/one")
    assert snapshot_of({}).cost_usd(held)[0][0] == pytest.approx(100 * USD)


def test_equal_questions_share_a_context_whatever_their_exact_parts() -> None:
    one, other = (
        bucketed("code", PromptParts(*parts), max_tokens=None, stream=False, wants_json=False)
        for parts in ((1_000, 510, 800, 160, 90), (1_010, 500, 800, 161, 91))
    )
    assert one == other
    assert one.parts == PromptParts(1_024, 512, 724, 181, 91)


def test_what_nobody_holds_is_not_cached() -> None:
    context = bucketed("code", PromptParts(9), max_tokens=None, stream=False, wants_json=False, cached_tokens=500)
    assert (context.cached_tokens, context.cached_by) == (0, None)


@given(
    part=st.integers(1, 4),
    answers=st.lists(
        st.tuples(st.integers(0, 10**5), st.integers(0, 10**4), st.sampled_from([0.0, 0.3, 1.0, 1.3, 9.0])), min_size=1
    ),
    lacking=st.sampled_from([None, 1.0, 3.0]),
)
@example(part=1, answers=[(10**5, 0, 0.0)], lacking=None)  # text alone, as good as unbilled
def test_text_and_one_other_part_have_the_ratios_that_matrices_give(
    part: int, answers: list[tuple[int, int, float]], lacking: float | None
) -> None:
    parts, pairs = np.zeros((3, 5, 2)), np.zeros((6, 2))
    for text, tokens, billed in answers:
        prompt = [text, *(tokens if place == part else 0 for place in range(1, 5))]
        for signal, *row in observe(prompt, int(billed * (text + tokens))):
            parts[:, PART_SIGNALS.index(signal), 0] += row
    parts[2, part] *= lacking or 1.0  # more than can be: a row is missing
    found = prompt_ratios(parts, pairs)
    mean, covariance = _solve(parts, pairs)
    assert found.mean == pytest.approx(mean, rel=1e-9)
    assert found.covariance == pytest.approx(covariance, rel=1e-9, abs=1e-12)
