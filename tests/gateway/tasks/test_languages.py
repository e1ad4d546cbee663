"""The language of a request's text."""

import pytest

from gateway.instructions.facts import LANGUAGES
from gateway.tasks.languages import READ_CHARS, language_of

SAID = {
    "Schreibe eine Funktion, die zwei Listen zusammenführt.": "de",
    "Bonjour, pouvez-vous m'aider à écrire une lettre ?": "fr",
    "Fix this bug in my function, it returns the wrong number.": "en",
    "Hola, ¿cómo puedo devolver este producto?": "es",
    "これを翻訳してください": "ja",
    "写一个排序函数": "zh",
    "Jak napisać funkcję w Pythonie?": "pl",
    "Kan du hjälpa mig med den här koden?": "sv",
}


@pytest.mark.parametrize(("text", "code"), SAID.items())
def test_a_sentence_tells_its_language(text: str, code: str) -> None:
    assert language_of(text) == code
    assert code in LANGUAGES.values()


@pytest.mark.parametrize("text", ["", "12345", "OK", "🚀", "\ud800", "SELECT * FROM users WHERE id=1"])
def test_what_says_too_little_has_none(text: str) -> None:
    assert language_of(text) == ""


def test_code_in_a_fence_does_not_count() -> None:
    code = "```python\nfor each in things:\n    print('the quick brown fox is here', each)\n```\n"
    assert language_of(code + "Was ist an dieser Schleife falsch?") == "de"


def test_no_more_than_the_beginning_is_read() -> None:
    german = "Das ist ein deutscher Satz, der etwas sagt. " * 20
    assert language_of(german[:READ_CHARS] + " and then it goes on in English. " * 200) == "de"
