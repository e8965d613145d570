"""Of what an hour lost, the meter is told within a day, and people after it."""

import pytest

from metering.collection.meters.noting import TAKEN, forget_use, note_use
from metering.collection.meters.telling import tell_use
from metering.collection.models import MeterDifference, MeterEvent
from metering.usage.models import RollupMark
from tests.factories.usage import make_epoch
from tests.metering.collection.meters.scene import DAY, HOUR, MINUTE, Metered

PATH = "/v1/billing/meter_event_adjustments"
TOLD_AT = "/v1/billing/meter_events"


def differences() -> list[tuple[str, int, int]]:
    """Return what was told and used of hours that differ."""
    rows = MeterDifference.objects.order_by("pk")
    return list(rows.values_list("counted", "told", "used"))


def test_what_was_not_sent_yet_is_not_sent(metered: Metered) -> None:
    metered.use(input_tokens=900)
    note_use(now=metered.now)
    metered.use(input_tokens=-200)
    assert metered.run() == [("input_tokens", 1, 900, "dropped")]
    assert metered.run()[1] == ("input_tokens", 2, 700, "told")
    assert (metered.counted(), differences()) == (700, [])


def test_what_was_told_today_is_taken_back_and_told_anew(metered: Metered) -> None:
    metered.use(input_tokens=900)
    metered.run()
    metered.use(input_tokens=-200)
    metered.run()
    assert metered.run() == [
        ("input_tokens", 1, 900, "cancelled"),
        ("input_tokens", 2, 700, "told"),
    ]
    assert (metered.counted(), differences()) == (700, [])


def test_only_as_much_is_taken_back_as_it_takes(metered: Metered) -> None:
    metered.use(input_tokens=900)
    metered.run()
    metered.use(input_tokens=50)
    metered.run()
    metered.use(input_tokens=-20)
    metered.run()
    assert metered.run() == [
        ("input_tokens", 1, 900, "told"),
        ("input_tokens", 2, 50, "cancelled"),
        ("input_tokens", 3, 30, "told"),
    ]


def test_what_was_told_before_is_shown_as_a_difference(metered: Metered) -> None:
    metered.use(input_tokens=900)
    metered.run()
    metered.wait(DAY)
    metered.use(input_tokens=-200)
    assert metered.run() == [("input_tokens", 1, 900, "told")]
    assert differences() == [("input_tokens", 900, 700)]
    calls = metered.standin.journal()
    assert not [call for call in calls if call["path"] == PATH]
    # It goes by what comes.
    metered.use(input_tokens=150)
    metered.run()
    assert differences() == [("input_tokens", 900, 850)]
    metered.use(input_tokens=60)
    metered.run()
    assert differences() == []
    assert metered.counted() == 910


def test_hours_that_are_built_anew_lost_nothing(metered: Metered) -> None:
    metered.use(input_tokens=900)
    metered.run()
    mark = RollupMark.objects.create(
        epoch=make_epoch(started_at=metered.hour), rolled_seq=7, hours_seq=3
    )
    metered.use(input_tokens=-900)
    assert metered.run() == [("input_tokens", 1, 900, "told")]
    mark.hours_seq = 7
    mark.save()
    assert metered.run() == [("input_tokens", 1, 900, "cancelled")]


@pytest.mark.parametrize(
    "fault", ["drop_before", "commit_then_drop", "error_500", "commit_then_500"]
)
def test_a_call_that_goes_wrong_takes_back_once(metered: Metered, fault: str) -> None:
    metered.use(input_tokens=900)
    metered.run()
    metered.use(input_tokens=-200)
    metered.standin.plan(fault, method="POST", path=PATH)
    assert metered.run()[0][3] == "cancelling"
    # Whatever else comes waits until that is decided.
    metered.use(input_tokens=10)
    assert len(metered.run()) == 1
    assert differences() == []
    for _ in range(4):
        # What is refused is asked of the meter an hour later.
        metered.wait(61 * MINUTE)
        metered.run()
    assert metered.events()[0][3] == "cancelled"
    assert (metered.counted(), differences()) == (710, [])


@pytest.mark.parametrize("fault", ["drop_before", "commit_then_drop"])
def test_after_a_day_in_doubt_the_meter_decides(metered: Metered, fault: str) -> None:
    metered.use(input_tokens=900)
    metered.run()
    metered.use(input_tokens=-200)
    metered.standin.plan(fault, method="POST", path=PATH)
    metered.run()
    metered.wait(2 * DAY)
    for _ in range(2):
        metered.run()
        metered.wait(MINUTE)
    gone = fault == "commit_then_drop"
    assert metered.events()[0][3] == ("cancelled" if gone else "told")
    assert metered.counted() == (700 if gone else 900)
    assert differences() == ([] if gone else [("input_tokens", 900, 700)])


def test_what_is_not_taken_back_says_why_and_is_tried_again(metered: Metered) -> None:
    metered.use(input_tokens=900)
    metered.run()
    metered.use(input_tokens=-200)
    metered.standin.plan("lock_timeout", method="POST", path=PATH)
    assert metered.run()[0][3] == "cancelling"
    assert "It could not be taken back" in metered.problems()[0]
    metered.wait(HOUR)
    tell_use(now=metered.now)
    assert metered.events()[0][3] == "told"
    assert "It could not be taken back" in metered.problems()[0]
    metered.run(2)
    assert metered.events()[0][3] == "cancelled"


def test_what_was_sent_without_an_answer_is_not_dropped(metered: Metered) -> None:
    metered.use(input_tokens=900)
    # It counts, and the key keeps the failure.
    metered.standin.plan("commit_then_500", method="POST", path=TOLD_AT)
    metered.run()
    metered.wait(2 * MINUTE)
    metered.run()
    metered.use(input_tokens=-200)
    assert metered.run() == [("input_tokens", 1, 900, "waiting")]
    for _ in range(4):
        metered.wait(2 * MINUTE)
        metered.run()
    assert [each[3] for each in metered.events()] == ["cancelled", "told"]
    assert (metered.counted(), differences()) == (700, [])


def test_one_event_of_an_hour_is_tried_at_a_time(metered: Metered) -> None:
    for _ in range(2):
        metered.use(input_tokens=450)
        metered.run()
    metered.use(input_tokens=-900)
    metered.standin.plan("commit_then_500", method="POST", path=PATH)
    for _ in range(5):
        metered.run()
        metered.wait(61 * MINUTE)
    assert [each[3] for each in metered.events()] == ["cancelled", "cancelled"]
    assert (metered.counted(), differences()) == (0, [])


def test_differences_are_forgotten_with_their_hours(metered: Metered) -> None:
    metered.use(input_tokens=900)
    metered.run()
    metered.wait(30 * HOUR)
    metered.use(input_tokens=-200)
    note_use(now=metered.now, reach=TAKEN)
    tell_use(now=metered.now)
    metered.wait(40 * DAY)
    assert forget_use(now=metered.now) == 1
    assert (differences(), MeterEvent.objects.count()) == ([], 0)
