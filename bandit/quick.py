"""A dataclass for the values of a request: frozen for the type checker, and three times as fast to make."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as quick_dataclass
else:
    from dataclasses import dataclass

    def quick_dataclass(*, frozen: bool, slots: bool):
        """`dataclass`, without what a frozen one does at run time."""
        # A frozen dataclass sets each field by a call of object.__setattr__. The values of one completion have 200
        # fields: that was a tenth of its CPU time. So mypy alone keeps these from being changed.
        return dataclass(slots=slots, unsafe_hash=frozen)


__all__ = ["quick_dataclass"]
