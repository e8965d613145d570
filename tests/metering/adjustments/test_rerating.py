"""Re-rating: each request once, to the pico, whenever it is killed and begun again."""

import datetime as dt
import threading
from dataclasses import replace

import pytest
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.contracts import TokenCounts
from kit.errors import Conflict, InvalidRequest
from kit.money import format_picos
from kit.orm.atomic import atomic
from kit.orm.roles import OPERATOR, as_operator
from metering.adjustments.adjusting import Wanted
from metering.adjustments.models import Adjustment, ReratedTenant, Rerating
from metering.adjustments.previewing import Scope, preview_rerating
from metering.adjustments.rerating_job import ask_for_those_left
from metering.adjustments.services import (
    adjust_event,
    rerate_chunk,
    start_rerating,
)
from metering.adjustments.tasks import continue_reratings as task
from metering.billing.models import Period
from metering.billing.services import close_period
from metering.jobs.models import Job
from metering.jobs.stepping import work
from metering.jobs.tasks import work as work_on_jobs
from metering.pricing.corrective import Quote
from metering.pricing.models import Price, PriceBookVersion
from metering.pricing.rating import charge_picos
from metering.pricing.selectors import price_in_force
from metering.pricing.services import publish_version
from metering.reconciliation.catalogue import CHECKS
from metering.reconciliation.checks.check import Scope as Books
from metering.reconciliation.models import Run
from metering.usage.models import Epoch, Event
from metering.usage.selectors import recount, rolled_up
from metering.usage.services import make_partitions
from tenants.models import AuditEntry, Tenant
from tests.factories.billing import CLOSED, FIRST, STARTED, make_tenant_of
from tests.factories.jobs import finish_jobs
from tests.factories.pricing import make_assignment, make_price
from tests.factories.reconciliation import settle_counts
from tests.factories.usage import COUNTS, commit, make_epoch
from tests.metering.adjustments.scene import (
    DAY,
    MEANT,
    MISTYPED,
    NOW,
    OTHER,
    a_use,
    charged,
    requested,
    scope_of,
    tokens,
)
from tests.metering.billing.test_closing import NEXT, NEXT_CLOSED

WHY = "A mistyped price."


def start(scope: Scope, quote: Quote = MEANT, reference: str = "one") -> Rerating:
    return start_rerating(
        scope=scope, quote=quote, reason=WHY, reference=reference, now=NOW
    )


def done(scope: Scope, quote: Quote = MEANT, reference: str = "one") -> Rerating:
    row = start(scope, quote, reference)
    finish_jobs(now=NOW)
    row.refresh_from_db()
    assert row.state == Rerating.State.DONE
    return row


def test_requests_are_charged_by_the_corrected_price(operator_db: None) -> None:
    use = a_use()
    requests = requested(use, use, use)
    row = done(scope_of(use))

    for request in requests:
        assert tokens(request) == COUNTS
        assert charged(request) * 10 == charge_picos(use.price, COUNTS)
    assert Event.objects.get(request_id=requests[0].request_id).price_id == use.price.id
    (came_to,) = row.tenants.all()
    assert came_to.requests == 3
    assert came_to.charge_after_picos == 3 * charged(requests[0])


def test_only_what_is_in_scope_is_rated_anew(operator_db: None) -> None:
    price = make_price(per_million=MISTYPED)
    use = a_use(price=price)
    other = a_use(price=price)
    elsewhere = a_use()
    end = STARTED + 2 * DAY
    later = replace(use, admitted_at=end)
    last = replace(use, admitted_at=end - dt.timedelta(microseconds=1))
    inside, edge, outside, theirs, foreign = requested(
        use, last, later, other, elsewhere
    )
    tenant = Tenant.objects.get(pk=use.tenant_id)

    done(scope_of(use, tenant=tenant))

    untouched = charge_picos(price, COUNTS)
    assert [charged(each) == untouched for each in (inside, edge)] == [False, False]
    assert [charged(each) for each in (outside, theirs, foreign)] == [untouched] * 3
    done(scope_of(use), reference="all tenants")
    assert charged(theirs) * 10 == untouched


def test_rating_anew_twice_works_on_what_stands(operator_db: None) -> None:
    use = a_use()
    (request,) = requested(use)
    done(scope_of(use))
    row = done(scope_of(use), OTHER, "two")
    again = start(scope_of(use), OTHER, "two")

    assert again == row
    assert charged(request) == COUNTS.input_tokens * 7_000_000 + 20 * 1
    assert tokens(request) == COUNTS
    (came_to,) = row.tenants.all()
    assert came_to.charge_before_picos * 10 == charge_picos(use.price, COUNTS)


def test_what_was_voided_stays_at_nothing(operator_db: None) -> None:
    use = a_use()
    (request,) = requested(use)
    adjust_event(wanted=Wanted(request), reason="not theirs", reference="void")
    done(scope_of(use))
    assert charged(request) == 0
    assert Event.objects.filter(corrects=request.request_id).count() == 1


