"""A choice is read from its record as it was, also from a record of an older version."""

import base64
from collections.abc import Sequence

import msgspec
import pytest

from bandit.buckets import bucketed
from bandit.decision import choose
from bandit.experiment import Experiment, Part, Unit
from bandit.posteriors.snapshot import take_snapshot
from bandit.price import Price
from bandit.types import (
    AppliedRule,
    Arm,
    BudgetState,
    Choice,
    PromptParts,
    RouterSettings,
    RuleMode,
    Steering,
)
from gateway.choice_records import ARM_FIELDS, FIELDS, read_choice, record_of

ARMS = [Arm(name, Price(usd, 4 * usd, usd / 10)) for name, usd in (("a", 1e-6), ("b", 2e-6), ("c", 4e-6))]
CONTEXT = bucketed("code", PromptParts(700), max_tokens=None, stream=False, wants_json=False)
RECORD = (
    "ktwAEKEzqHRob21wc29upXJ0cl8xyz/4AAAAAAAAi6R0YXNrpGNvZGWtcHJvbXB0X3Rva2Vuc80C1KptYXhfdG9rZW5zwK1jYWNo"
    "ZWRfdG9rZW5zAKZzdHJlYW3CqndhbnRzX2pzb27CqWNhY2hlZF9iecCrdG9vbF90b2tlbnMArGltYWdlX3Rva2VucwCsYXVkaW9f"
    "dG9rZW5zAKtmaWxlX3Rva2VucwCDq3F1YWxpdHlfdXNkyz+UeuFHrhR7qnNlY29uZF91c2TLPyo24uscQy2rZmFpbHVyZV91c2TL"
    "P3R64UeuFHvLP/AAAAAAAADLP9AAAAAAAADLP5R64UeuFHvCkZKhYqppcyBjb29saW5nhadxdWFsaXR5yz/wAAAAAAAApGNvc3TL"
    "P/AAAAAAAACmc2Vjb25kyz/wAAAAAAAApXdvcmRzoK5ub3RfdW5kZXJzdG9vZJCQkMDAkdwAFKFhyz+AKFWpd6xayz9lVhH+4c64"
    "yz/jMzMzMzMzyz/NJiMxIAJEywAAAAAAAAAAyz/vXCj1wo9dyz/wAAAAAAAAyz9fhddE9dNWy0AidzawSDfSywAAAAAAAAAAyz/w"
    "AAAAAAAAyz/wAAAAAAAAyz/wAAAAAAAAyz/wAAAAAAAAyz+AKFWpd6xayz9lVhH+4c64wsLC"
)
"""Of a choice of one model, by the first version that recorded choices so."""


def chosen(settings: RouterSettings, rules: Sequence[AppliedRule] = (), part: int | None = None) -> Choice:
    snapshot = take_snapshot(settings, ARMS, {}, BudgetState(1.25), 1_795_707_255.43)
    steering = Steering(cost=2.0, words="cheap", not_understood=("soon",))
    return choose(snapshot, CONTEXT, ("a", "c"), steering, (("b", "is cooling"),), tuple(rules), part)


@pytest.mark.parametrize(
    "choice",
    [
        chosen(RouterSettings("rtr_1")),
        chosen(RouterSettings("rtr_1", policy="fixed:c", latency_limit_seconds=0.5)),
        chosen(RouterSettings("rtr_1"), [AppliedRule(1, RuleMode.PREFER, "c", 5.0, "code")]),
        chosen(
            RouterSettings("rtr_1", experiment=Experiment((Part("thompson", 0.5), Part("uniform", 0.5)), Unit.KEY)),
            part=1,
        ),
    ],
    ids=["plain", "limited", "preferred", "experiment"],
)
def test_it_is_read_as_it_was(choice: Choice) -> None:
    assert read_choice(record_of(choice)) == choice
    assert read_choice(msgspec.json.encode(choice)) == choice, "older versions recorded JSON"


def test_a_record_of_the_first_version_is_read_for_ever() -> None:
    choice = read_choice(base64.b64decode(RECORD))
    assert (choice.context, choice.left_out) == (CONTEXT, (("b", "is cooling"),))
    assert [(arm.model_id, arm.p, arm.newcomer, arm.seconds_known) for arm in choice.arms] == [
        ("a", 1.0, False, False),
    ]


def test_a_record_without_later_fields_has_their_defaults() -> None:
    choice = chosen(RouterSettings("rtr_1"))
    values, arms = msgspec.msgpack.decode(record_of(choice))
    before = values[: FIELDS.index("left_out")], [arm[: ARM_FIELDS.index("index")] for arm in arms]
    read = read_choice(msgspec.msgpack.encode(before))
    assert (read.left_out, read.rules, read.experiment) == ((), (), None)
    assert [(arm.p, arm.index, arm.seconds_known) for arm in read.arms] == [(arm.p, 0.0, True) for arm in choice.arms]


@pytest.mark.parametrize("record", [b"", b"{}", b"choice 1", b"\x92\x90\x90", b"\x92\x01\x02"])
def test_what_is_no_record_is_an_error(record: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        read_choice(record)
