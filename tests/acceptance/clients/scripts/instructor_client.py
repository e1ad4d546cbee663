"""The gateway from Instructor."""

import instructor
from checking import BASE_URL, KEY, check, run, send_score, send_score_of_episode, steering
from openai import OpenAI
from pydantic import BaseModel

openai = OpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0)
ASKED = [{"role": "user", "content": "Name a city."}]


class City(BaseModel):
    """A city."""

    name: str
    people: int


@check("tools")
def tools() -> str:
    """An object by a tool call, its default."""
    client = instructor.from_openai(openai)
    return repr(client.chat.completions.create(model="dari/routing", messages=ASKED, response_model=City))


@check("schema")
def schema() -> str:
    """An object by a JSON schema."""
    client = instructor.from_openai(openai, mode=instructor.Mode.JSON_SCHEMA)
    return repr(client.chat.completions.create(model="dari/routing", messages=ASKED, response_model=City))


@check("stream")
def stream() -> str:
    """An object that grows."""
    client = instructor.from_openai(openai)
    *_, last = client.chat.completions.create_partial(model="dari/routing", messages=ASKED, response_model=City)
    assert last.name
    return repr(last)


@check("feedback")
def feedback() -> str:
    """The completion beside the object."""
    client = instructor.from_openai(openai)
    _, completion = client.chat.completions.create_with_completion(
        model="dari/routing", messages=ASKED, response_model=City
    )
    return send_score(completion.id, 0.9)


@check("steered")
def steered() -> str:
    """Headers of a request."""
    client = instructor.from_openai(openai)
    client.chat.completions.create(
        model="dari/routing", messages=ASKED, response_model=City, extra_headers=steering("run-instructor")
    )
    return send_score_of_episode("run-instructor", 0.9)


run()
