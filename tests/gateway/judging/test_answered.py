"""Which answers are judged and compared, and with which model, is drawn by HMAC, apart from the model's own draw."""

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from gateway.judging.answered import Answered, Second, drawn_second, is_compared, is_judged
from gateway.routing.router import LiveRouter
from gateway.settings.judge_options import JudgeOptions
from gateway.settings.router_options import RouterOptions
from gateway.settings.shadow_options import ShadowOptions

IDS = [f"req_{number:032x}" for number in range(4_000)]


def router(**options: Any) -> LiveRouter:
    return cast("LiveRouter", SimpleNamespace(secret=b"secret", options=RouterOptions(**options)))


def test_shares_are_drawn_by_themselves_and_alike_each_time() -> None:
    live = router(judge=JudgeOptions(("a/b",), share=0.25), shadow=ShadowOptions(share=0.25))
    judged, compared = ({each for each in IDS if drawn(live, each)} for drawn in (is_judged, is_compared))
    assert {len(judged) // 100, len(compared) // 100} <= {9, 10}
    assert 200 < len(judged & compared) < 300, "1/16 of them"
    assert compared == {each for each in IDS if is_compared(live, each)}


def test_a_share_of_0_and_no_setting_draw_nothing_and_1_draws_everything() -> None:
    never = router(judge=JudgeOptions(("a/b",), share=0.0), shadow=ShadowOptions(share=0.0))
    for live in (never, router()):
        assert not any(is_judged(live, each) or is_compared(live, each) for each in IDS[:200])
    assert all(is_compared(router(shadow=ShadowOptions(share=1.0)), each) for each in IDS[:200])


def test_the_second_model_is_each_of_the_others_equally_often() -> None:
    counted = Counter(drawn_second(router(), each, ("b", "c", "a")) for each in IDS)
    assert counted.keys() == {"a", "b", "c"}
    assert all(1_200 < count < 1_470 for count in counted.values())
    assert drawn_second(router(), IDS[0], ("a", "b", "c")) == drawn_second(router(), IDS[0], ("c", "b", "a"))


def test_a_copy_is_as_large_and_keeps_nothing_of_the_body() -> None:
    body = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode(b'{"messages": [{"role": "user"}], "temperature": 0.5}')
    plain = Answered("req_1", router(), "a/b", body["messages"], "Hello")
    compared = replace(plain, second=Second("b/c", cast("Any", None), body, 10))
    assert compared.size == plain.size + len(b"0.5")
    copied = compared.copy()
    assert copied.size == compared.size
    assert copied.second is not None
    assert {name: bytes(raw) for name, raw in copied.second.fields.items()} == {
        "messages": b'[{"role": "user"}]',
        "temperature": b"0.5",
    }
    assert copied.second.fields["messages"] is copied.request
