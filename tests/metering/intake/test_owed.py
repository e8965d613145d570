"""Single cases of what is owed that chance seldom meets."""

from dataclasses import replace
from uuid import UUID

from kit.contracts import CountedBy, EventKind, EventStatus, TokenCounts
from metering.intake.events import late_event, request_event, undelivered_event
from metering.intake.owed import (
    Bills,
    Stands,
    lost_by,
    outcome_in_the_end,
    owed_by,
    still_owed,
)
from metering.intake.recovery import stands_of
from metering.intake.slots import Phase, Progress, Slot
from tests.metering.intake.journalled import admission, outcome

ONE = admission(1)
ENDED = outcome(9)
LESS = replace(ENDED.counts, output_tokens=4)


def progress(
    output_tokens: int, *, status: EventStatus | None = None, version: int = 1
) -> Progress:
    """Make a progress of so many tokens."""
    counts = replace(ENDED.counts, output_tokens=output_tokens)
    return Progress(version, status, CountedBy.ENGINE, 25, counts, 24, 26, 27)


def slot(
    phase: Phase, offered: Progress | None, written: Progress | None = None
) -> Slot:
    """Make a slot of the one request."""
    return Slot(ONE, 1, phase, offered, written, 0, UUID(int=99))


def stands(counts: TokenCounts, *, is_given_back: bool = False) -> dict[UUID, Stands]:
    """Say what stands of it."""
    return {ONE.request_id: Stands(counts, is_given_back)}


def test_a_running_request_is_drained_with_what_was_sent() -> None:
    running = slot(Phase.RUNNING, progress(5, version=2), progress(4))
    for bills, tokens in ((Bills.OFFERED, 5), (Bills.WRITTEN, 4)):
        end = outcome_in_the_end(running, bills=bills)
        assert (end.status, end.counts.output_tokens) == (EventStatus.DRAINED, tokens)
        assert (end.counts.input_tokens, end.generated_tokens) == (21, 24)
        assert (end.replica_id, end.first_token_us, end.duration_us) == (25, 26, 27)
        assert end.counted_by is CountedBy.ENGINE


def test_of_a_request_without_a_token_nothing_is_billed() -> None:
    """The engine that it was sent to is known all the same."""
    offered = slot(Phase.RUNNING, progress(5))
    end = outcome_in_the_end(offered, bills=Bills.WRITTEN)
    assert end.counts == TokenCounts()
    assert (end.replica_id, end.generated_tokens, end.duration_us) == (25, 24, 27)
    assert (end.counted_by, end.first_token_us) == (CountedBy.NONE, None)
    prompt = outcome_in_the_end(slot(Phase.RUNNING, progress(0)), bills=Bills.OFFERED)
    assert prompt.counts == TokenCounts()
    for bills in Bills:
        end = outcome_in_the_end(slot(Phase.RUNNING, None), bills=bills)
        assert (end.counts, end.status) == (TokenCounts(), EventStatus.DRAINED)
        assert (end.replica_id, end.generated_tokens, end.duration_us) == (0, 0, 0)


def test_a_body_that_is_due_is_undelivered() -> None:
    due = slot(Phase.DUE, progress(9, status=EventStatus.OK))
    for bills in Bills:
        end = outcome_in_the_end(due, bills=bills)
        assert (end.status, end.counts) == (EventStatus.UNDELIVERED, TokenCounts())
    # Nothing stands, nothing is given back; what stands is, all of it.
    assert owed_by([due], stands(TokenCounts()), bills=Bills.OFFERED) == []
    [event] = owed_by([due], stands(LESS), bills=Bills.OFFERED)
    assert event.kind is EventKind.UNDELIVERED
    assert event.counts == TokenCounts(-21, -22, -4, -23)
    # Killed between its becoming due and its end.
    [event] = owed_by([slot(Phase.DUE, progress(5))], {}, bills=Bills.OFFERED)
    assert (event.charge_picos, event.counts) == (0, TokenCounts())


def test_a_voided_request_owes_nothing() -> None:
    assert owed_by([slot(Phase.VOIDED, None)], {}, bills=Bills.OFFERED) == []


def test_what_is_given_back_is_so_once_and_wholly() -> None:
    for phase, given_back in (
        (Phase.RETURNED, TokenCounts(0, 0, -9, -23)),
        (Phase.ANNULLED, TokenCounts(-21, -22, -9, -23)),
    ):
        back = slot(phase, progress(9, status=EventStatus.OK))
        first, second = owed_by([back], {}, bills=Bills.OFFERED)
        assert (first.request_id, first.counts) == (ONE.request_id, ENDED.counts)
        assert (second.request_id, second.counts) == (UUID(int=99), given_back)
        assert second.corrects == ONE.request_id
        [only] = owed_by([back], stands(ENDED.counts), bills=Bills.OFFERED)
        assert only.counts == given_back
        late, only = owed_by([back], stands(LESS), bills=Bills.OFFERED)
        assert (late.kind, late.counts.output_tokens) == (EventKind.LATE, 5)
        assert only.counts == given_back
        standing = stands(ENDED.counts, is_given_back=True)
        assert owed_by([back], standing, bills=Bills.OFFERED) == []


