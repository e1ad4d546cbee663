"""Instructions that name models of the router which can't serve the request."""

from typing import Any

import openai
import pytest

from tests.support.gateway import Running

PICTURE = [
    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
]


def ask(running: Running, instructions: str) -> Any:
    return running.client("rtr_seeing").chat.completions.create(
        model="dari/routing",
        messages=PICTURE,  # type: ignore[arg-type]  # a picture
        extra_body={"routing": {"instructions": instructions}},
    )


def test_a_preference_for_a_model_that_cannot_see_is_understood_and_another_serves(running: Running) -> None:
    answer = ask(running, "Prefer p/good-a.")
    assert answer.model == "p/seeing"
    assert "good-a" in answer.model_extra["dari_routing"]["reason"]
    assert "not understood" not in answer.model_extra["dari_routing"]["reason"].lower()


def test_a_demand_for_a_model_that_cannot_see_is_refused_by_name(running: Running) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(running, "Only use p/good-a.")
    assert caught.value.code == "no_capable_model"
    assert caught.value.param == "routing.instructions"
    assert "p/good-a lacks vision" in caught.value.message
