"""The words of a system prompt that are the same in each request: without dates, numbers, ids, names and inserts.

An application fills its prompt in for each request: a date, the user's name, what was retrieved for the question. What
is left after these are removed tells its call sites apart. Only the first words count, so that an insert at the end
that nothing marks is not read in most prompts. Linear in the text, of which a bounded part is read.
"""

import re
from functools import lru_cache

READ_CHARS = 4_000
"""Characters of a system prompt that are read."""
KEPT_CHARS = 900
"""Characters that are left without inserts, of which the words are."""
MOST_WORDS = 80
LONGEST_WORD = 24
"""Longer ones in ASCII are ids."""

_BLANKS = re.compile(r"[ \t]{2,}|\t")  # one space stays as it is
_FENCED = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|\"\"\".*?(?:\"\"\"|\Z)|'''.*?(?:'''|\Z)", re.DOTALL)
_ELEMENT = re.compile(
    r"<((?:[a-z]+[_-])?(?:context|documents?|docs?|sources?|passages?|excerpts?|results?|memory|memories|history|"
    r"conversation|transcript|knowledge|user|customer|profile|env|environment|data|input|date|time|files?|page|article|"
    r"email|info|metadata|reminder))\b[^<>\n]{0,200}>.*?(?:</\1>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_QUOTED = re.compile(
    r'"[^"\n]{1,500}"|“[^“”\n]{1,500}”|«[^«»\n]{1,500}»|„[^„“”\n]{1,500}[“”]|「[^「」\n]{1,500}」|`[^`\n]{1,500}`'
    r"|'(?<!\w')[^'\n]{1,500}'(?!\w)"  # each begins with its mark, so that a search looks for these alone
)
_FROM_HERE_ON = re.compile(
    r"^[ \t#*>=_\[(-]*(?:(?:retrieved|relevant|additional|provided|following|the|background|search|reference|source|"
    r"supporting|conversation|chat|previous|company|user|product) )*"
    r"(?:context|documents?|passages?|excerpts?|sources?|results?|references?|snippets?|history|memory|memories|"
    r"knowledge(?: base)?|transcript|article|data|input)"
    r"[ \t]*(?:\([^)\n]*\)|\[[^\]\n]*\])?[ \t*_\])]*(?::|$|={2,}|-{2,})"
    r"|\b(?:following|below|provided) (?:\w+ )?(?:context|documents?|passages?|excerpts?|sources?|results?|information|"
    r"snippets?|text|article|data)\b[^.\n:]{0,80}:",
    re.IGNORECASE | re.MULTILINE,
)
_LABELLED = re.compile(
    r"^([ \t*_-]*(?:the |your |current |today'?s? |local |user'?s? |customer'?s? |client'?s? |account |session |"
    r"request |conversation |full |first |last |company |signed.in )*"
    r"(?:user(?:name)?|name|customer|client|patient|student|employee|author|sender|recipient|e-?mail|date|time|today|"
    r"now|datetime|timestamp|time ?zone|day|location|city|country|address|phone|locale|id|uuid|session|account|plan|"
    r"tier|age|version|build|cwd|working directory|platform|os|branch)[ \t*_]*[:=]).*$",
    re.IGNORECASE | re.MULTILINE,
)
_NAMED = re.compile(
    r"((?:\b(?:[Uu]ser|[Cc]ustomer|[Cc]lient|[Pp]atient|[Ss]tudent|[Ee]mployee|[Mm]ember|[Cc]aller|[Nn]ame|[Nn]amed|"
    r"[Aa]ssisting|[Hh]elping|[Hh]elp|[Aa]ssist|[Ss]erving|[Aa]dvising|[Tt]utoring|[Gg]reet|[Aa]ddress|[Cc]alled|"
    r"[Cc]ontact|[Hh]ello|[Hh]i|[Dd]ear|behalf of|logged in as|signed in as|(?:[Tt]alk|[Ss]peak|[Cc]hat|[Ww]ork)"
    r"(?:ing)? (?:to|with)|Mr\.?|Mrs\.?|Ms\.?|Dr\.?|Herrn?|Frau)"
    r"(?:'s name)?(?: is| named| called|:|,)? ))(?:[A-Z][\w'’.-]*(?: (?:[A-Z][\w'’.-]*|de|van|von|der|la))*)"
)
_SENTENCE_END = re.compile(r"[.!?:]\s|[。！？：\n]")
_BETWEEN = re.compile(r"[\s,;:!?()\[\]{}<>|*_#=+~/\\…—–\"“”„«»，。、；：？！（）《》「」]+")
_TRIMMED = ".'’-&%$€@"
_DATES = """january february march april may june july august september october november december
jan feb mar apr jun jul aug sep sept oct nov dec monday tuesday wednesday thursday friday saturday sunday
mon tue tues wed thu thur thurs fri sat sun am pm utc gmt est edt cst cdt pst pdt cet cest bst
today morning afternoon evening night
januar februar märz mai juni juli oktober dezember montag dienstag mittwoch donnerstag freitag samstag sonntag heute
janvier février mars avril juin juillet août septembre octobre novembre décembre lundi mardi mercredi jeudi vendredi
samedi dimanche enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre lunes martes
miércoles jueves viernes sábado domingo"""
_PASSING = frozenset(_DATES.split())
"""Words of dates and times."""


def fixed_words(text: str) -> tuple[str, ...]:
    """The first words of a system prompt that are the same in each request, as they are written."""
    return _words(_without_inserts(text))


@lru_cache(maxsize=512)
def opening_words(text: str) -> tuple[str, ...]:
    """Those of its first sentence, if they are more than one; else all of them."""
    text = _without_inserts(text)
    opening = _words(_SENTENCE_END.split(text.strip(), maxsplit=1)[0])
    return opening if len(opening) > 1 else _words(text)


def _without_inserts(text: str) -> str:
    """The text up to where something is inserted at its end, without what is inserted before."""
    # Runs of blanks are one, or patterns that allow blanks twice in a row would take the square of their length.
    text = _FENCED.sub(" ", _BLANKS.sub(" ", text[:READ_CHARS]))
    text = _QUOTED.sub(" ", _ELEMENT.sub(" ", text))[:KEPT_CHARS]
    text = _NAMED.sub(r"\1", _LABELLED.sub(r"\1", text))
    marked = _FROM_HERE_ON.search(text)
    return text[: marked.start()] if marked is not None and marked.start() > 0 else text


def _words(text: str) -> tuple[str, ...]:
    words: list[str] = []
    for raw in _BETWEEN.split(_without_addresses(text)):
        word = _fixed(raw.strip(_TRIMMED))
        if word:
            words.append(word)
            if len(words) == MOST_WORDS:
                break
    return tuple(words)


def _without_addresses(text: str) -> str:
    """The text without e-mail addresses, URLs and paths, which would be split into words."""
    return " ".join([part for part in text.split() if "@" not in part and "://" not in part and part.count("/") < 2])


def _fixed(word: str) -> str:
    """The word without a digit, such as that of `gsm8k`; empty if it is a number, an id or of a date."""
    if (len(word) > LONGEST_WORD and word.isascii()) or word.casefold() in _PASSING:
        return ""
    if word.isalpha():
        return word
    digits = sum(map(str.isdigit, word))
    if not digits:
        return word
    return "" if digits > 1 or not word[0].isalpha() else "".join([each for each in word if not each.isdigit()])