def test_preview_says_what_comes_of_it(operator_db: None) -> None:
    price = make_price(per_million=MISTYPED)
    use, other = a_use(price=price), a_use(price=price)
    requested(use, use, other)
    Period.objects.create(
        tenant_id=other.tenant_id,
        first_date=FIRST,
        end_date=NEXT,
        starts_at=STARTED,
        ends_at=STARTED + 30 * DAY,
        state=Period.State.CLOSED,
    )

    effects = preview_rerating(scope=scope_of(use), quote=MEANT, now=NOW)

    charge = charge_picos(price, COUNTS)
    by_tenant = {each.tenant_id: each for each in effects}
    mine, theirs = by_tenant[use.tenant_id], by_tenant[other.tenant_id]
    assert (mine.requests, theirs.requests) == (2, 1)
    assert mine.charge_before_picos == 2 * charge
    assert mine.difference_picos == 2 * (charge // 10 - charge)
    assert mine.invoiced_difference_picos == 0
    assert theirs.invoiced_difference_picos == theirs.difference_picos
    row = done(scope_of(use))
    assert {
        each.tenant_id: each.charge_after_picos - each.charge_before_picos
        for each in row.tenants.all()
    } == {each.tenant_id: each.difference_picos for each in effects}


def test_people_see_how_far_it_is_and_what_it_came_to(operator_db: None) -> None:
    use = a_use()
    requested(use, use, use)
    row = start(scope_of(use))
    job = Job.objects.get(subject=str(row.pk))
    assert (job.kind, job.state) == ("adjustments.rerate", "waiting")

    assert work(now=NOW) == 1
    job.refresh_from_db()
    assert (job.state, job.done, job.whole) == ("running", 3, 3)
    finish_jobs(now=NOW)
    job.refresh_from_db()
    before, after = 3 * charge_picos(use.price, COUNTS), job.outcome["charged now"]
    assert (job.state, job.done) == ("done", 3)
    assert after == f"{format_picos(before // 10)} USD"


def test_one_of_an_earlier_version_is_given_a_job_once(operator_db: None) -> None:
    use = a_use()
    requested(use)
    row = start(scope_of(use))
    Job.objects.all().update(subject="of another")
    assert [ask_for_those_left(), ask_for_those_left()] == [1, 0]
    assert Job.objects.filter(subject=str(row.pk)).count() == 1


def test_range_that_is_not_over_is_refused(operator_db: None) -> None:
    use = a_use()
    requested(use)
    with pytest.raises(Conflict, match="complete only up to"):
        start(scope_of(use, end=NOW + DAY))
    with pytest.raises(InvalidRequest, match="ends before"):
        start(scope_of(use, end=STARTED))
    with pytest.raises(InvalidRequest, match="never had a price"):
        start(scope_of(use, model="another"))
    with pytest.raises(InvalidRequest, match="decimal"):
        start(scope_of(use), Quote("0.0000001", "1", "1"))
    assert not PriceBookVersion.objects.filter(is_corrective=True).exists()


def test_one_at_a_time_for_a_model_and_book(operator_db: None) -> None:
    use = a_use()
    requested(use)
    start(scope_of(use))
    with pytest.raises(Conflict, match="being rated anew"):
        start(scope_of(use), OTHER, "two")
    with pytest.raises(Conflict, match="choose another"):
        start(scope_of(use, start=STARTED + DAY), reference="one")
    with pytest.raises(Conflict, match="choose another"):
        start(scope_of(use), OTHER, reference="one")


def test_references_of_people_keep_no_rerating_from_its_end(operator_db: None) -> None:
    use = a_use()
    requests = requested(use, use)
    row = start(scope_of(use))
    wanted = Wanted(requests[0])
    taken = adjust_event(wanted=wanted, reason=WHY, reference=f"re-rating {row.pk}")

    finish_jobs(now=NOW)

    row.refresh_from_db()
    assert row.state == Rerating.State.DONE
    again = adjust_event(wanted=wanted, reason=WHY, reference=taken.reference)
    assert again == taken


def test_one_that_cannot_go_on_keeps_no_other_waiting(operator_db: None) -> None:
    first, second = a_use(), a_use()
    # More than any event can cost, once a token costs what the first is rated anew by.
    huge = replace(first, counts=TokenCounts(output_tokens=2**31 - 1))
    requested(huge, second)
    stuck = start(scope_of(huge), Quote("0", "0", "5000000"), "stuck")
    other = start(scope_of(second), reference="other")

    finish_jobs(now=NOW)

    job = Job.objects.get(subject=str(stuck.pk))
    assert job.problem
    assert job.done == 0
    states = {each.pk: each.state for each in Rerating.objects.all()}
    assert states == {stuck.pk: "running", other.pk: "done"}


def test_corrected_price_is_sealed_and_never_in_force(operator_db: None) -> None:
    use = a_use()
    requested(use)
    row = done(scope_of(use))
    tenant = Tenant.objects.get(pk=use.tenant_id)
    version = row.price.version
    with pytest.raises(Conflict, match="never in force"):
        publish_version(version=version, now=NOW)
    with pytest.raises(Exception, match="immutable"), atomic():
        Price.objects.filter(pk=row.price_id).update(input_picos=0)
    with pytest.raises(Exception, match="immutable"), atomic():
        PriceBookVersion.objects.filter(pk=version.pk).update(is_corrective=False)
    make_assignment(tenant=tenant, book=version.book)
    assert price_in_force(tenant=tenant, model=row.model, at=NOW).id == use.price.id


def test_tenant_sees_what_it_came_to_and_the_audit_who_and_why(
    operator_db: None,
) -> None:
    use = a_use()
    requested(use)
    row = done(scope_of(use))
    adjustment = Adjustment.objects.get(tenant_id=use.tenant_id)
    assert (adjustment.kind, adjustment.rerating, adjustment.reason) == (
        "rerate",
        row,
        WHY,
    )
    assert adjustment.after == {"requests": 1}
    told = AuditEntry.objects.filter(object_kind="rerating", object_id=str(row.pk))
    assert [each.action for each in told.order_by("id")] == ["start", "finish"]


def test_books_agree_after_rating_anew(operator_db: None) -> None:
    make_partitions(now=STARTED)
    tenant = make_tenant_of()
    use = a_use(tenant=tenant)
    requested(use, use)
    close_period(tenant=tenant, date=FIRST, now=CLOSED)
    done(scope_of(use))
    october = replace(use, admitted_at=CLOSED, counts=TokenCounts(10**7, 0, 10**7))
    commit(make_epoch(started_at=CLOSED, state="closed"), october)
    following = close_period(tenant=tenant, date=NEXT, now=NEXT_CLOSED)

    date = (STARTED + DAY).date()
    rolled = rolled_up(tenant_id=tenant.pk, date=date)
    assert rolled == recount(tenant_id=tenant.pk, date=date)
    assert following.invoice is not None
    adjusting = following.invoice.lines.filter(kind="adjustment")
    assert sum(each.exact_picos for each in adjusting) == (
        -2 * charge_picos(use.price, COUNTS) * 9 // 10
    )
    assert sum(each.quantity for each in adjusting) == 0
    settle_counts()
    for kind in Run.Kind:
        for check in CHECKS[kind]:
            found = check.run(Books(tenant_id=tenant.pk))
            assert found.differences == 0, (check.name, found.listed)


class Killed(Exception):
    """The worker is gone before its transaction is committed."""


def killed_after(row: Rerating) -> None:
    """Do a chunk, and lose it."""
    with atomic():
        rerate_chunk(rerating_id=row.pk, now=NOW, chunk_requests=2)
        raise Killed


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=6),
    kills=st.integers(0, 2),
)
def test_killed_between_chunks_each_request_is_rated_once(
    operator_db: None, sizes: list[int], kills: int
) -> None:
    price = make_price(per_million=MISTYPED)
    requests = [
        each for size in sizes for each in requested(*[a_use(price=price)] * size)
    ]
    row = start(scope_of(a_use(price=price)), reference=f"{price.id}")
    for _ in range(kills):
        with pytest.raises(Killed):
            killed_after(row)
        rerate_chunk(rerating_id=row.pk, now=NOW, chunk_requests=2)
    while rerate_chunk(rerating_id=row.pk, now=NOW, chunk_requests=3):
        pass
    assert {charged(each) * 10 for each in requests} == {charge_picos(price, COUNTS)}
    came_to = ReratedTenant.objects.filter(rerating=row)
    assert sum(each.requests for each in came_to) == len(requests)
    assert rerate_chunk(rerating_id=row.pk, now=NOW) == 0


@pytest.mark.usefixtures("fresh_database")
def test_two_workers_never_have_one_in_hand() -> None:
    with as_operator():
        use = a_use()
        requests = requested(use, use)
        row = start(scope_of(use))
    taken: list[int] = []

    def other() -> None:
        with as_operator():
            taken.append(rerate_chunk(rerating_id=row.pk, now=NOW))
            connections[OPERATOR].close()

    thread = threading.Thread(target=other)
    with as_operator():
        with atomic():
            rerate_chunk(rerating_id=row.pk, now=NOW, chunk_requests=1)
            thread.start()
            thread.join()
        assert taken == [0]
    task()
    work_on_jobs()
    with as_operator():
        row.refresh_from_db()
        assert row.state == Rerating.State.DONE
        assert {charged(each) * 10 for each in requests} == {
            charge_picos(use.price, COUNTS)
        }
        assert Epoch.objects.filter(gateway="re-ratings").count() == 2
