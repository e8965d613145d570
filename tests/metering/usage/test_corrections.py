"""Corrections posted from Django: once each, never below nothing, proven by checks."""

import threading
import uuid
from dataclasses import replace

import pytest
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.contracts import EventKind, TokenCounts
from kit.errors import Conflict, NotFound
from kit.ids import unix_ms_of
from kit.orm.atomic import atomic
from kit.orm.roles import OPERATOR, as_operator
from metering.billing.services import close_period
from metering.pricing.rating import charge_picos
from metering.reconciliation.catalogue import CHECKS
from metering.reconciliation.checks.check import Scope
from metering.reconciliation.models import Run
from metering.usage.corrections import (
    Correction,
    Request,
    post_corrections,
    standing_of,
    take_posting_turn,
)
from metering.usage.models import Correction as Listed
from metering.usage.models import Epoch, Event
from metering.usage.selectors import recount, rolled_up
from metering.usage.services import make_partitions, roll_up
from tenants.models import Tenant
from tests.concurrency import wait_until_blocked
from tests.factories.billing import CLOSED, FIRST, STARTED, make_month
from tests.factories.pricing import make_price
from tests.factories.usage import COUNTS, Use, commit, make_epoch, make_use
from tests.metering.billing.test_closing import NEXT, NEXT_CLOSED, lines_of

POSTER = "adjustments"
OUTPUT = TokenCounts(output_tokens=-10)
NOTHING = TokenCounts()


def made(use: Use) -> Request:
    (event,) = commit(make_epoch(started_at=STARTED, state="closed"), use)
    return Request(event.tenant_id, event.request_id)


def a_use() -> Use:
    return make_use(price=make_price(), admitted_at=STARTED)


def correcting(
    request: Request, counts: TokenCounts = OUTPUT, *, source: str = "one"
) -> Correction:
    return Correction(
        tenant_id=request.tenant_id,
        corrects=request.request_id,
        kind=EventKind.ADJUSTMENT,
        source=source,
        counts=counts,
    )


def test_correction_is_an_event_of_its_requests_instant(operator_db: None) -> None:
    use = a_use()
    request = made(use)

    assert post_corrections([correcting(request)], poster=POSTER) == 1

    event = Event.objects.get(corrects=request.request_id)
    original = Event.objects.get(request_id=request.request_id)
    for name in (
        "admitted_at",
        "project_id",
        "api_key_id",
        "price_id",
        "replica_id",
        "surface",
        "streamed",
    ):
        assert getattr(event, name) == getattr(original, name)
    assert unix_ms_of(event.request_id) == unix_ms_of(request.request_id)
    assert (event.output_tokens, event.generated_tokens) == (-10, 0)
    assert event.charge_picos == -10 * use.price.output_picos
    listed = Listed.objects.get(corrects=request.request_id)
    assert (listed.request_id, listed.source) == (event.request_id, "one")


def test_posting_twice_is_posting_once(operator_db: None) -> None:
    request = made(a_use())
    twice = [correcting(request), correcting(request)]

    assert post_corrections(twice, poster=POSTER) == 1
    assert post_corrections(twice, poster=POSTER) == 0

    assert Event.objects.filter(corrects=request.request_id).count() == 1
    assert Epoch.objects.filter(gateway=POSTER).count() == 1


def test_each_posting_is_a_closed_epoch_numbered_without_a_gap(
    operator_db: None,
) -> None:
    requests = [made(a_use()) for _ in range(3)]
    post_corrections([correcting(each) for each in requests], poster=POSTER)
    post_corrections([correcting(requests[0], source="two")], poster=POSTER)

    epochs = Epoch.objects.filter(gateway=POSTER).order_by("epoch")
    assert [
        (each.epoch, each.state, each.last_seq, each.closed_at is None)
        for each in epochs
    ] == [(1, "closed", 3, False), (2, "closed", 1, False)]
    numbers = Event.objects.filter(epoch_id=epochs[0].pk).order_by("seq")
    assert [event.seq for event in numbers] == [1, 2, 3]


def test_corrections_roll_up_and_agree_with_all_checks(operator_db: None) -> None:
    make_partitions(now=STARTED)
    use = a_use()
    request = made(use)
    roll_up()
    post_corrections([correcting(request)], poster=POSTER)

    assert roll_up().faults == ()

    tenant_id, date = use.tenant_id, STARTED.date()
    rolled = rolled_up(tenant_id=tenant_id, date=date)
    assert rolled == recount(tenant_id=tenant_id, date=date)
    Epoch.objects.exclude(gateway=POSTER).update(settled=1, admitted=1)
    for check in CHECKS[Run.Kind.RECONCILE]:
        assert check.run(Scope(tenant_id=use.tenant_id)).differences == 0, check.name


@pytest.mark.parametrize(
    "counts",
    [
        TokenCounts(output_tokens=-51),
        TokenCounts(input_tokens=-101, output_tokens=20),
        TokenCounts(cached_input_tokens=-21),
        TokenCounts(reasoning_tokens=51),
    ],
)
def test_no_more_is_taken_back_than_stands(
    operator_db: None, counts: TokenCounts
) -> None:
    request = made(a_use())
    with pytest.raises(Conflict, match="than stands"):
        post_corrections([correcting(request, counts)], poster=POSTER)
    assert not Event.objects.filter(corrects=request.request_id).exists()
    assert not Listed.objects.filter(corrects=request.request_id).exists()
    assert not Epoch.objects.filter(gateway=POSTER).exists()


