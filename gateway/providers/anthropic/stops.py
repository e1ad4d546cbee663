"""Stop sequences that Anthropic refuses (white space alone), applied to the answer by us."""

from collections.abc import Sequence


class StopCutter:
    """Cuts a text that comes in pieces at the first stop sequence. `stopped`: one was found."""

    __slots__ = ("_held", "_stops", "stopped")

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""  # the end of the text, if a stop sequence may begin with it
        self.stopped = False

    def feed(self, text: str) -> str:
        """What can be passed on of this piece and of what was held back."""
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
        """What was held back, when no more text comes."""
        held, self._held = self._held, ""
        return held
