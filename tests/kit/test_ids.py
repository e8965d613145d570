"""Request ids: UUIDv7 whose order and bounds are those of their milliseconds."""

import datetime as dt
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.ids import unix_ms_of, uuid7, uuid_floor

UNIX = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MILLISECOND = dt.timedelta(milliseconds=1)
milliseconds = st.integers(0, 2**48 - 1)
# What a datetime can hold of them, and one millisecond more.
instants_ms = st.integers(0, 253_402_300_799_998)


@given(milliseconds)
def test_id_carries_its_millisecond(unix_ms: int) -> None:
    made = uuid7(unix_ms)
    assert unix_ms_of(made) == unix_ms
    assert (made.version, made.variant) == (7, RFC_4122)


@given(milliseconds, milliseconds)
def test_ids_sort_by_their_millisecond(one: int, other: int) -> None:
    if one != other:
        assert (uuid7(one) < uuid7(other)) is (one < other)


@given(instants_ms)
def test_floor_bounds_a_half_open_range(unix_ms: int) -> None:
    instant = UNIX + unix_ms * MILLISECOND
    inside = uuid7(unix_ms)
    assert uuid_floor(instant) <= inside < uuid_floor(instant + MILLISECOND)
    if unix_ms:
        assert uuid7(unix_ms - 1) < uuid_floor(instant)


@given(instants_ms, st.integers(0, 999))
def test_floor_is_that_of_the_whole_millisecond(unix_ms: int, us: int) -> None:
    instant = UNIX + unix_ms * MILLISECOND
    later = instant + dt.timedelta(microseconds=us)
    assert uuid_floor(later) == uuid_floor(instant)


@given(instants_ms)
def test_floor_does_not_depend_on_the_zone(unix_ms: int) -> None:
    instant = UNIX + unix_ms * MILLISECOND
    hours = -9 if instant.year > 9000 else 9
    elsewhere = instant.astimezone(dt.timezone(dt.timedelta(hours=hours)))
    assert uuid_floor(elsewhere) == uuid_floor(instant)


def test_no_two_ids_of_one_millisecond_are_the_same() -> None:
    assert len({uuid7(1) for _ in range(1000)}) == 1000


@pytest.mark.parametrize("years", [0, 1, 1969])
def test_no_id_is_before_1970(years: int) -> None:
    assert uuid_floor(UNIX.replace(year=1970 - years)) == UUID(int=0)
