"""Deltas: what events add to the statistics, summed per batch and stored with each outcome so that it can be refolded.

An outcome's deltas are stored as `{model: {signal or signal/task: [weight, total, squares]}}`, with the instant as a
fourth number if it is not the outcome's own. Half-lives are not stored: they are the router's, and can be changed.
"""

import logging
from collections.abc import Callable, Iterator
from math import isfinite

import msgspec

from bandit.statistics import Deltas, Signal, StatisticKey, Sums

log = logging.getLogger(__name__)

HalfLife = Callable[[str, Signal], float]
"""A router's half-life of a signal, in seconds."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(dict[str, dict[str, list[float]]])
SIGNALS = {signal.value: signal for signal in Signal}


def encode_deltas(deltas: Deltas, at: float) -> str:
    """Encode the deltas of an outcome that ended at `at`, for the column `learned`. All are finite."""
    models: dict[str, dict[str, tuple[float, ...]]] = {}
    for (_, model_id, task, signal), sums in deltas.items():
        numbers: tuple[float, ...] = (sums.weight, sums.total, sums.squares)
        if sums.at != at:
            numbers = (*numbers, sums.at)
        model = models.get(model_id)
        if model is None:
            model = models[model_id] = {}
        name: str = signal._value_  # the member itself takes a third longer to encode
        model[f"{name}/{task}" if task else name] = numbers
    return _encoder.encode(models).decode()


def extend_encoded(encoded: str, deltas: Deltas, at: float) -> str:
    """Add deltas of further statistics to the encoded ones of an outcome that ended at `at`."""
    models = _decoder.decode(encoded)
    for model_id, entries in _decoder.decode(encode_deltas(deltas, at)).items():
        models[model_id] = models.get(model_id, {}) | entries
    return msgspec.json.encode(models).decode()


def moved_back(encoded: str, now: float) -> str:
    """Return encoded deltas without instants of their own after `now`, for an outcome that is moved to `now`."""
    models = _decoder.decode(encoded)
    if not any(len(numbers) > 3 and numbers[3] > now for entries in models.values() for numbers in entries.values()):
        return encoded
    for entries in models.values():
        for name, numbers in entries.items():
            entries[name] = [*numbers[:3], *(min(own, now) for own in numbers[3:])]
    return msgspec.json.encode(models).decode()


def decode_deltas(encoded: str, router_id: str, at: float, half_life: HalfLife) -> Iterator[tuple[StatisticKey, Sums]]:
    """Decode an outcome's deltas, with today's half-lives; unknown signals are left out."""
    for model_id, entries in _decoder.decode(encoded).items():
        for name, numbers in entries.items():
            signal_name, _, task = name.partition("/")
            signal = SIGNALS.get(signal_name)
            if signal is not None:
                weight, total, squares, *own = numbers
                key = StatisticKey(router_id, model_id, task, signal)
                sums = Sums(own[0] if own else at, half_life(router_id, signal), weight, total, squares)
                yield key, sums


class DeltaSums:
    """Deltas of many events, summed per statistic as `Sums.__add__` does, without a value of its own per event."""

    __slots__ = ("_sums",)

    def __init__(self) -> None:
        self._sums: dict[StatisticKey, tuple[float, float, float, float, float]] = {}

    def add(self, deltas: Deltas) -> Deltas:
        """Add an event's deltas, and return those that were added. One that is not finite is logged as an error."""
        sums = self._sums
        broken: list[StatisticKey] = []
        for key, new in deltas.items():
            at, weight, total, squares = new.at, new.weight, new.total, new.squares
            if not isfinite(at + weight + total + squares):
                log.error("a statistic of %s would become %s: not learned", key, new)
                broken.append(key)
                continue
            held = sums.get(key)
            if held is None:
                sums[key] = (at, new.half_life, weight, total, squares)
                continue
            last, half_life, w, t, s = held
            if at >= last:
                fade = 2.0 ** ((last - at) / half_life)
                sums[key] = (at, half_life, w * fade + weight, t * fade + total, s * fade + squares)
            else:
                fade = 2.0 ** ((at - last) / half_life)
                sums[key] = (last, half_life, w + weight * fade, t + total * fade, s + squares * fade)
        return {key: new for key, new in deltas.items() if key not in broken} if broken else deltas

    def rows(self) -> list[tuple[object, ...]]:
        """Rows of the table `arms`, sorted: all processes lock rows in the same order, so that they can't deadlock."""
        return sorted((key[0], key[1], key[2], str(key[3]), *held) for key, held in self._sums.items())

    def parts(self) -> list[tuple[StatisticKey, tuple[float, float, float, float, float]]]:
        """The sums so far, each as the fields of `Sums`."""
        return list(self._sums.items())

    def deltas(self) -> dict[StatisticKey, Sums]:
        """The sums so far."""
        return {key: Sums(*held) for key, held in self._sums.items()}
