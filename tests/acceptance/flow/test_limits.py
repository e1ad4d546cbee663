"""A request beyond a known limit of a model goes to another one first, and to that model if there is no other."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.providers.anthropic.adapter import MAX_IMAGE_BYTES
from tests.acceptance.flow.ruled import anthropic_message
from tests.support.gateway import run_gateway
from tests.support.scripted_provider import completion
from tests.support.threads import serve_app

PRICED = 'input_usd_per_million = 1\noutput_usd_per_million = 2\nabilities = ["vision"]\ncontext_window = 10000000\n'


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """A provider of both kinds: the path tells which."""
    if scope["type"] == "lifespan":
        return
    while (await receive()).get("more_body"):
        pass
    whole = anthropic_message("claude") if scope["path"].endswith("/messages") else completion("gpt")
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(whole).encode()})


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    directory: Path = tmp_path_factory.mktemp("limits")
    with serve_app(answer) as url:
        text = f'database_url = "sqlite:///{directory}/ledger.db"\n'
        for name, kind in (("a", "anthropic"), ("o", "openai")):
            text += f'[providers.{name}]\nkind = "{kind}"\nbase_url = "{url}/v1"\n'
            text += f'[models."{name}/large"]\n{PRICED}[models."{name}/small"]\n{PRICED}output_limit = 1000\n'
        for router_id, models in (
            ("rtr_images", ["a/large", "o/large"]),
            ("rtr_images_alone", ["a/large"]),
            ("rtr_tokens", ["o/small", "o/large"]),
            ("rtr_tokens_alone", ["o/small"]),
        ):
            text += f'[routers.{router_id}]\nmodels = {json.dumps(models)}\npolicy = "fixed:{models[0]}"\n'
        with run_gateway(text, directory) as running, running.http() as client:
            yield client


def chosen(http: httpx.Client, router_id: str, **fields: Any) -> str:
    body = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}], **fields}
    response = http.post(f"/{router_id}/chat/completions", json=body)
    assert response.status_code == 200, response.text
    assert response.headers["x-router-attempts"] == "1"
    return response.headers["x-router-selected-model"]


def images(*sizes: int) -> list[dict[str, Any]]:
    """A message with images of these sizes in base64."""
    urls = ["data:image/png;base64," + base64.b64encode(b"\0" * (size // 4 * 3)).decode() for size in sizes]
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}} for url in urls]}]


@pytest.mark.parametrize(
    ("sizes", "model_id"),
    [
        ((MAX_IMAGE_BYTES,), "a/large"),
        ((MAX_IMAGE_BYTES + 4,), "o/large"),
        ((8, MAX_IMAGE_BYTES + 4, 8), "o/large"),
        ((MAX_IMAGE_BYTES, MAX_IMAGE_BYTES), "a/large"),
    ],
)
def test_an_image_that_a_kind_of_provider_refuses_goes_to_another(
    sizes: tuple[int, ...], model_id: str, http: httpx.Client
) -> None:
    assert chosen(http, "rtr_images", messages=images(*sizes)) == model_id


def test_one_that_only_such_a_provider_could_take_is_sent_there(http: httpx.Client) -> None:
    assert chosen(http, "rtr_images_alone", messages=images(MAX_IMAGE_BYTES + 4)) == "a/large"


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_model_that_can_not_answer_at_such_length_is_asked_last(name: str, http: httpx.Client) -> None:
    assert chosen(http, "rtr_tokens", **{name: 1_000}) == "o/small"
    assert chosen(http, "rtr_tokens", **{name: 1_001}) == "o/large"
    assert chosen(http, "rtr_tokens_alone", **{name: 1_001}) == "o/small"
