"""Joins routers into one."""

from collections.abc import Iterable

from fastapi import APIRouter


def join(router: APIRouter, parts: Iterable[APIRouter]) -> None:
    """Add the routes of the parts, each of which says all about them itself.

    `include_router` would build every route anew with what the including router adds: a fifth of a second of a start.
    """
    for part in parts:
        router.routes.extend(part.routes)
