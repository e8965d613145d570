"""Away is what has not answered for too long; back is what answers everything."""

from collections.abc import Iterator
from unittest import mock

import pytest

from metering.intake import liveness as liveness_module
from metering.intake.liveness import Liveness

AWAY_AFTER_MS = 500


class Time:
    """The boot clock in the test's hands."""

    ms = 10_000

    def read(self) -> int:
        return self.ms * 1000


@pytest.fixture
def time() -> Iterator[Time]:
    now = Time()
    with mock.patch.object(liveness_module, "boot_us", now.read):
        yield now


@pytest.fixture
def here(time: Time) -> Liveness:
    made = Liveness(away_after_ms=AWAY_AFTER_MS)
    made.asked("heartbeat")
    made.answered("heartbeat")
    return made


def test_begins_away_until_the_first_answer(time: Time) -> None:
    made = Liveness(away_after_ms=AWAY_AFTER_MS)
    assert made.is_away
    made.asked("heartbeat")
    assert made.is_away
    made.answered("heartbeat")
    assert not made.is_away


def test_silence_without_a_question_is_no_absence(here: Liveness, time: Time) -> None:
    time.ms += 3_600_000
    here.check()
    assert not here.is_away


@pytest.mark.parametrize(("waited_ms", "is_gone"), [(2000, False), (2001, True)])
def test_gone_after_four_times_the_setting(
    here: Liveness, time: Time, waited_ms: int, is_gone: bool
) -> None:
    heard: list[str] = []
    here.on_gone(lambda: heard.append("gone"))
    here.asked("commit")
    time.ms += waited_ms
    here.check()
    here.check()
    assert (here.is_away, here.is_gone) == (True, is_gone)
    assert heard == ["gone"] * is_gone
    here.answered("commit")
    assert (here.is_away, here.is_gone) == (False, False)


@pytest.mark.parametrize(("waited_ms", "is_away"), [(500, False), (501, True)])
def test_away_after_the_setting(
    here: Liveness, time: Time, waited_ms: int, is_away: bool
) -> None:
    here.asked("commit")
    time.ms += waited_ms
    here.check()
    assert here.is_away is is_away


def test_asking_again_does_not_begin_anew(here: Liveness, time: Time) -> None:
    for _ in range(6):
        here.asked("commit")
        time.ms += 100
    here.check()
    assert here.is_away


def test_listeners_hear_of_each_absence_once(here: Liveness, time: Time) -> None:
    heard: list[int] = []
    here.on_away(lambda: heard.append(1))
    here.on_away(lambda: heard.append(2))
    for _ in range(2):
        here.asked("commit")
        time.ms += 1000
        here.check()
        here.check()
        here.answered("commit")
        assert not here.is_away
    assert heard == [1, 2, 1, 2]


def test_back_only_when_nothing_else_is_overdue(here: Liveness, time: Time) -> None:
    here.asked("commit")
    here.asked("heartbeat")
    time.ms += 1000
    here.check()
    here.answered("heartbeat")
    assert here.is_away
    here.answered("commit")
    assert not here.is_away
