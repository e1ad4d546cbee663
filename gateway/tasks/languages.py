"""The language that a request's text is written in."""

import re
from functools import cache
from typing import TYPE_CHECKING

from gateway.instructions.facts import LANGUAGES

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

READ_CHARS = 600
"""Characters that are read of a text's beginning: 0.3 ms at most."""
LEAST_PROBABILITY = 0.5
"""Below this the language counts as unknown: of "OK", of a table, of code alone."""
_FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)


def language_of(text: str) -> str:
    """The code of a text's language (ISO 639-1), one of those that rules can name; empty if it can't be told."""
    said = _FENCED.sub(" ", text[: 4 * READ_CHARS])[:READ_CHARS]
    if not any(map(str.isalpha, said)):
        return ""
    code, probability = _identifier().classify(said)
    return str(code) if probability >= LEAST_PROBABILITY else ""


def load_languages() -> None:
    """Read the model, which takes half a second and 100 MB, before a request needs it."""
    _identifier()


@cache
def _identifier() -> "LanguageIdentifier":
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415 - few processes need it

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(LANGUAGES.values()))
    return identifier
