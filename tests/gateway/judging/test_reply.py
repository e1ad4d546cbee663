"""A judge's reply is one JSON object with a score and a ground, or it is none."""

import pytest

from gateway.judging.reply import LONGEST_GROUND, Grade, NoScore, Unscored, read_reply


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
