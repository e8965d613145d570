"""Adjustments of requests: to the token, once for each reference, told to the audit."""

import threading
import uuid
from dataclasses import asdict, replace

import pytest
from django.db import IntegrityError, connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.acting import Actor, ActorKind, acting_as
from kit.contracts import EventKind, TokenCounts
from kit.errors import Conflict, InvalidRequest, NotFound
from kit.orm.atomic import atomic
from kit.orm.roles import OPERATOR, as_operator
from metering.adjustments.adjusting import Wanted, preview_adjustment
from metering.adjustments.models import Adjustment
from metering.adjustments.services import (
    adjust_event,
    start_rerating,
)
from metering.pricing.rating import charge_picos
from metering.usage.corrections import (
    Request,
    post_corrections,
    standing_of,
    take_posting_turn,
)
from metering.usage.models import Event
from metering.usage.services import roll_up
from tenants.models import AuditEntry
from tests.concurrency import wait_until_blocked
from tests.factories.jobs import finish_jobs
from tests.factories.usage import COUNTS
from tests.metering.adjustments.scene import (
    MEANT,
    NOW,
    a_use,
    charged,
    requested,
    scope_of,
    tokens,
)

WHY = "The engine counted a template twice."
FEWER = TokenCounts(input_tokens=60, cached_input_tokens=20, output_tokens=50)


def adjusted(wanted: Wanted, reference: str = "ticket 1") -> Adjustment:
    return adjust_event(wanted=wanted, reason=WHY, reference=reference)


def test_void_leaves_nothing(operator_db: None) -> None:
    (request,) = requested(a_use())
    charge = charged(request)

    row = adjusted(Wanted(request))

    assert (charged(request), tokens(request)) == (0, TokenCounts())
    assert (row.kind, row.reason, row.request_id) == ("void", WHY, request.request_id)
    assert row.before == asdict(COUNTS)
    assert row.after == asdict(TokenCounts())
    assert (row.charge_before_picos, row.charge_after_picos) == (charge, 0)
    event = Event.objects.get(corrects=request.request_id)
    assert (event.kind, event.charge_picos) == (EventKind.ADJUSTMENT, -charge)
    assert roll_up().faults == ()


def test_correction_may_be_more_or_less(operator_db: None) -> None:
    use = a_use()
    (request,) = requested(use)
    adjusted(Wanted(request, FEWER))
    assert tokens(request) == FEWER
    more = replace(FEWER, output_tokens=70)
    row = adjusted(Wanted(request, more), "ticket 2")
    assert tokens(request) == more
    assert row.before == asdict(FEWER)
    assert row.difference_picos == 20 * use.price.output_picos
    adjusted(Wanted(request), "ticket 3")
    assert tokens(request) == TokenCounts()


def test_the_same_reference_is_done_once(operator_db: None) -> None:
    (request,) = requested(a_use())
    first = adjusted(Wanted(request, FEWER))
    assert adjusted(Wanted(request, FEWER)) == first
    with pytest.raises(Conflict, match="choose another"):
        adjusted(Wanted(request))
    assert Event.objects.filter(corrects=request.request_id).count() == 1


def test_what_changes_nothing_is_refused(operator_db: None) -> None:
    (request,) = requested(a_use())
    with pytest.raises(Conflict, match="nothing was changed"):
        adjusted(Wanted(request, COUNTS))
    adjusted(Wanted(request))
    with pytest.raises(Conflict, match="nothing was changed"):
        adjusted(Wanted(request), "again")


@pytest.mark.parametrize(
    ("counts", "param"),
    [
        (TokenCounts(input_tokens=-1), "input_tokens"),
        (TokenCounts(output_tokens=2**31), "output_tokens"),
        (TokenCounts(output_tokens=1, reasoning_tokens=2), "reasoning_tokens"),
    ],
)
def test_tokens_that_no_request_has_are_refused(
    operator_db: None, counts: TokenCounts, param: str
) -> None:
    (request,) = requested(a_use())
    with pytest.raises(InvalidRequest) as refused:
        adjusted(Wanted(request, counts))
    assert refused.value.param == param


def test_a_reason_is_required(operator_db: None) -> None:
    (request,) = requested(a_use())
    with pytest.raises(InvalidRequest, match="why"):
        adjust_event(wanted=Wanted(request), reason=" ", reference="one")