def test_request_that_is_not_there_is_named(operator_db: None) -> None:
    request = made(a_use())
    stranger = replace(request, request_id=uuid.uuid4())
    with pytest.raises(NotFound, match=str(stranger.request_id)):
        post_corrections([correcting(request), correcting(stranger)], poster=POSTER)
    assert not Event.objects.filter(corrects=request.request_id).exists()


def test_request_of_another_tenant_is_not_there(operator_db: None) -> None:
    request = made(a_use())
    other = made(a_use())
    with pytest.raises(NotFound):
        post_corrections(
            [correcting(replace(request, tenant_id=other.tenant_id))], poster=POSTER
        )


def test_price_of_another_book_is_refused(operator_db: None) -> None:
    request = made(a_use())
    foreign = replace(correcting(request), price_id=make_price().id)
    with pytest.raises(ValueError, match="another model or book"):
        post_corrections([foreign], poster=POSTER)


def test_what_stands_can_be_taken_back_whole(operator_db: None) -> None:
    request = made(a_use())
    post_corrections([correcting(request)], poster=POSTER)
    (standing,) = standing_of([request])[request]
    assert standing.price_id is None
    assert standing.counts == replace(COUNTS, output_tokens=40)

    undone = standing.taken_back(kind=EventKind.RETRY, source="all of it")
    assert post_corrections([undone], poster=POSTER) == 1

    assert standing_of([request]) == {request: []}
    with pytest.raises(Conflict):
        post_corrections([correcting(request, source="more")], poster=POSTER)


def test_correction_of_a_closed_period_is_the_next_ones_adjustment(
    operator_db: None,
) -> None:
    use = make_month()
    tenant = Tenant.objects.get(pk=use.tenant_id)
    closed = close_period(tenant=tenant, date=FIRST, now=CLOSED)
    event = Event.objects.get(tenant_id=use.tenant_id)
    request = Request(event.tenant_id, event.request_id)
    post_corrections([correcting(request)], poster=POSTER)
    later = replace(use, admitted_at=STARTED.replace(month=10, day=9))
    commit(make_epoch(started_at=STARTED, state="closed"), later)

    following = close_period(tenant=tenant, date=NEXT, now=NEXT_CLOSED)

    assert closed.invoice is not None
    assert closed.invoice.lines.count() == 3
    assert lines_of(following)[-1] == (
        "adjustment",
        "demo-model, output tokens, adjustment of 2026-09",
        -10,
    )


tokens = st.integers(-60, 60)
signed = st.builds(
    TokenCounts,
    input_tokens=tokens,
    cached_input_tokens=tokens,
    output_tokens=tokens,
    reasoning_tokens=tokens,
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(asked=st.lists(st.tuples(st.integers(0, 5), signed), max_size=8))
def test_whatever_is_asked_the_net_is_what_was_taken_and_never_negative(
    operator_db: None, asked: list[tuple[int, TokenCounts]]
) -> None:
    use = a_use()
    request = made(use)
    net, taken = COUNTS, set[str]()
    for number, counts in asked:
        source = f"source {number}"
        try:
            new = post_corrections(
                [correcting(request, counts, source=source)], poster=POSTER
            )
        except Conflict:
            assert source not in taken
            continue
        assert new == (source not in taken)
        if new:
            net = _sum(net, counts)
        taken.add(source)
        stands = standing_of([request])[request]
        assert [each.counts for each in stands] == ([net] if net != NOTHING else [])
        assert sum(each.charge_picos for each in stands) == charge_picos(use.price, net)
        assert 0 <= net.reasoning_tokens <= net.output_tokens
        assert min(net.input_tokens, net.cached_input_tokens) >= 0


def _sum(one: TokenCounts, other: TokenCounts) -> TokenCounts:
    return TokenCounts(
        input_tokens=one.input_tokens + other.input_tokens,
        cached_input_tokens=one.cached_input_tokens + other.cached_input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        reasoning_tokens=one.reasoning_tokens + other.reasoning_tokens,
    )


@pytest.mark.usefixtures("fresh_database")
@pytest.mark.parametrize("sources", [("same", "same"), ("one", "other")])
def test_two_posters_at_once_take_back_once(sources: tuple[str, str]) -> None:
    with as_operator():
        request = made(a_use())
    ended: list[int | str] = []
    whole = TokenCounts(output_tokens=-30)

    def second() -> None:
        with as_operator():
            try:
                posted = [correcting(request, whole, source=sources[1])]
                ended.append(post_corrections(posted, poster=POSTER))
            except Conflict:
                ended.append("refused")
            finally:
                connections[OPERATOR].close()

    other = threading.Thread(target=second)
    with as_operator():
        with atomic():
            take_posting_turn()
            other.start()
            wait_until_blocked()
            post_corrections(
                [correcting(request, whole, source=sources[0])], poster=POSTER
            )
        other.join()
        assert ended == ([0] if sources[0] == sources[1] else ["refused"])
        (standing,) = standing_of([request])[request]
        assert standing.counts.output_tokens == 20
