"""Labels of a chart touch neither one another nor its line, and stay inside."""

import re

import pytest

from gateway.dashboard.labels import LINE, WIDTH, Box, Label, along, placed
from gateway.dashboard.svg import CHARACTER

HEIGHT = 300.0
CURVE = along([(0.1, 0.9), (0.3, 0.5), (0.9, 0.1)])


def boxes(texts: str) -> list[Box]:
    found = re.findall(
        r'x="([\d.]+)%" y="([\d.]+)%" dx="(-?[\d.]+)" dy="(-?[\d.]+)" text-anchor="(\w+)"[^>]*>([^<]*)', texts
    )
    told = []
    for x, y, dx, dy, anchor, words in found:
        width = CHARACTER * len(words)
        left = WIDTH * float(x) / 100 + float(dx) - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
        bottom = HEIGHT * float(y) / 100 + float(dy)
        told.append(Box(left, bottom - LINE + 3.0, left + width, bottom + 3.0))
    return told


@pytest.mark.parametrize(
    "labels",
    [
        [Label((0.3, 0.5), "proposed", "hi"), Label((0.34, 0.44), "now", "hi"), Label((0.36, 0.4), "always sage")],
        [Label((0.98, 0.02), "now"), Label((0.97, 0.03), "proposed"), Label((0.95, 0.3), "always claude-sonnet-5")],
        [Label((0.01, 0.99), "always a-model-of-a-long-name"), Label((0.02, 0.98), "now")],
    ],
)
def test_labels_that_are_near_one_another_do_not_touch(labels: list[Label]) -> None:
    told = boxes(placed(labels, CURVE, HEIGHT))
    assert len(told) == len(labels)
    assert all(one.overlap(two) == 0.0 for n, one in enumerate(told) for two in told[:n])
    assert all(each.left >= 0 and each.right <= WIDTH and each.top >= 0 and each.bottom <= HEIGHT for each in told)
    in_the_way = [(WIDTH * x, HEIGHT * y) for x, y in CURVE]
    assert not any(each.left < x < each.right and each.top < y < each.bottom for each in told for x, y in in_the_way), (
        "the line crosses a label"
    )


def test_a_label_without_room_is_drawn_all_the_same() -> None:
    crowd = [Label((0.5, 0.5), f"always model-{number}") for number in range(12)]
    assert len(boxes(placed(crowd, CURVE, HEIGHT))) == 12
