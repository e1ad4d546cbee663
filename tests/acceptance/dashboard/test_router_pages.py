"""A router's beliefs, its requests, and one of them from what was known to what was learned."""

import re
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from bandit.types import Json
from gateway.ids import new_id
from storage.records import Actor, AuditRecord, Via
from storage.stores.model_prices import ModelPrices, Prices
from tests.acceptance.dashboard.conftest import HOSTILE_MODEL
from tests.support.gateway import Running

HOSTILE = "\"'><script>alert(1)</script><img src=x>{{7*7}}"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was answered and scored."""

    id: str
    model: str


@pytest.fixture(scope="module")
def asked(running: Running) -> Asked:
    """Some requests; the last one is hostile wherever a caller has a say, and scored."""
    with running.http() as client:
        for number in range(3):
            _complete(client, f"What is {number}?", {})
        answer = _complete(client, HOSTILE, {"metadata": {"task": HOSTILE}})
        scored = client.post(
            "/feedback",
            json={"completion_id": answer["id"], "score": 0.5, "source": HOSTILE[:32], "comment": HOSTILE},
        )
        assert scored.status_code == 200, scored.text
    return Asked(answer["id"], answer["model"])


def _complete(client: httpx.Client, text: str, more: dict[str, Any]) -> dict[str, Any]:
    body = {"model": "dari/routing", "messages": [{"role": "user", "content": text}], **more}
    answer = client.post("/rtr_support/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_the_router_page_shows_every_model_with_its_posteriors(admin: httpx.Client, asked: Asked) -> None:
    page = admin.get("/routers/rtr_support")
    assert page.status_code == 200
    for model in ("swift", "steady", "sage"):
        assert f'<span class="prov">simulated/</span>{model}' in page.text
    assert page.text.count('aria-label="Quality: ') == 3
    assert "4 requests, in the last 7 UTC days" in page.text
    assert "Set by the configuration file" in page.text
    assert 'aria-label="Shares of the first choices over time, per minute' in page.text
    assert "Classes by model" in page.text


def test_a_changed_price_is_marked_on_the_chart_of_the_routers_that_use_the_model(
    admin: httpx.Client, running: Running, asked: Asked
) -> None:
    database, now = running.gateway.database, running.gateway.database.clock.now()

    def change(model_id: str, before: Prices, after: Prices) -> AuditRecord:
        return AuditRecord(new_id("chg", now), now, Actor(Via.FILE), "model.price", model_id, before, after)

    for dollars in (1.0, 2.5):
        present: dict[str, Prices] = {HOSTILE_MODEL: {"input_usd_per_million": dollars}}
        tiers: Json = {"batch": {"input_usd_per_million": dollars}}
        present["simulated/sage"] = {"input_usd_per_million": 2 * dollars, "service_tiers": tiers}
        ModelPrices(database).note(present, now, change)
    page = admin.get("/routers/rtr_support").text
    marks = page[page.index('<ol class="marks">') : page.index("</ol>")]
    assert "the configuration file or the price list changed the price of simulated/sage" in marks
    assert "input_usd_per_million <del>2</del> → <ins>5</ins>" in marks
    assert "elsewhere" not in marks, "no model of this router"
    assert "service_tiers" not in marks, "they go with the model's own price"
    for path in ("/changes", "/routers/rtr_hostile"):
        shown = admin.get(path).text
        assert "changed the price of" in shown, path
        assert "<script>alert" not in shown, path


def test_a_router_without_requests_says_how_to_send_one(admin: httpx.Client, running: Running) -> None:
    page = admin.get("/routers/rtr_code?days=1").text
    assert f"curl {running.url}/rtr_code/chat/completions" in page


def test_one_class_can_be_looked_at(admin: httpx.Client, asked: Asked) -> None:
    page = admin.get("/routers/rtr_support", params={"task": "code"}).text
    assert re.search(r'<a href="[^"]*&amp;task=code#beliefs" aria-current="true">code</a>', page)


def test_requests_are_listed_and_each_leads_to_its_story(admin: httpx.Client, asked: Asked) -> None:
    page = admin.get("/routers/rtr_support/decisions").text
    assert f'data-newest="{asked.id}"' in page
    assert page.count("<tr data-row=") == 4
    assert f'href="/decisions/{asked.id}"' in page


def test_a_decision_is_told_from_what_was_known_to_what_was_learned(admin: httpx.Client, asked: Asked) -> None:
    page = admin.get(f"/decisions/{asked.id}").text
    for heading in ("What was known", "How it was drawn", "What happened", "What was learned"):
        assert f"<h2>{heading}</h2>" in page
    assert '<span class="chip good">identical</span>' in page
    assert "scored it at once: <b>0.5</b>." in page
    assert "one success" in page
    before = re.search(r'href="/decisions/([^"]+)" rel="next">Older', page)
    assert before is not None
    assert 'rel="prev"' not in page
    assert f'href="/decisions/{asked.id}" rel="prev">← Newer' in admin.get(f"/decisions/{before[1]}").text
    as_json = admin.get(f"/decisions/{asked.id}/json").json()
    assert as_json["replay"]["identical"]


def test_what_callers_say_is_text_on_every_page(admin: httpx.Client, asked: Asked) -> None:
    for path in (f"/decisions/{asked.id}", "/routers/rtr_support/decisions", "/routers/rtr_support"):
        page = admin.get(path).text
        assert "<script>alert" not in page, path
        assert "<img" not in page, path
        assert "{{7*7}}" in page, path
        assert not re.findall(r"<script(?![^>]*src=)|style=|<[^>]*\son\w+=", page), path


@pytest.mark.parametrize("path", ["/routers/nobody", "/decisions/chatcmpl-req_nobody", "/routers/nobody/decisions"])
def test_what_there_is_not_is_said_on_a_page(admin: httpx.Client, path: str) -> None:
    answer = admin.get(path)
    assert answer.status_code == 404
    assert "There is no such page" in answer.text


def test_a_key_of_some_routers_sees_these_alone(visitor: Any, asked: Asked) -> None:
    some = visitor("some")
    assert some.get("/routers/rtr_code").status_code == 200
    assert "Support replies" not in some.get("/health").text
    for path in ("/routers/rtr_support", "/routers/rtr_support/decisions", f"/decisions/{asked.id}"):
        assert some.get(path).status_code == 404, path


def test_requests_are_filtered_by_what_they_are(admin: httpx.Client, asked: Asked) -> None:
    def listed(**filters: str) -> int:
        page = admin.get("/routers/rtr_support/decisions", params=filters)
        assert page.status_code == 200, filters
        return page.text.count("<tr data-row=")

    assert listed() == listed(ending="answered") == 4
    assert listed(ending="failed") == 0
    assert listed(task=HOSTILE) == 1
    assert listed(score="low") == 0
    assert listed(model="simulated/nobody") == 0
    assert listed(model=asked.model, task=HOSTILE, ending="answered") == 1
    assert listed(ending="nonsense", score="nonsense") == 4
    page = admin.get("/routers/rtr_support/decisions", params={"task": HOSTILE}).text
    assert "<script>alert" not in page
    assert ">Clear</a>" in page
