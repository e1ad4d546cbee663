"""Requests of one call site have one class, whatever is filled into its prompt; other call sites have others."""

import json

import msgspec
import pytest

from gateway.tasks.call_sites import NAME_LIMIT, call_site_of, is_call_site
from gateway.tasks.fixed_words import READ_CHARS, fixed_words

SUPPORT = "You are a support agent of Acme. "
SAME = {
    "a date": (
        "You are a booking agent. Today is Monday, May 5th, 2026, 10:30 UTC. Book flights.",
        "You are a booking agent. Today is Friday, September 25th, 2027, 7:05 UTC. Book flights.",
    ),
    "an ISO date": (
        "Sort mails. Current date: 2026-05-05T10:00:00Z\nUse one word.",
        "Sort mails. Current date: 2027-11-30T23:59:59+01:00\nUse one word.",
    ),
    "a user's name": (
        SUPPORT + "The user is Alice Smith (alice@example.com). You are talking to Alice. Be brief.",
        SUPPORT + "The user is Bob van Dyke (bob@mail.example.org). You are talking to Bob. Be brief.",
    ),
    "labels": (
        "Plan meals for a week.\nUser: Alice\nUser ID: 7f3a9c\nLocation: Berlin\nPlan: pro",
        "Plan meals for a week.\nUser: Li Wei\nUser ID: 92\nLocation: New York, USA\nPlan: free tier",
    ),
    "ids": (
        "Review the pull request req_8f3a22b1 of 550e8400-e29b-41d4-a716-446655440000 and list mistakes.",
        "Review the pull request req_99aa of 123e4567-e89b-12d3-a456-426614174000 and list mistakes.",
    ),
    "addresses and paths": (
        "Summarise https://example.com/a/b?c=d and /home/alice/notes/today.md for me.",
        "Summarise http://example.org and /var/log/x/y.txt for me.",
    ),
    "quoted inserts": (
        'Translate the word "house" into French, as in `chez moi`.',
        'Translate the word "a small tree" into French, as in `arbre`.',
    ),
    "a fenced insert": (
        "Explain this program to a child.\n```python\nprint(1)\n```",
        "Explain this program to a child.\n```c\nint main() {}\n```",
    ),
    "retrieved context at the end": (
        "Answer from the context alone.\n\nContext:\nReturns take thirty days.\n\nBoots are brown.",
        "Answer from the context alone.\n\nContext:\nOur office is in Rome.\n1. Pasta\n2. Pizza",
    ),
    "retrieved documents in Markdown": (
        SUPPORT + "Cite what you use.\n\n## Retrieved documents\n\nBoots are brown.",
        SUPPORT + "Cite what you use.\n\n## Retrieved documents (2)\n\nHats are black, shoes too.",
    ),
    "elements": (
        "<role>Agent</role> Use the data. <documents><doc id='1'>brown boots</doc></documents> Be polite.",
        "<role>Agent</role> Use the data. <documents>black hats and shoes</documents> Be polite.",
    ),
    "whitespace and case": ("You  are a\nPoet.\n\nRhyme always.", "you are a poet. Rhyme always."),
    "Chinese": (
        "你是一名翻译，请把文字翻译成英文。今天是2024年5月3日。",
        "你是一名翻译，请把文字翻译成英文。今天是2026年12月31日。",
    ),
}


def tools_of(*names: str, date: str = "") -> msgspec.Raw:
    tools = [
        {
            "type": "function",
            "function": {"name": name, "description": f"{name} {date}", "parameters": {"type": "object"}},
        }
        for name in names
    ]
    return msgspec.Raw(json.dumps(tools).encode())


def format_of(schema: dict[str, object], name: str = "invoice") -> msgspec.Raw:
    return msgspec.Raw(json.dumps({"type": "json_schema", "json_schema": {"name": name, "schema": schema}}).encode())


def key(system: str, *tools: msgspec.Raw, response_format: msgspec.Raw | None = None) -> str:
    site = call_site_of(system, tools, response_format)
    assert site is not None
    assert is_call_site(site.key)
    return site.key


@pytest.mark.parametrize("what", SAME)
def test_what_is_filled_into_a_prompt_makes_no_new_call_site(what: str) -> None:
    first, second = SAME[what]
    assert key(first) == key(second)


def test_prompts_that_say_something_else_are_other_call_sites() -> None:
    prompts = [
        *(first for first, _ in SAME.values()),
        SUPPORT,
        SUPPORT + "Refuse refunds.",
        "Translate into German.",
        "Translate into French.",
        "You are the mmlu assistant of Globex.",
        "You are the gsm8k assistant of Globex.",
    ]
    assert len({key(prompt) for prompt in prompts}) == len(prompts)


