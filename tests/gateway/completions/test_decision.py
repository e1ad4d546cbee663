"""A plain request is decided in fewer steps, and as the long way decides it."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bandit.price import Price
from bandit.types import Arm, Epoch, LoopTime, RouterSettings
from gateway.catalog.catalog import Model
from gateway.completions.decision import Decision, NoModelAvailable, decide, decide_plainly
from gateway.completions.request import CompletionRequest, parse_completion
from gateway.errors import GatewayError
from gateway.providers.upstream.provider import ProviderError, Verdict
from gateway.routing.definitions import Definition
from gateway.routing.model_states import ModelStates
from gateway.routing.router import LiveRouter, RouterState
from gateway.settings.router_options import DEFAULT_OPTIONS
from storage.records import KeyRecord
from storage.stores.tasks import TaskRow

NOW, LOOP_TIME = Epoch(1_700_000_000.0), LoopTime(50.0)
KEY = KeyRecord("key_1", "", "", ("routing",), None, 1.0)
PRICE = Price(1e-6, 4e-6, 1e-7)
MODELS = {
    "p/one": Model("p/one", "p", "one", PRICE, frozenset(), context_window=200, output_limit=50),
    "p/two": Model("p/two", "p", "two", PRICE, frozenset()),
}
SYSTEM = "You write short replies to customers of a parcel service."


class _Provider:
    """A provider that knows every field."""

    max_image_bytes = None

    def knows(self, field: str) -> bool:
        return field != "" and field.isidentifier()


def router_with(max_usd_per_day: float | None, *, knows_the_site: bool) -> LiveRouter:
    options = replace(DEFAULT_OPTIONS, max_usd_per_day=max_usd_per_day)
    arms = tuple(Arm(model_id, PRICE) for model_id in MODELS)
    state = RouterState()
    if knows_the_site:
        site = request_of(2, None, system=True).call_site
        assert site is not None
        state.tasks.replace({site.key: TaskRow(NOW, site.key)}, NOW)
    return LiveRouter(Definition(options, RouterSettings("rtr_a"), b"s" * 32, MODELS, arms, NOW), state)


def request_of(words: int, max_tokens: int | None, *, system: bool) -> CompletionRequest:
    content = f'{{"role":"system","content":"{SYSTEM}"}},' if system else ""
    limit = "" if max_tokens is None else f',"max_tokens":{max_tokens}'
    text = "word " * words
    raw = f'{{"model":"dari/routing","messages":[{content}{{"role":"user","content":"{text}"}}]{limit}}}'
    return parse_completion(raw.encode())


def decided(router: LiveRouter, request: CompletionRequest, states: ModelStates) -> Decision | tuple[object, ...]:
    providers: Any = {"p": _Provider()}
    try:
        decision = None
        if request.is_plain:
            decision = decide_plainly("req_1", router, request, states, NOW, LOOP_TIME)
        if decision is None:
            decision = decide("req_1", router, request, providers, states, None, KEY, None, NOW, LOOP_TIME)
    except (GatewayError, NoModelAvailable) as error:
        return type(error), str(error)
    return replace(decision, request=replace(request, is_plain=True))


@given(
    st.integers(1, 400),
    st.sampled_from([None, 1, 40, 51, 2**63 - 1]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, 1.0, 1e-9]),
    st.lists(st.sampled_from([*MODELS]), unique=True),
    st.lists(st.sampled_from([*MODELS]), unique=True),
)
def test_both_ways_decide_the_same(
    words: int,
    max_tokens: int | None,
    system: bool,
    knows_the_site: bool,
    max_usd_per_day: float | None,
    cooling: list[str],
    refusing: list[str],
) -> None:
    request = request_of(words, max_tokens, system=system)
    assert request.is_plain
    found = []
    for is_plain in (True, False):
        router = router_with(max_usd_per_day, knows_the_site=knows_the_site)
        states = ModelStates()
        for model_id in cooling:
            limited = ProviderError(Verdict.RATE_LIMITED, "slow down", retry_after_seconds=60.0)
            states.cooldowns.failed(model_id, limited, LOOP_TIME, b"")
        for model_id in refusing:
            unknown = ProviderError(Verdict.UNKNOWN_FIELD, "what is this?", param="messages")
            states.holds.refused(model_id, unknown, request.fields, LOOP_TIME)
        found.append(decided(router, replace(request, is_plain=is_plain), states))
    first, second = found
    if isinstance(first, Decision) and isinstance(second, Decision):
        assert first.cached.choice == second.cached.choice
        second = replace(second, router=first.router, published=first.published, cached=first.cached)
    assert first == second