def test_what_stands_is_made_right_by_a_journal_and_left_by_a_checkpoint() -> None:
    ended = slot(Phase.ENDED, progress(9, status=EventStatus.OK))
    assert owed_by([ended], stands(ENDED.counts), bills=Bills.OFFERED) == []
    [late] = owed_by([ended], stands(LESS), bills=Bills.OFFERED)
    assert (late.kind, late.counts) == (EventKind.LATE, TokenCounts(output_tokens=5))
    assert owed_by([ended], stands(LESS), bills=Bills.WRITTEN) == []
    given_back = stands(LESS, is_given_back=True)
    assert owed_by([ended], given_back, bills=Bills.OFFERED) == []


def test_of_what_was_credited_whole_no_rest_is_billed() -> None:
    """An attempt may be credited by what a reaper knew of it, before its journal is."""
    sent = slot(Phase.RUNNING, progress(9))
    whole = TokenCounts(-21, -22, -4, -23)
    for adjusted, billed in ((whole, []), (TokenCounts(0, 0, -4), [5])):
        known = {ONE.request_id: Stands(LESS, False, adjusted)}
        owed = owed_by([sent], known, bills=Bills.OFFERED)
        assert [event.counts.output_tokens for event in owed] == billed


def test_nothing_is_given_back_twice_by_different_hands() -> None:
    """What an operator took back is not there to be given back."""
    part = Stands(ENDED.counts, False, TokenCounts(-21, 5, -4, -23))
    known = {ONE.request_id: part}
    ended = progress(9, status=EventStatus.OK)
    for phase in (Phase.DUE, Phase.ANNULLED):
        (back,) = owed_by([slot(phase, ended)], known, bills=Bills.OFFERED)
        assert back.counts == TokenCounts(0, -22, -5, 0)
        assert back.charge_picos == -(22 * 16 + 5 * 17)
    (back,) = owed_by([slot(Phase.RETURNED, ended)], known, bills=Bills.OFFERED)
    assert back.counts == TokenCounts(0, 0, -5, 0)
    whole = {ONE.request_id: Stands(LESS, False, TokenCounts(-21, -22, -9, -23))}
    due = slot(Phase.DUE, ended)
    assert not owed_by([due], whole, bills=Bills.OFFERED)


def test_what_waits_is_still_owed_unless_it_stands() -> None:
    event = request_event(ONE, ENDED)
    assert still_owed(event, {}) is event
    assert still_owed(event, stands(ENDED.counts)) is None
    late = still_owed(event, stands(LESS))
    assert late is not None
    assert (late.kind, late.counts) == (EventKind.LATE, TokenCounts(output_tokens=5))
    assert still_owed(event, stands(LESS, is_given_back=True)) is None


def test_a_difference_that_waits_is_that_to_what_stands_now() -> None:
    event = late_event(ONE, ENDED, stands=LESS)
    assert event is not None
    # Without its original, it becomes that.
    original = still_owed(event, {})
    assert original is not None
    assert (original.kind, original.counts) == (EventKind.REQUEST, ENDED.counts)
    assert still_owed(event, stands(LESS)) is event
    less = still_owed(event, stands(replace(LESS, output_tokens=7)))
    assert less is not None
    assert less.counts == TokenCounts(output_tokens=2)
    # Committed, and only the answer got lost.
    there = {event.request_id: Stands(event.counts, False)}
    assert still_owed(event, stands(LESS) | there) is None


def test_giving_back_that_waits_waits_unless_it_is_given_back() -> None:
    event = undelivered_event(ONE, ENDED, prompt_too=True)
    assert still_owed(event, {}) is event
    assert still_owed(event, stands(ENDED.counts)) is event
    assert still_owed(event, stands(ENDED.counts, is_given_back=True)) is None
    there = {event.request_id: Stands(event.counts, False)}
    assert still_owed(event, stands(ENDED.counts) | there) is None


def test_a_living_process_has_lost_what_is_neither_there_nor_queued() -> None:
    for phase in (Phase.ENDED, Phase.BEGUN, Phase.DUE):
        ended = slot(phase, progress(9, status=EventStatus.OK))
        [event] = lost_by([ended], {}, [])
        assert (event.request_id, event.counts) == (ONE.request_id, ENDED.counts)
        assert lost_by([ended], stands(ENDED.counts), []) == []
        assert lost_by([ended], {}, [request_event(ONE, ENDED)]) == []
        [late] = lost_by([ended], stands(LESS), [])
        assert late.counts == TokenCounts(output_tokens=5)
        queued = late_event(ONE, ENDED, stands=LESS)
        assert queued is not None
        assert lost_by([ended], stands(LESS), [queued]) == []
    assert lost_by([slot(Phase.RUNNING, progress(9))], {}, []) == []
    # A correction that waits says nothing of its original.
    back = slot(Phase.ANNULLED, progress(9, status=EventStatus.OK))
    waits = undelivered_event(
        ONE, ENDED, prompt_too=True, request_id=back.correction_id
    )
    [event] = lost_by([back], {}, [waits])
    assert event.request_id == ONE.request_id


def test_what_stands_is_read_by_class() -> None:
    row = (ONE.request_id, 1, 2, 3, 4, True, 5, 6, 7, 8)
    assert stands_of([row]) == {
        ONE.request_id: Stands(
            TokenCounts(1, 2, 3, 4),
            is_given_back=True,
            adjusted=TokenCounts(5, 6, 7, 8),
        )
    }