@pytest.mark.parametrize(
    "system",
    [
        "",
        " \n\t ",
        "You are a helpful assistant.",
        "You are ChatGPT, a large language model made by OpenAI.\nKnowledge cutoff: 2023-10\nCurrent date: 2026-01-01",
        "2026-05-05",
        '"only what is quoted"',
        "hi",
    ],
)
def test_a_prompt_that_says_nothing_of_its_task_is_no_call_site(system: str) -> None:
    assert call_site_of(system) is None
    assert call_site_of(system, [msgspec.Raw(b"[]")], msgspec.Raw(b'{"type": "text"}')) is None
    assert call_site_of(system, [], msgspec.Raw(b'{"type": "json_object"}')) is None


def test_tools_tell_call_sites_apart_in_any_order_by_their_names_alone() -> None:
    one = key("", tools_of("search", "book"))
    assert one == key("", tools_of("book", "search", date="2026-01-01"))
    assert one != key("", tools_of("search"))
    assert one != key(SUPPORT, tools_of("search", "book"))
    assert key("", msgspec.Raw(b'[{"type": "web_search"}, {"type": "custom", "custom": {"name": "run"}}]'))


def test_a_schema_tells_call_sites_apart_by_its_names_in_any_order() -> None:
    first: dict[str, object] = {"type": "object", "properties": {"total": {"type": "number"}, "seller": {}}}
    second: dict[str, object] = {"properties": {"seller": {}, "total": {"type": "number"}}, "type": "object"}
    one = key("", response_format=format_of(first))
    assert one == key("", response_format=format_of(second))
    assert one != key("", response_format=format_of(first, name="receipt"))
    assert one != key("", response_format=format_of({"properties": {"total": {}}}))
    assert one != key(SUPPORT, response_format=format_of(first))


@pytest.mark.parametrize("broken", [b"5", b'[{"function": 3}]', b'{"a": 1}', b'[{"name": 7}]'])
def test_fields_that_a_provider_will_refuse_tell_nothing(broken: bytes) -> None:
    assert call_site_of("", [msgspec.Raw(broken)], msgspec.Raw(broken)) is None


def test_a_megabyte_is_read_at_its_beginning_alone() -> None:
    long = SUPPORT + "Answer politely and list what is missing. " * 30_000
    assert call_site_of(long) == call_site_of(long[:READ_CHARS])
    assert len(fixed_words(long[:READ_CHARS])) == 80


def test_half_of_a_character_and_a_nul_do_no_harm() -> None:
    site = call_site_of("Rate the mood of \ud83d tweets\x00 now, please.")
    assert site is not None
    assert site.name == "Rate the mood of ? tweets� now please"


@pytest.mark.parametrize(
    ("system", "tools", "name"),
    [
        ("You are a support agent of Acme. The user is Alice Smith.", (), "support agent of Acme"),
        ("You are Ada. Translate.", (), "Ada"),
        (
            "Summarise the meeting in three sentences for those who could not come.",
            (),
            "Summarise the meeting in three sentences for…",
        ),
        ("", ("search", "book"), "tools: book, search"),
        (
            "Klassifiziere die Anfrage eines Kunden nach Dringlichkeitsstufe und Fachabteilung",
            (),
            "Klassifiziere die Anfrage eines Kunden nach…",
        ),
    ],
)
def test_a_call_site_is_called_by_its_first_words_without_names_of_people(
    system: str, tools: tuple[str, ...], name: str
) -> None:
    site = call_site_of(system, [tools_of(*tools)] if tools else [])
    assert site is not None
    assert site.name == name
    assert len(name) <= NAME_LIMIT + 2


@pytest.mark.parametrize(
    "hostile",
    [
        "word ",
        '"',
        "<data ",
        '"a ',
        "context ",
        "-",
        "user ",
        "„",
        "context" + " " * 500,
        "following ",
        "User A ",
        "```a",
        " 'a",
    ],
)
def test_no_prompt_takes_longer_than_its_length_asks_for(hostile: str) -> None:
    """The words are found whatever the prompt is; each pattern reads a text once (see the comments at them)."""
    assert len(fixed_words((hostile * 4_000)[:READ_CHARS])) <= 80


@pytest.mark.parametrize("names", [["b2", "a1", "b7"], ["b2\n", "a", "b"], ["é2", "a٣1", "b"], ["b2"]])
def test_names_count_without_their_digits_whatever_else_is_in_them(names: list[str]) -> None:
    site = call_site_of("", [tools_of(*names)])
    assert site is not None
    assert site.tool_names == tuple(sorted({"".join(each for each in name if not each.isdigit()) for name in names}))
