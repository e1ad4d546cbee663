"""Dataclasses and kept properties for the values of a request: the same for the type checker, and faster to make."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as quick_dataclass
    from functools import cached_property as kept_property
else:
    from dataclasses import dataclass

    def quick_dataclass(*, frozen: bool, slots: bool):
        """`dataclass`, without what a frozen one does at run time."""
        # A frozen dataclass sets each field by a call of object.__setattr__. The values of one completion have 200
        # fields: that was a tenth of its CPU time. So mypy alone keeps these from being changed.
        return dataclass(slots=slots, unsafe_hash=frozen)

    class kept_property:  # noqa: N801 - as functools.cached_property
        """`cached_property`, without the lock that Python 3.11 takes whenever one is computed: 1 µs each."""

        def __init__(self, compute):
            self.compute = compute
            self.__doc__ = compute.__doc__

        def __set_name__(self, owner, name):
            self.name = name

        def __get__(self, instance, owner=None):
            if instance is None:
                return self
            value = instance.__dict__[self.name] = self.compute(instance)
            return value


__all__ = ["kept_property", "quick_dataclass"]
