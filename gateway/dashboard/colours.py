"""The models' colours: eight, by their place in the router, so that a model has the same one on every page."""

from collections.abc import Iterable, Mapping

COLOURS = 8
GREY = 9
"""The colour of models beyond the eighth, and of those that the router has no more."""


def colours_of(model_ids: Iterable[str]) -> Mapping[str, int]:
    """The number of each model's colour."""
    return {model_id: place if place <= COLOURS else GREY for place, model_id in enumerate(model_ids, start=1)}
