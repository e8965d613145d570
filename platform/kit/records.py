"""Frozen dataclasses for what is made on every request.

Python freezes a dataclass by a call for each field, so that it costs four times as much
to make as a plain one. Type checkers hold these to being frozen like any other; at run
time nobody looks. They compare and hash as frozen ones do.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:
    from dataclasses import dataclass

    def record(*, frozen: bool, slots: bool):
        """Make a dataclass that is frozen for whoever reads the code."""
        return dataclass(slots=slots, unsafe_hash=frozen)


__all__ = ["record"]
