"""The clock that dates usage: PostgreSQL's, never backwards, never the host's."""

import asyncio
import datetime as dt
import time
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.intake import clock as clock_module
from metering.intake.clock import ROUND_TRIP_TRUSTED_US, DatabaseClock
from tests.metering.intake.metered import OUTCOME, Witness, admit, meter, started

YEAR_2026_US = 1_767_225_600_000_000
UNIX = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Host:
    """A machine whose boot clock is the test's."""

    def __init__(self) -> None:
        self.boot_us = 5_000_000

    def __enter__(self) -> "Host":
        self._patch = mock.patch.object(clock_module, "boot_us", self.read)
        self._patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.stop()

    def read(self) -> int:
        return self.boot_us

    def ask(
        self, clock: DatabaseClock, *, ahead_us: int, there_us: int, back_us: int
    ) -> None:
        """Ask a database whose clock is so far ahead, over a line this slow."""
        sent_us = self.boot_us
        database_us = sent_us + there_us + ahead_us
        self.boot_us += there_us + back_us
        clock.set(database_us, sent_us=sent_us, received_us=self.boot_us)


quick = st.integers(0, ROUND_TRIP_TRUSTED_US // 2)
slow = st.integers(ROUND_TRIP_TRUSTED_US // 2 + 1, 60_000_000)
passing = st.integers(0, 3_600_000_000)


def test_unset_clock_refuses_to_tell() -> None:
    clock = DatabaseClock()
    assert not clock.is_set
    with pytest.raises(RuntimeError):
        clock.now_us()


def test_half_the_round_trip_is_added() -> None:
    with Host() as host:
        clock = DatabaseClock()
        host.ask(clock, ahead_us=YEAR_2026_US, there_us=300, back_us=300)

        assert clock.now_us() == host.boot_us + YEAR_2026_US


@given(there=quick, back=quick, later=passing)
def test_error_is_at_most_half_the_round_trip(
    there: int, back: int, later: int
) -> None:
    with Host() as host:
        clock = DatabaseClock()
        host.ask(clock, ahead_us=YEAR_2026_US, there_us=there, back_us=back)
        host.boot_us += later

        error_us = abs(clock.now_us() - (host.boot_us + YEAR_2026_US))
        assert error_us <= (there + back) // 2 + 1


@given(first=st.tuples(quick, quick), second=st.tuples(slow, slow), later=passing)
def test_slow_answer_does_not_spoil_a_good_clock(
    first: tuple[int, int], second: tuple[int, int], later: int
) -> None:
    """A database that hung answers late: its answer may not move us by half of that."""
    with Host() as host:
        clock = DatabaseClock()
        for there, back in (first, second):
            host.ask(clock, ahead_us=YEAR_2026_US, there_us=there, back_us=back)
            host.boot_us += later

        error_us = abs(clock.now_us() - (host.boot_us + YEAR_2026_US))
        assert error_us <= sum(first) // 2 + 1


@given(drift=st.integers(-(10**9), 10**9), there=slow, back=slow)
def test_slow_answer_corrects_what_it_disproves(
    drift: int, there: int, back: int
) -> None:
    with Host() as host:
        clock = DatabaseClock()
        host.ask(clock, ahead_us=YEAR_2026_US, there_us=10, back_us=10)
        host.ask(clock, ahead_us=YEAR_2026_US + drift, there_us=there, back_us=back)

        error_us = abs(clock.now_us() - (host.boot_us + YEAR_2026_US + drift))
        assert error_us <= there + back


@given(
    st.lists(
        st.tuples(passing, st.integers(-(10**10), 10**10), quick | slow, quick | slow),
        min_size=1,
        max_size=20,
    )
)
def test_never_runs_backwards(steps: list[tuple[int, int, int, int]]) -> None:
    """Not even when the database's own clock does."""
    with Host() as host:
        clock = DatabaseClock()
        last = 0
        for passed, shift, there, back in steps:
            host.ask(clock, ahead_us=YEAR_2026_US + shift, there_us=there, back_us=back)
            for _ in range(2):
                now = clock.now_us()
                assert now >= last
                last = now
                host.boot_us += passed


async def test_admission_lies_between_the_database_s_instants(
    url: str, witness: Witness
) -> None:
    """Whatever the host's wall clock says; here it says something absurd."""
    error = dt.timedelta(microseconds=ROUND_TRIP_TRUSTED_US // 2)
    with (
        mock.patch.object(time, "time", return_value=0.0),
        mock.patch.object(time, "time_ns", return_value=0),
    ):
        async with started(meter(url)) as made:
            for _ in range(5):
                before = witness.rows("SELECT clock_timestamp() AS at")[0]["at"]
                admission = admit(made)
                after = witness.rows("SELECT clock_timestamp() AS at")[0]["at"]
                await made.settle(admission, OUTCOME)
                stored = witness.events()[-1]
                at = UNIX + dt.timedelta(microseconds=admission.admitted_at_us)
                assert stored["admitted_at"] == at
                assert before - error <= at <= after + error
                assert at - error <= stored["committed_at"]
                await asyncio.sleep(0)


async def test_ids_carry_the_millisecond_of_admission(url: str) -> None:
    async with started(meter(url)) as made:
        admissions = [admit(made) for _ in range(200)]
        for admission in admissions:
            made.void(admission)

    for admission in admissions:
        assert admission.request_id.int >> 80 == admission.admitted_at_us // 1000
        assert admission.request_id.version == 7
    instants = [admission.admitted_at_us for admission in admissions]
    assert instants == sorted(instants)
    assert len({admission.request_id for admission in admissions}) == 200
