"""Reads forms, and runs what they ask for: the errors of the management API become messages beside the fields."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import parse_qs

from fastapi import Request

from gateway.errors import BadRequest, GatewayError, UnsupportedMedia
from gateway.management.problems import bad_fields
from gateway.routes.unwritable import refuse_unwritable
from gateway.settings.router_options import OptionsError

MOST_FIELDS = 1_000

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form as they were sent; what is missing is empty."""

    values: Mapping[str, list[str]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The first value of a field, without spaces around it."""
        return next(iter(self.values.get(name, [])), "").strip()

    def all(self, name: str) -> list[str]:
        """All values of a field, as of checkboxes."""
        return self.values.get(name, [])


NOTHING_SENT = Form()


async def read_form(request: Request) -> Form:
    """Read the body of a form. Raises UnsupportedMedia, BadRequest."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise UnsupportedMedia("a form is application/x-www-form-urlencoded")
    body = await request.body()
    try:
        values = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        raise BadRequest(f"the form is not UTF-8 text of up to {MOST_FIELDS:,} fields") from None
    refuse_unwritable(values)
    return Form(values)


@dataclass(frozen=True, slots=True)
class Tried(Generic[Answer]):
    """What a call answered, or its problems by field; those of no field under the empty name."""

    answer: Answer | None
    problems: Mapping[str, str] = field(default_factory=dict)
    all_problems: Sequence[tuple[str, str]] = ()
    code: str = ""


def attempt(call: Callable[[], Answer]) -> Tried[Answer]:
    """Run a call of the management API and keep what it refuses."""
    try:
        return Tried(call())
    except OptionsError as error:
        return _refused(bad_fields(error.problems))
    except GatewayError as error:
        return _refused(error)


def _refused(error: GatewayError) -> Tried[Answer]:
    told = [((param or ""), message) for param, message in error.problems or [(error.param, error.message)]]
    problems: dict[str, str] = {}
    for param, message in told:
        name = re.split(r"[.\[]", param.removeprefix("limits."))[0]
        problems[name] = f"{problems[name]}; {message}" if name in problems else message
    return Tried(None, problems, told, error.code)
