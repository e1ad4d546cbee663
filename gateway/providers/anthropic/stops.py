"""Applies stop sequences that Anthropic refuses (white space only) to the answer."""

from collections.abc import Sequence


class StopCutter:
    """Cuts a text that comes in pieces at the first stop sequence. `stopped`: one was found."""

    __slots__ = ("_held", "_stops", "stopped")

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""  # the end of the text, if a stop sequence may begin with it
        self.stopped = False

    def feed(self, text: str) -> str:
        """Add a piece of text; return what can be passed on of it and of what was held back."""
        if not self._stops:
            return text
        if self.stopped:
            return ""
        text, self._held = self._held + text, ""
        places = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if places:
            self.stopped = True
            return text[: min(places)]
        held = max(
            (size for stop in self._stops for size in range(1, len(stop)) if text.endswith(stop[:size])), default=0
        )
        if held:
            text, self._held = text[:-held], text[-held:]
        return text

    def flush(self) -> str:
        """Return what was held back, at the end of the text."""
        held, self._held = self._held, ""
        return held
