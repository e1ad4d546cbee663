"""Collect all tables, and name their constraints."""

from typing import Any

from sqlalchemy import Column, ForeignKey, MetaData, Text, text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def completion(comment: str = "the request") -> "Column[object]":
    """Make the primary key of a table that has one row a request and goes with it."""
    return Column(
        "completion_id",
        Text,
        ForeignKey("decisions.completion_id", ondelete="CASCADE"),
        primary_key=True,
        comment=comment,
    )


def only(condition: str) -> dict[str, Any]:
    """Make the options of an index of some rows."""
    return {f"{dialect}_where": text(condition) for dialect in ("sqlite", "postgresql")}
