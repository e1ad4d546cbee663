"""Applies the rules of a text to one request."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from bandit.types import Steering
from gateway.dollars import dollars
from gateway.instructions.conditions import Asked, kinds_of
from gateway.instructions.effects import Mention, Mode
from gateway.instructions.lexicon import Dimension
from gateway.instructions.names import looks_like_a_name, resolve
from gateway.instructions.rules import Rule, Span, read_rules
from gateway.instructions.sentences import Word

LARGEST_MULTIPLIER = 10.0

SHORT_TEXT_CHARS = 500
REMEMBERED_TEXTS = 512
REMEMBERED_LONG_TEXTS = 16
"""Size of the cache for long texts, which take more memory and are rare."""

FRAGMENT_CHARS = 60
MOST_FRAGMENTS = 4
"""Pieces of text that were not understood are reported up to this number, the last as "more"."""
GAP_CHARS = 12
"""Pieces this near to each other are reported as one."""

_SAID = {
    Dimension.QUALITY: ("higher quality", "quality matters less"),
    Dimension.COST: ("lower cost", "cost matters less"),
    Dimension.SECOND: ("shorter waiting", "waiting matters less"),
}


@dataclass(frozen=True, slots=True)
class Interpretation:
    """The effect of instructions on one request.

    `allowed` None: they restrict no models; empty: they demand a model that does not exist. A model in `forbidden` is
    excluded even if it is in `allowed`. `steering.words` say what is in force: "lower cost ×3, only openai".
    """

    steering: Steering
    allowed: frozenset[str] | None
    forbidden: frozenset[str]
    max_usd: float | None = None  # limit on the expected cost


@dataclass(frozen=True, slots=True)
class Instructions:
    """A text that was parsed, for every request that comes with it."""

    text: str
    rules: tuple[Rule, ...]
    unknown: tuple[Span, ...]  # not understood, whatever the request

    def apply(
        self, task: str, long: bool, tools: bool, models: Sequence[str], serving: Collection[str] | None = None
    ) -> Interpretation:
        """The effect on a request of class `task`, long or not, with tools or not, among a router's model ids.

        `serving` are those that can serve this request now (None: all): a preference for others changes nothing.
        """
        kinds, name = kinds_of(task)
        application = _Application(Asked(kinds, name, long, tools), models, models if serving is None else serving)
        for rule in self.rules:
            application.add(rule)
        return application.result(self.text, self.unknown)


def interpret(text: str) -> Instructions:
    """Parse instructions of up to a few thousand characters; the same text always gives the same rules. Cached."""
    return _interpret_short(text) if len(text) <= SHORT_TEXT_CHARS else _interpret_long(text)


def _interpret(text: str) -> Instructions:
    return Instructions(text, *read_rules(text))


_interpret_short = lru_cache(REMEMBERED_TEXTS)(_interpret)
_interpret_long = lru_cache(REMEMBERED_LONG_TEXTS)(_interpret)


@dataclass(slots=True)
class _Application:
    """Collects the effects of rules on one request."""

    asked: Asked
    models: Sequence[str]
    serving: Collection[str]
    multipliers: dict[Dimension, float] = field(default_factory=dict)
    demanded: bool = False
    kept: frozenset[str] = frozenset()
    wished: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
    unknown: list[Word] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    max_usd: float | None = None

    def add(self, rule: Rule) -> None:
        holds = rule.holds(self.asked)
        self.unknown += rule.unknown_conditions(self.asked)
        for mention in rule.wish.mentions:
            self._mention(mention, holds)
        if holds:
            for dimension, multiplier in rule.wish.multipliers:
                self.multipliers[dimension] = self.multipliers.get(dimension, 1.0) * multiplier
            limit = rule.wish.max_usd
            if limit is not None and (self.max_usd is None or limit < self.max_usd):
                self.max_usd = limit

    def _mention(self, mention: Mention, holds: bool) -> None:
        found, used = resolve([word.text for word in mention.words], self.models)
        unresolved = [word for place, word in enumerate(mention.words) if place not in used]
        absent = [word for word in unresolved if looks_like_a_name(word.text)]
        self.unknown += [word for word in unresolved if word not in absent or mention.mode is Mode.WISH]
        if not holds or not (found or absent):
            return
        said = " ".join(word.text for word in mention.words if word in absent or word not in unresolved)
        if mention.mode is Mode.AVOID:
            self.forbidden |= found
            self.words.append(f"without {said}")
        elif mention.mode is not Mode.WISH:
            self.demanded = True
            self.kept |= found
            self.words.append(f"only {said}")
        elif not found.isdisjoint(self.serving):
            self.wished |= found.intersection(self.serving)
            self.words.append(f"rather {said}")
        elif found:
            self.words.append(f"rather {said}, which can't serve this now")

    def result(self, text: str, unknown: Iterable[Span]) -> Interpretation:
        allowed = self.kept if self.demanded else None
        wished = (self.wished if allowed is None else self.wished & allowed) - self.forbidden
        factors = {dimension: self._multiplier(dimension) for dimension in Dimension}
        said = [
            f"{_SAID[dimension][factor < 1.0]} ×{factor:.2g}" for dimension, factor in factors.items() if factor != 1.0
        ]
        if self.max_usd is not None:
            said.append(f"at most {dollars(self.max_usd, 6)}")
        spans = sorted({*unknown, *((word.start, word.end) for word in self.unknown)})
        steering = Steering(
            quality=factors[Dimension.QUALITY],
            cost=factors[Dimension.COST],
            second=factors[Dimension.SECOND],
            words=_cut(", ".join([*said, *dict.fromkeys(self.words)]), 3 * FRAGMENT_CHARS),
            not_understood=fragments(text, spans),
        )
        return Interpretation(steering, wished or allowed, self.forbidden, self.max_usd)

    def _multiplier(self, dimension: Dimension) -> float:
        return min(max(self.multipliers.get(dimension, 1.0), 1.0 / LARGEST_MULTIPLIER), LARGEST_MULTIPLIER)


def fragments(text: str, spans: Sequence[Span]) -> tuple[str, ...]:
    """Stretches of text in the caller's own words: near ones joined, long ones cut."""
    joined: list[Span] = []
    for start, end in spans:
        if joined and start - joined[-1][1] <= GAP_CHARS:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    pieces = [
        _cut(" ".join(text[start : min(end, start + 4 * FRAGMENT_CHARS)].split()), FRAGMENT_CHARS)
        for start, end in joined
    ]
    pieces = ["".join(filter(str.isprintable, piece)) for piece in pieces]
    if len(pieces) > MOST_FRAGMENTS:
        return (
            *pieces[: MOST_FRAGMENTS - 1],
            f"{pieces[MOST_FRAGMENTS - 1]} … and {len(pieces) - MOST_FRAGMENTS} more",
        )
    return tuple(pieces)


def _cut(text: str, chars: int) -> str:
    return text if len(text) <= chars else text[: chars - 1] + "…"
