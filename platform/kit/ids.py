"""Request ids: UUIDv7 of the gateway, whose leading bits are the admission's instant.

The event table is partitioned on the id itself, so an instant becomes a range of ids
here and nowhere else: a filter on `admitted_at` would not prune partitions.
"""

import datetime as dt
import os
from uuid import UUID

_MS_SHIFT = 80
# Version and variant, and the bits between them that are random.
_VERSION_7 = 0x7 << 76 | 0b10 << 62
_RANDOM_MASK = 0xFFF << 64 | (1 << 62) - 1
_UNIX_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def uuid7(unix_ms: int) -> UUID:
    """Make a UUIDv7 for the given millisecond, with 74 random bits."""
    random = int.from_bytes(os.urandom(10), "big")
    return UUID(int=unix_ms << _MS_SHIFT | _VERSION_7 | random & _RANDOM_MASK)


def unix_ms_of(request_id: UUID) -> int:
    """Return the millisecond that a UUIDv7 carries."""
    return request_id.int >> _MS_SHIFT


def uuid_floor(instant: dt.datetime) -> UUID:
    """Return the smallest id of the instant's millisecond, for half-open id ranges."""
    unix_ms = (instant - _UNIX_EPOCH) // dt.timedelta(milliseconds=1)
    # No id is older than 1970, so any earlier bound is the same bound.
    return UUID(int=max(unix_ms, 0) << _MS_SHIFT)
