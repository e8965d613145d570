"""Columns as arrays in PostgreSQL's binary form, packed in one call each.

A general adapter looks at every element to learn what it is; here a column's type is
known. Failure: a value that does not fit its column's type raises `struct.error`.
"""

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from psycopg import AsyncConnection, Connection
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

# Dimensions, has nulls, the elements' type, how many there are, numbered from.
_HEAD = struct.Struct("!iiIii")
# By type: its id in the catalogue, the bytes of a value, and how `struct` writes it.
_TYPES = {
    "bigint": (20, 8, "q"),
    "integer": (23, 4, "i"),
    "smallint": (21, 2, "h"),
    "boolean": (16, 1, "?"),
    "uuid": (2950, 16, "16s"),
}


class PackedArray(bytes):
    """A whole array as it goes over the wire; the statement's cast says its type."""


class _PackedArrayDumper(Dumper):
    """Passes on what is packed already."""

    format = Format.BINARY

    def dump(self, obj: PackedArray) -> Buffer:
        """Return the parameter's bytes."""
        return obj


def packed(kind: str, values: Sequence[Any]) -> PackedArray:
    """Pack the values of a column of this type; a uuid is given by its bytes."""
    type_id, size, _ = _TYPES[kind]
    # Each value follows its size.
    sized = [size] * (2 * len(values))
    sized[1::2] = values
    head = _HEAD.pack(1, 0, type_id, len(values), 1)
    return PackedArray(head + _elements(kind, len(values)).pack(*sized))


def register_arrays(connection: AsyncConnection | Connection[Any]) -> None:
    """Let a connection take packed arrays as parameters."""
    connection.adapters.register_dumper(PackedArray, _PackedArrayDumper)


@lru_cache(maxsize=1024)
def _elements(kind: str, count: int) -> struct.Struct:
    return struct.Struct("!" + f"i{_TYPES[kind][2]}" * count)