def test_request_that_is_not_there_is_not_found(operator_db: None) -> None:
    (request,) = requested(a_use())
    with pytest.raises(NotFound):
        adjusted(Wanted(replace(request, request_id=uuid.uuid4())))
    (other,) = requested(a_use())
    with pytest.raises(NotFound):
        adjusted(Wanted(replace(request, tenant_id=other.tenant_id)))


def test_preview_says_what_is_done(operator_db: None) -> None:
    (request,) = requested(a_use())
    wanted = Wanted(request, FEWER)
    effect = preview_adjustment(wanted)
    assert charged(request) == effect.charge_before_picos
    row = adjusted(wanted)
    assert row.difference_picos == effect.difference_picos
    assert charged(request) == effect.charge_after_picos


def test_who_and_why_are_in_the_audit(operator_db: None) -> None:
    (request,) = requested(a_use())
    with acting_as(Actor(ActorKind.OPERATOR, id=7)):
        row = adjusted(Wanted(request))
    entry = AuditEntry.objects.get(object_kind="adjustment", object_id=str(row.pk))
    assert (entry.tenant_id, entry.action) == (request.tenant_id, "adjust")
    assert (entry.actor_kind, entry.actor_id) == ("operator", 7)
    assert entry.after["reason"] == WHY
    assert (row.actor_kind, row.actor_id) == ("operator", 7)


def test_adjustments_are_append_only(operator_db: None) -> None:
    (request,) = requested(a_use())
    row = adjusted(Wanted(request))
    with pytest.raises(Exception, match=r"append-only|permission denied"), atomic():
        Adjustment.objects.filter(pk=row.pk).update(reason="none")
    with pytest.raises(IntegrityError), atomic():
        Adjustment(tenant_id=row.tenant_id, kind="void", before={}, after={}).save()


def test_correction_after_a_rating_anew_is_priced_by_that(operator_db: None) -> None:
    use = a_use()
    (request,) = requested(use)
    rerating = start_rerating(
        scope=scope_of(use), quote=MEANT, reason=WHY, reference="r", now=NOW
    )
    finish_jobs(now=NOW)

    adjusted(Wanted(request, FEWER))

    assert charged(request) == charge_picos(use.price, FEWER) // 10
    adjusted(Wanted(request), "ticket 2")
    adjusted(Wanted(request, FEWER), "ticket 3")
    assert charged(request) == charge_picos(use.price, FEWER) // 10
    last = Event.objects.filter(corrects=request.request_id).latest("committed_at")
    assert last.price_id == rerating.price_id


counts = st.builds(
    lambda uncached, cached, output, share: TokenCounts(
        uncached, cached, output, output * share // 4
    ),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 4),
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(asked=st.lists(st.one_of(st.none(), counts), max_size=5))
def test_adjustments_add_up_to_the_pico(
    operator_db: None, asked: list[TokenCounts | None]
) -> None:
    use = a_use()
    (request,) = requested(use)
    for number, wanted in enumerate(asked):
        before = charged(request)
        try:
            row = adjusted(Wanted(request, wanted), f"ticket {number}")
        except Conflict:
            assert tokens(request) == (wanted or TokenCounts())
            continue
        stands = wanted or TokenCounts()
        assert tokens(request) == stands
        assert charged(request) == charge_picos(use.price, stands)
        posted = Event.objects.filter(corrects=request.request_id)
        last = posted.latest("committed_at")
        assert last.charge_picos == charged(request) - before == row.difference_picos


@pytest.mark.usefixtures("fresh_database")
def test_of_two_adjusters_at_once_one_finds_nothing_left() -> None:
    with as_operator():
        (request,) = requested(a_use())
    ended: list[str] = []

    def other() -> None:
        with as_operator():
            try:
                adjusted(Wanted(request), "theirs")
                ended.append("done")
            except Conflict as refused:
                ended.append(refused.message)
            finally:
                connections[OPERATOR].close()

    thread = threading.Thread(target=other)
    with as_operator():
        with atomic():
            take_posting_turn()
            thread.start()
            wait_until_blocked()
            # As another posting that is under way: it comes first.
            adjust_within_turn(request)
        thread.join()
        assert ended == ["The request stands at that already: nothing was changed."]
        assert Event.objects.filter(corrects=request.request_id).count() == 1
        assert charged(request) == 0


def adjust_within_turn(request: Request) -> None:
    """Take all back by a correction of another source, in this transaction."""
    (standing,) = standing_of([request])[request]
    undone = standing.taken_back(kind=EventKind.RETRY, source="another")
    post_corrections([undone], poster="others")
