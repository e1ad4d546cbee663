"""What providers take: shipped for well-known ones, learned from refusals, and forgotten after an hour."""

import re
from pathlib import Path

import msgspec
import pytest

from gateway.providers.upstream.dialect import KNOWN, LEARNED_SECONDS, Dialect
from gateway.providers.upstream.provider import ProviderError, Verdict
from gateway.settings import ProviderSettings

NOTHING: frozenset[str] = frozenset()
FIELDS = {
    name: msgspec.Raw(raw)
    for name, raw in {
        "messages": b"[]",
        "max_tokens": b"50",
        "metadata": b'{"a":"b"}',
        "user": b'"u"',
        "store": b"false",
        "prompt_cache_key": b'"k"',
        "safety_identifier": b'"s"',
        "stream_options": b'{"include_usage":true}',
        "seed": b"7",
    }.items()
}


def dialect(base_url: str = "http://127.0.0.1:9/v1", name: str = "p", drop: frozenset[str] = NOTHING) -> Dialect:
    return Dialect(ProviderSettings(name, "openai", base_url, drop=drop))


def sent(dialect: Dialect, fields: dict[str, msgspec.Raw] = FIELDS, model: str = "m", now: float = 0.0) -> set[str]:
    return set(dialect.fields(model, fields, NOTHING, now))


def refusal(verdict: Verdict, param: str | None) -> ProviderError:
    return ProviderError(verdict, "no", status=400, param=param)


def test_an_unknown_provider_is_sent_what_the_caller_sent_in_its_order() -> None:
    assert list(dialect().fields("m", FIELDS, NOTHING, 0.0).items()) == list(FIELDS.items())


@pytest.mark.parametrize(
    ("base_url", "left_out", "limit"),
    [
        ("https://api.openai.com/v1", {"metadata"}, "max_completion_tokens"),
        ("https://my.openai.azure.com", {"metadata"}, "max_tokens"),
        (
            "https://api.mistral.ai/v1",
            {"store", "user", "safety_identifier", "prompt_cache_key", "stream_options"},
            "max_tokens",
        ),
        (
            "https://generativelanguage.googleapis.com/v1beta/openai",
            {"store", "metadata", "safety_identifier", "prompt_cache_key"},
            "max_tokens",
        ),
        (
            "https://api.groq.com/openai/v1",
            {"store", "metadata", "safety_identifier", "prompt_cache_key"},
            "max_tokens",
        ),
        ("https://api.deepseek.com/v1", set(), "max_tokens"),
        ("https://openrouter.ai/api/v1", set(), "max_tokens"),
        ("https://api.openai.com.example.com/v1", set(), "max_tokens"),
    ],
)
def test_well_known_providers_are_sent_what_they_document(base_url: str, left_out: set[str], limit: str) -> None:
    assert sent(dialect(base_url)) == (FIELDS.keys() - left_out - {"max_tokens"}) | {limit}


