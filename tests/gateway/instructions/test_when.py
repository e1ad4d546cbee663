"""`when` of a rule: what is understood tells requests apart, and what is not is quoted."""

import pytest

from gateway.instructions.conditions import Asked, kinds_of
from gateway.instructions.facts import LANGUAGES, About, Circumstances
from gateway.instructions.when import read_when


def asked(task: str = "chat", *, long: bool = False, tools: bool = False, **circumstances: object) -> Asked:
    kinds, name = kinds_of(task)
    return Asked(kinds, name, long, tools, Circumstances(**circumstances))  # type: ignore[arg-type]  # by field name


CASES: list[tuple[str, list[Asked], list[Asked]]] = [
    ("code review, architecture or debugging", [asked("code"), asked("analysis")], [asked("chat"), asked("math")]),
    ("when the request requires deep reasoning", [asked("math")], [asked("chat")]),
    ("when correctness matters", [asked("extraction")], [asked("writing")]),
    ("complex code generation", [asked("code")], [asked("math")]),
    ("long documents without tools", [asked(long=True)], [asked(), asked(long=True, tools=True)]),
    ("agents that use tools", [asked("tool_use", tools=True)], [asked("tool_use"), asked(tools=True)]),
    ("code unless it is long", [asked("code")], [asked("code", long=True), asked()]),
    ("everything except code", [asked()], [asked("code")]),
    ("not code or math", [asked()], [asked("code"), asked("math")]),
    ("everything", [asked(), asked("code", long=True)], []),
    ("code with images", [asked("code", images=True)], [asked("code"), asked(images=True)]),
    (
        "code without images or tools",
        [asked("code")],
        [asked("code", images=True), asked("code", tools=True), asked()],
    ),
    ("in German", [asked(language="de")], [asked(language="en"), asked()]),
    ("French or Spanish emails", [asked("writing", language="es")], [asked("writing"), asked(language="es")]),
    ("not in German or French", [asked(), asked(language="en")], [asked(language="de"), asked(language="fr")]),
    ("written in Polish", [asked(language="pl")], [asked(language="de")]),
    ('metadata.team is "search" or "ads"', [asked(metadata={"team": "ads"})], [asked(), asked(metadata={"team": "x"})]),
    ("metadata.team = search", [asked(metadata={"team": "search"})], [asked(metadata={"tier": "search"})]),
    ('metadata."a b" != "c d"', [asked(), asked(metadata={"a b": "e"})], [asked(metadata={"a b": "c d"})]),
    ('code and metadata.team is "ads"', [asked("code", metadata={"team": "ads"})], [asked("code")]),
    ('key "batch" or "nightly"', [asked(key="nightly")], [asked(key="web"), asked()]),
    ('the API key is not "batch"', [asked(key="web")], [asked(key="batch")]),
    ('call site "Triage" or math', [asked(names=frozenset({"triage"})), asked("math")], [asked()]),
    ('task "triage"', [asked(names=frozenset({"triage"}))], [asked("chat")]),
    ("between 22:00 and 6:00 UTC", [asked(hour=22), asked(hour=0), asked(hour=5)], [asked(hour=6), asked(hour=21)]),
    ("chat from 9 am to 5 pm", [asked(hour=9), asked(hour=16)], [asked(hour=17), asked("code", hour=9)]),
    ("after 18:00", [asked(hour=18), asked(hour=23)], [asked(hour=17), asked(hour=0)]),
    ("code after 9:00 and before 17:00", [asked("code", hour=9)], [asked("code", hour=8), asked("code", hour=17)]),
    ("before 6, after 18", [asked(hour=18), asked(hour=5)], [asked(hour=6), asked(hour=17)]),
    ("after 18:00 or before 6:00", [asked(hour=18), asked(hour=5)], [asked(hour=6), asked(hour=17)]),
    ("not code, not math", [asked()], [asked("code"), asked("math")]),
    ("code, or not in German", [asked("code", language="de"), asked()], [asked(language="de")]),
    ("before 9", [asked(hour=0), asked(hour=8)], [asked(hour=9)]),
    (
        'emails in Spanish between 9 and 17 unless the key is "vip"',
        [asked("writing", language="es", hour=9, key="web")],
        [asked("writing", language="es", hour=9, key="vip"), asked("writing", language="es", hour=18)],
    ),
]


@pytest.mark.parametrize(("text", "meant", "others"), CASES, ids=[text for text, _, _ in CASES])
def test_a_condition_holds_for_what_it_describes_alone(text: str, meant: list[Asked], others: list[Asked]) -> None:
    when = read_when(text)
    assert not when.unknown
    assert all(when.holds(each) for each in meant)
    assert not any(when.holds(each) for each in others)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("wenn es um Code geht", "wenn es um Code geht"),
        ("código", "código"),
        ("代码", "代码"),
        ("🚀", "🚀"),
        ("quand il pleut", "quand il pleut"),
        ("code when it rains", "rains"),
        ("translation into French", "French"),
        ("use openai/gpt-5.5 for code", "use openai/gpt-5.5"),
        ("code that is cheap", "cheap"),
        ("code and speed matters", "speed matters"),
        ("code not python", "not"),
        ("not long code or math", "not"),
        ("code. Always.", "Always"),
        ("not (code or math)", "("),
        ("(code or math) in German", "("),
        ("code [review]", "["),
        ("not: code", "not"),
        ("no, code", "no"),
        ("not everything", "not"),
        ("except everything", "except"),
        ("in English or everything", "everything"),
        ("code, not in German", "not in German"),
        ("not in German, not in French", "not in French"),
        ("code – not math", "not math"),
        ("long documents, without tools", "without tools"),
        ("otherwise", "otherwise"),
        ("code between 9:30 and 10", "between 9:30 and 10"),
        ("between 9 and 9", "between 9 and 9"),
        ("metadata.team", "metadata.team"),
        ("metadata.team is", "metadata.team"),
        ('metadata.team is "' + " " * 300 + '"', "metadata.team"),
        ("is is is", "is is is"),
        ("polish emails", "polish"),
        ("code <script>", "<script>"),
        ("for speed", "speed"),
        ("costs less than $1", "at most $1"),
        ("?!", ""),
    ],
)
def test_what_is_not_understood_is_quoted(text: str, quoted: str) -> None:
    unknown = read_when(text).unknown
    assert unknown
    assert quoted in " ".join(unknown) or text == "costs less than $1"
    assert not " ".join(unknown).startswith("when")


def test_every_language_can_be_named_and_is_one_that_the_model_tells() -> None:
    for name, code in LANGUAGES.items():
        (fact,) = read_when(f"in {name.title()}").facts
        assert (fact.about, fact.value) == (About.LANGUAGE, code)
