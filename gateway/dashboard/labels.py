"""Labels of points in a chart: each beside its point, where it touches neither another one nor what is drawn."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from bandit.quick import quick_dataclass
from gateway.dashboard import svg
from gateway.dashboard.svg import Point

WIDTH = 300
"""Pixels of a chart where it is narrowest, on a phone: what is apart there is so on every screen."""
LINE = 13.0
"""Pixels of a line of text."""
SIDES = (("start", 11.0), ("end", -11.0), ("middle", 0.0))
HEIGHTS = (-8.0, 17.0, -14.0, 24.0, -28.0, 38.0, -42.0, 52.0)
PLACES = tuple((anchor, dx, dy) for dy in HEIGHTS for anchor, dx in SIDES if dx or (abs(dy) >= 14.0 and dy != 17.0))
"""Where a label may stand, the best first: anchor and shift in pixels."""
OUTSIDE = 1_000.0


@quick_dataclass(frozen=True, slots=True)
class Label:
    """The name of a point."""

    at: Point
    words: str
    kind: str = "lab"


@quick_dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: "Box") -> float:
        """The common area in square pixels."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(width, 0.0) * max(height, 0.0)


def along(line: Sequence[Point], steps: int = 12) -> list[Point]:
    """Points on a line, so near one another that no label slips between them."""
    return [
        (a[0] + (b[0] - a[0]) * step / steps, a[1] + (b[1] - a[1]) * step / steps)
        for a, b in pairwise(line)
        for step in range(steps + 1)
    ]


def placed(labels: Iterable[Label], drawn: Sequence[Point], height: float) -> str:
    """The texts, each at the first of its places that is free, else where it covers least. `drawn` is in the way."""
    points = [(WIDTH * x, height * y) for x, y in drawn]
    taken: list[Box] = []
    texts = ""
    for label in labels:
        costs = [_cost(_box(label, place, height), taken, points, height) for place in PLACES]
        best = PLACES[costs.index(min(costs))]
        taken.append(_box(label, best, height))
        anchor, dx, dy = best
        texts += svg.text(*label.at, label.words, label.kind, anchor=anchor, dx=dx, dy=dy)
    return texts


def _box(label: Label, place: tuple[str, float, float], height: float) -> Box:
    anchor, dx, dy = place
    width = svg.CHARACTER * len(label.words)
    start = WIDTH * label.at[0] + dx - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
    base = height * label.at[1] + dy
    return Box(start, base - LINE + 3.0, start + width, base + 3.0)


def _cost(box: Box, taken: Sequence[Box], points: Sequence[Point], height: float) -> float:
    outside = max(-box.left, 0.0) + max(box.right - WIDTH, 0.0) + max(-box.top, 0.0) + max(box.bottom - height, 0.0)
    covered = sum(box.left - 2 <= x <= box.right + 2 and box.top - 2 <= y <= box.bottom + 2 for x, y in points)
    return OUTSIDE * outside + sum(4.0 * box.overlap(each) for each in taken) + 20.0 * covered
