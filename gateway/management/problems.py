"""Turns the mistakes in a table of fields into one error that names them all."""

from collections.abc import Sequence

from gateway.errors import BadRequest
from gateway.settings.table_reader import Problem


def bad_fields(problems: Sequence[Problem]) -> BadRequest:
    """The error that names every wrong field."""
    unknown = any("is not a known key" in problem.message for problem in problems)
    return BadRequest(
        "; ".join(f"`{problem.dotted()}` {problem.message}" for problem in problems),
        param=problems[0].dotted() or None,
        code="unknown_parameter" if unknown else None,
        problems=[(problem.dotted() or None, problem.message) for problem in problems],
    )
