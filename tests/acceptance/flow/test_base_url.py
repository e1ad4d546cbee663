"""A client's base URL without a router in it is a common slip: the answer says what is missing."""

import openai
import pytest

from tests.support.gateway import Running


@pytest.mark.parametrize("base", ["", "/", "/v1"])
def test_a_base_url_without_a_router_is_told_what_it_has_to_end_with(running: Running, base: str) -> None:
    client = running.official.with_options(base_url=running.url + base, api_key=running.keys["routing"])
    with pytest.raises(openai.NotFoundError, match=r"base URL ends with a router's id, as in .*/rtr_default"):
        client.chat.completions.create(model="dari/routing", messages=[{"role": "user", "content": "Hi"}])


def test_a_router_that_is_not_there_is_named_without_that_advice(running: Running) -> None:
    with pytest.raises(openai.NotFoundError, match="there is no router 'rtr_missing'") as caught:
        running.client("rtr_missing").chat.completions.create(
            model="dari/routing", messages=[{"role": "user", "content": "Hi"}]
        )
    assert "base URL" not in caught.value.message


def test_a_slash_at_the_end_and_head_wherever_get_is_answered_are_taken(running: Running) -> None:
    body = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}
    with running.http() as http:
        for path in ("/rtr_good/chat/completions/", "/rtr_good/v1/chat/completions/"):
            assert http.post(path, json=body).status_code == 200
        assert http.get("/rtr_good/models/").status_code == 200
        for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/rtr_good/models"):
            head, got = http.head(path), http.get(path)
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-type"] == got.headers["content-type"]
        assert http.head("/rtr_good/chat/completions").status_code == http.head("/feedback").status_code == 405
        assert http.head("/nothing").status_code == 404