def test_the_documents_table_is_the_shipped_one() -> None:
    document = (Path(__file__).parents[4] / "docs" / "providers.md").read_text("utf-8")
    general = document.partition("\n## Anthropic\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in general.splitlines() if "|" in line][2:]
    *known, (_, _, nothing, as_named) = rows
    stated = []
    for _, where, left_out, limit in known:
        hosts, _, names = where.partition("named ")
        fields = set() if left_out in {nothing, "`metadata` without `store: true`"} else set(quoted(left_out))
        spelled = None if limit == as_named else quoted(limit)[0]
        stored = "without `store: true`" in left_out
        stated.append(([host.lstrip("*") for host in quoted(hosts)], quoted(names), fields, spelled, stored))
    shipped = [
        (list(each.hosts), list(each.names), set(each.left_out), each.limit, each.stored_metadata) for each in KNOWN
    ]
    assert stated == shipped


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("name", ["ollama", "lmstudio"])
def test_servers_of_ones_own_are_known_by_their_name(name: str) -> None:
    limited = {"max_completion_tokens": msgspec.Raw(b"9")}
    assert dialect(name=name).fields("m", limited, NOTHING, 0.0) == {"max_tokens": msgspec.Raw(b"9")}


def test_openai_is_sent_metadata_that_it_stores() -> None:
    stored = FIELDS | {"store": msgspec.Raw(b"true")}
    assert "metadata" in sent(dialect("https://api.openai.com/v1"), stored)


@pytest.mark.parametrize("field", ["metadata", "user", "store", "prompt_cache_key", "safety_identifier"])
def test_a_field_that_the_provider_does_not_know_is_left_out_at_once_and_for_an_hour(field: str) -> None:
    learning = dialect()
    without = learning.mended("m", FIELDS, refusal(Verdict.UNKNOWN_FIELD, field), NOTHING, 0.0)
    assert without == {field}
    assert field not in learning.fields("m", FIELDS, without, 0.0)
    assert sent(learning, model="another") == FIELDS.keys() - {field}
    assert sent(learning, now=LEARNED_SECONDS) == FIELDS.keys()


@pytest.mark.parametrize("field", ["metadata", "user"])
def test_a_value_that_is_refused_is_left_out_of_this_request_alone(field: str) -> None:
    learning = dialect()
    without = learning.mended("m", FIELDS, refusal(Verdict.REFUSED_VALUE, field), NOTHING, 0.0)
    assert field not in learning.fields("m", FIELDS, without, 0.0)
    assert sent(learning) == FIELDS.keys()


def test_stream_options_of_our_own_are_left_out_for_an_hour_whatever_is_refused_of_them() -> None:
    learning = dialect()
    learning.mended("m", FIELDS, refusal(Verdict.REFUSED_VALUE, "stream_options"), NOTHING, 0.0)
    assert sent(learning) == FIELDS.keys() - {"stream_options"}
    callers = FIELDS | {"stream_options": msgspec.Raw(b'{"include_usage":true,"odd":1}')}
    learning = dialect()
    learning.mended("m", callers, refusal(Verdict.REFUSED_VALUE, "stream_options"), NOTHING, 0.0)
    assert sent(learning) == FIELDS.keys()


def test_the_limit_on_tokens_is_spelled_as_the_model_wants_it_in_either_direction() -> None:
    for refused, wanted in (("max_tokens", "max_completion_tokens"), ("max_completion_tokens", "max_tokens")):
        learning, fields = dialect(), {refused: msgspec.Raw(b"50"), "seed": msgspec.Raw(b"7")}
        without = learning.mended("m", fields, refusal(Verdict.UNKNOWN_FIELD, refused), NOTHING, 0.0)
        assert list(learning.fields("m", fields, without, 0.0)) == [wanted, "seed"]
        assert list(learning.fields("m", fields, NOTHING, 1.0)) == [wanted, "seed"]
        assert list(learning.fields("another model", fields, NOTHING, 1.0)) == [refused, "seed"]
        again = learning.mended("m", fields, refusal(Verdict.UNKNOWN_FIELD, wanted), without, 0.0)
        assert again == without, "neither spelling is taken: the refusal is told"


def test_of_both_spellings_the_wanted_one_stays() -> None:
    both = {"max_tokens": msgspec.Raw(b"1"), "max_completion_tokens": msgspec.Raw(b"2")}
    for order in (both, dict(reversed(both.items()))):
        known = dialect("https://api.openai.com/v1").fields("m", order, NOTHING, 0.0)
        assert known == {"max_completion_tokens": msgspec.Raw(b"2")}


@pytest.mark.parametrize(
    "error",
    [
        refusal(Verdict.UNKNOWN_FIELD, "seed"),
        refusal(Verdict.UNKNOWN_FIELD, None),
        refusal(Verdict.REFUSED_VALUE, "max_tokens"),
        refusal(Verdict.REFUSED, "user"),
        refusal(Verdict.FAILED, "user"),
    ],
)
def test_nothing_that_changes_the_answer_is_left_out(error: ProviderError) -> None:
    learning = dialect()
    assert learning.mended("m", FIELDS, error, NOTHING, 0.0) == NOTHING
    assert sent(learning) == FIELDS.keys()


def test_what_the_configuration_drops_is_never_sent() -> None:
    assert sent(dialect(drop=frozenset({"seed"}))) == FIELDS.keys() - {"seed"}
