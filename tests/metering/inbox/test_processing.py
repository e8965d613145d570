"""What came is seen through: once for an object, again after a failure, never lost."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from kit.orm.roles import as_operator
from metering.billing.operations import CallRefused, OutcomeUnknown
from metering.inbox.handlers import NotYet, handles
from metering.inbox.models import WebhookEvent
from metering.inbox.processing import (
    ATTEMPTS_MAX,
    CLAIMED_FOR,
    DELAYS,
    PATIENCE,
    process_next,
)
from tests.concurrency import as_another_operator
from tests.databases import Database
from tests.factories.inbox import NOW, SECOND, Remembering, take_in, told

State = WebhookEvent.State
REFUSED = CallRefused("no such invoice")
DAY = dt.timedelta(days=1)


def event(event_id: str = "evt_1") -> WebhookEvent:
    return WebhookEvent.objects.get(event_id=event_id)


def process_all(now: dt.datetime = NOW) -> int:
    return next(count for count in range(1000) if not process_next(now=now))


@pytest.mark.usefixtures("operator_db")
class TestOne:
    """It is seen through."""

    def test_its_handler_is_called_and_it_is_done(self) -> None:
        handler = Remembering()
        take_in(told())
        assert process_all() == 1
        assert handler.calls == [("default", "in_1", "invoice.paid")]
        assert (event().state, event().finished_at) == (State.DONE, NOW)
        assert process_all() == 0

    def test_a_duplicate_is_not_seen_through_again(self) -> None:
        handler = Remembering()
        take_in(told())
        process_all()
        take_in(told())
        assert process_all() == 0
        assert len(handler.calls) == 1

    def test_events_of_one_object_are_seen_through_together(self) -> None:
        handler = Remembering()
        take_in(
            told("evt_2", "invoice.paid", occurred_at=NOW + SECOND),
            told("evt_1", "invoice.finalized"),
            told("evt_3", "invoice.paid", object_id="in_2"),
        )
        take_in(told("evt_4"), account="europe")
        assert process_all() == 3
        assert sorted(handler.calls) == [
            ("default", "in_1", "invoice.paid"),
            ("default", "in_2", "invoice.paid"),
            ("europe", "in_1", "invoice.paid"),
        ]
        assert set(WebhookEvent.objects.values_list("state", flat=True)) == {State.DONE}

    def test_each_handler_is_called_once_with_the_latest_of_its_own(self) -> None:
        all_of_it, paid = Remembering("invoice.*"), Remembering("*.paid")
        take_in(
            told("evt_1", "invoice.updated", occurred_at=NOW + SECOND),
            told("evt_2", "invoice.paid"),
        )
        process_all()
        assert all_of_it.calls == [("default", "in_1", "invoice.updated")]
        assert paid.calls == [("default", "in_1", "invoice.paid")]


@pytest.mark.usefixtures("operator_db")
class TestFailing:
    """Its handler fails."""

    def test_a_refusal_is_tried_again_later_each_time_and_parked_at_last(self) -> None:
        handler = Remembering(failures=[REFUSED] * 100)
        take_in(told())
        now = NOW
        for delay in DELAYS:
            assert process_all(now) == 1
            assert process_all(now + delay - SECOND) == 0
            assert "no such invoice" in event().problem
            now += delay
        assert process_all(now) == 1
        assert event().state == State.PARKED
        assert process_all(now + DAY) == 0
        assert len(handler.calls) == len(DELAYS) + 1

    def test_one_that_fails_holds_up_no_other(self) -> None:
        Remembering(failures=[REFUSED])
        take_in(told("evt_1"), told("evt_2", object_id="in_2"))
        assert process_all() == 2
        assert [event("evt_1").state, event("evt_2").state] == [
            State.WAITING,
            State.DONE,
        ]

    def test_its_problem_goes_away_with_its_cause(self) -> None:
        Remembering(failures=[REFUSED])
        take_in(told())
        process_all()
        process_all(NOW + DELAYS[0])
        assert (event().state, event().problem) == (State.DONE, "")

    @pytest.mark.parametrize("delay", [NotYet("later"), OutcomeUnknown("no answer")])
    def test_without_an_answer_patience_lasts_for_days(self, delay: Exception) -> None:
        Remembering(failures=[delay] * 1000)
        take_in(told())
        now = NOW
        while event().state == State.WAITING:
            now = event().next_at or now
            process_all(now)
        assert now - NOW > PATIENCE
        assert now - NOW <= PATIENCE + max(DELAYS)
        assert event().state == State.PARKED

    def test_a_bug_is_a_problem_and_no_crash(self) -> None:
        Remembering(failures=[ZeroDivisionError("division by zero")])
        take_in(told())
        assert process_all() == 1
        assert event().problem == "ZeroDivisionError: division by zero"

    def test_what_kills_each_process_is_parked_at_last(self) -> None:
        handler = Remembering()
        take_in(told())
        WebhookEvent.objects.update(attempts=ATTEMPTS_MAX)
        process_all()
        assert event().state == State.PARKED
        assert handler.calls == []

    def test_patience_begins_with_the_first_attempt(self) -> None:
        """The workers were away for a month."""
        Remembering(failures=[NotYet("later")])
        take_in(told())
        later = NOW + 30 * DAY
        process_all(later)
        assert event().state == State.WAITING
        process_all(later + DELAYS[0])
        assert event().state == State.DONE


def test_a_claim_that_was_left_runs_out(fresh_database: Database) -> None:
    with as_operator():

        def die(*_: object) -> None:
            raise KeyboardInterrupt

        handles("invoice.*")(die)
        take_in(told())
        with pytest.raises(KeyboardInterrupt):
            process_next(now=NOW)
        assert process_all(NOW + CLAIMED_FOR - SECOND) == 0
        with pytest.raises(KeyboardInterrupt):
            process_next(now=NOW + CLAIMED_FOR)


def test_workers_pass_by_what_others_have(fresh_database: Database) -> None:
    handler = Remembering()
    objects, workers = 40, 4
    with as_operator():
        take_in(*(told(f"evt_{n}", object_id=f"in_{n}") for n in range(objects)))
    start = Barrier(workers)

    def work() -> None:
        start.wait()
        process_all()

    with ThreadPoolExecutor(workers) as pool:
        ran = [pool.submit(as_another_operator, work) for _ in range(workers)]
    assert [each.result() for each in ran] == [None] * workers
    assert sorted(handler.calls) == sorted(set(handler.calls))
    assert len(handler.calls) == objects


def test_of_two_that_come_together_both_are_seen_through(
    fresh_database: Database,
) -> None:
    """What is kept while a handler reads is not taken for what it has read."""
    with as_operator():

        def read(*_: object) -> None:
            take_in(told("evt_2"))

        handles("invoice.*")(read)
        take_in(told("evt_1"))
        assert process_next(now=NOW)
        assert event("evt_1").state == State.DONE
        assert event("evt_2").state == State.WAITING
