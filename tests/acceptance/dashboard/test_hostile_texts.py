"""Whatever people, callers and providers say is text on every page: names, instructions, comments, messages."""

import re
from urllib.parse import urlencode

import httpx
import pytest

from tests.acceptance.dashboard.conftest import HOSTILE, HOSTILE_MODEL
from tests.acceptance.dashboard.test_browser import PAGES
from tests.support.gateway import Running

ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"
MARKUP = re.compile(
    r"<script(?![^>]*\ssrc=\"/assets/)|<img|javascript:|\sstyle=|<[^>\"']*(?:\"[^\"]*\"[^>\"']*|'[^']*'[^>\"']*)*\son\w+="
)


@pytest.fixture(scope="module")
def pages(running: Running, admin: httpx.Client) -> dict[str, str]:
    """Every page, after hostile requests, scores, keys and scorecards."""
    with running.http() as client:
        for number in range(4):  # both models are drawn, and the one that can't answer is redrawn
            sent = {
                "model": "dari/routing",
                "messages": [{"role": "user", "content": HOSTILE}],
                "metadata": {"task": HOSTILE, "episode_id": f"{HOSTILE}{number}"},
                "routing": {"instructions": HOSTILE},
            }
            answer = client.post("/rtr_hostile/chat/completions", json=sent)
            assert answer.status_code == 200, answer.text
        score = {"completion_id": answer.json()["id"], "score": 0.5, "source": HOSTILE[:32], "comment": HOSTILE}
        assert client.post("/feedback", json=score).status_code == 200
    assert admin.post("/keys", data={"label": HOSTILE, "scopes": "routing"}).status_code == 201
    card = {"name": HOSTILE, "metric": HOSTILE[:60], "unit": "percent", "rows": "model_id,score\nsimulated/swift,40"}
    assert admin.post("/evals", data=card).status_code == 303
    key = re.search(r"/keys/key_[0-9a-f]+", admin.get("/keys").text)
    assert key is not None
    hostile = (
        "/routers/rtr_hostile",
        f"/routers/rtr_hostile/decisions?{urlencode({'task': HOSTILE, 'model': HOSTILE_MODEL, 'cursor': HOSTILE})}",
        "/routers/rtr_hostile/decisions",
        "/routers/rtr_hostile/settings",
        f"/decisions/{answer.json()['id']}",
        key[0],
        "/routers/<script>alert(1)",
    )
    return {path: admin.get(path).text for path in (*PAGES, *hostile)}


def test_no_text_becomes_markup(pages: dict[str, str]) -> None:
    assert {path: found[0] for path, page in pages.items() if (found := MARKUP.search(page))} == {}


def test_every_page_that_shows_hostile_text_shows_it_escaped(pages: dict[str, str]) -> None:
    showing = [path for path, page in pages.items() if ESCAPED in page]
    assert {"/", "/models", "/evals", "/keys", "/changes", "/routers/rtr_hostile"} <= set(showing)
    assert all("{{7*7}}" in pages[path] for path in showing)


def test_what_a_form_refuses_comes_back_as_text(admin: httpx.Client) -> None:
    for path, sent in (
        ("/keys", {"label": HOSTILE, "usd_per_day": HOSTILE}),
        ("/models", {"model": HOSTILE, "router_id": HOSTILE}),
        ("/routers/new", {"name": HOSTILE, "id": HOSTILE, "more": HOSTILE, "objective": HOSTILE}),
        ("/evals", {"name": HOSTILE, "rows": f"model_id,score\n{HOSTILE},1", "min": HOSTILE}),
        ("/sign-in", {"key": HOSTILE, "next": HOSTILE}),
    ):
        answer = admin.post(path, data=sent)
        assert answer.status_code in {400, 403, 404}, path
        assert not MARKUP.search(answer.text), path
