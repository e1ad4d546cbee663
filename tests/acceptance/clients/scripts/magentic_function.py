"""The gateway from magentic."""

from checking import BASE_URL, KEY, check, run
from magentic import OpenaiChatModel, prompt
from pydantic import BaseModel

model = OpenaiChatModel("dari/routing", base_url=BASE_URL, api_key=KEY)


class City(BaseModel):
    """A city."""

    name: str
    people: int


@prompt("Say hello.", model=model)
def hello() -> str: ...


@prompt("Name a city.", model=model)
def city() -> City: ...


@check("plain")
def plain() -> str:
    """An answer, always in pieces."""
    said = hello()
    assert said
    return said


@check("schema")
def schema() -> str:
    """An object of a given class."""
    return repr(city())


run()
