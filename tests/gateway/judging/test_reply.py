"""A judge's reply is one JSON object with scores and a ground, or it is none."""

import pytest

from gateway.judging.reply import LONGEST_GROUND, Comparison, Grade, NoScore, Unscored, read_comparison, read_reply


@pytest.mark.parametrize(
    ("reply", "grade"),
    [
        ('{"score": 0.25, "ground": "misses a case"}', Grade(0.25, "misses a case")),
        (' {"ground": " right ", "score": 1} \n', Grade(1.0, "right")),
        ('```json\n{"score": 0, "ground": ""}\n```', Grade(0.0, "")),
        ('{"score": 0.5, "ground": "%s"}' % ("x" * 10_000), Grade(0.5, "x" * LONGEST_GROUND)),
    ],
)
def test_a_score_with_its_ground_is_read(reply: str, grade: Grade) -> None:
    assert read_reply(reply, "stop") == grade


@pytest.mark.parametrize(
    ("reply", "finish_reason", "reason"),
    [
        ("The answer deserves a 1.0.", "stop", Unscored.PROSE),
        ('Sure! {"score": 1, "ground": "fine"}', "stop", Unscored.PROSE),
        ('{"score": 1, "ground": "fine"} {"score": 0, "ground": "no"}', "stop", Unscored.PROSE),
        ("I can't help with that.", "stop", Unscored.PROSE),
        ('{"score": NaN, "ground": "fine"}', "stop", Unscored.PROSE),
        ("[1]", "stop", Unscored.MALFORMED),
        ("0.9", "stop", Unscored.MALFORMED),
        ("[" * 100_000, "stop", Unscored.MALFORMED),
        ("\ud800", "stop", Unscored.PROSE),
        ('{"score": null, "ground": "fine"}', "stop", Unscored.BAD_SCORE),
        ('{"score": 7, "ground": "fine"}', "stop", Unscored.BAD_SCORE),
        ('{"score": -0.1, "ground": "fine"}', "stop", Unscored.BAD_SCORE),
        ('{"score": "1.0", "ground": "fine"}', "stop", Unscored.BAD_SCORE),
        ('{"score": true, "ground": "fine"}', "stop", Unscored.BAD_SCORE),
        ('{"score": 1e999, "ground": "fine"}', "stop", Unscored.BAD_SCORE),
        ('{"ground": "fine"}', "stop", Unscored.BAD_SCORE),
        ('{"score": 1}', "stop", Unscored.MALFORMED),
        ('{"score": 1, "ground": "fine", "also": 2}', "stop", Unscored.MALFORMED),
        ("", "stop", Unscored.EMPTY),
        (None, "stop", Unscored.EMPTY),
        ('{"score": 1, "ground": "fi', "length", Unscored.CUT),
        ("", "content_filter", Unscored.REFUSED),
    ],
)
def test_anything_else_is_no_score_and_says_why(reply: str | None, finish_reason: str, reason: Unscored) -> None:
    with pytest.raises(NoScore) as caught:
        read_reply(reply, finish_reason)
    assert caught.value.reason is reason


def test_scores_of_two_answers_are_read() -> None:
    reply = '{"first": 0.25, "second": 1, "ground": "the first misses a case"}'
    assert read_comparison(reply, "stop") == Comparison(0.25, 1.0, "the first misses a case")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("The first is better.", Unscored.PROSE),
        ('{"score": 1, "ground": "fine"}', Unscored.MALFORMED),
        ('{"winner": "first", "ground": "fine"}', Unscored.MALFORMED),
        ('{"first": 1, "ground": "fine"}', Unscored.BAD_SCORE),
        ('{"first": 1, "second": 7, "ground": "fine"}', Unscored.BAD_SCORE),
        ('{"first": "1", "second": 0, "ground": "fine"}', Unscored.BAD_SCORE),
        ("", Unscored.EMPTY),
    ],
)
def test_anything_else_compares_nothing(reply: str, reason: Unscored) -> None:
    with pytest.raises(NoScore) as caught:
        read_comparison(reply, "stop")
    assert caught.value.reason is reason
