"""What is due is driven, several tenants at once; what cannot go on is left alone."""

import datetime as dt
import threading
from collections.abc import Iterator

import pytest
from django.db import connections
from django.test import override_settings

from kit.errors import Conflict
from kit.orm.roles import as_operator
from metering.billing import advancing
from metering.billing.driving import sole_driver, sole_scan
from metering.billing.models import Invoice, ProviderOperation
from metering.billing.providers import registry
from metering.billing.providers.base import finished
from metering.billing.services import advance_invoices, let_go_on, try_now
from tests.factories.tenants import make_tenant
from tests.metering.billing.providers.scene import MINUTE, NOW, make_draft
from tests.standins.stripe import StripeStandIn

AT_ONCE = 4


@pytest.fixture
def through_stripe(standin: StripeStandIn) -> Iterator[StripeStandIn]:
    registry.provider_named.cache_clear()
    with override_settings(
        STRIPE_API_KEY="sk_live_any",
        STRIPE_API_BASE=standin.url,
        STRIPE_CONCURRENCY=AT_ONCE,
    ):
        yield standin
    registry.provider_named.cache_clear()


def _scan(now: dt.datetime, finished_by: list[int]) -> threading.Thread:
    def scan() -> None:
        try:
            with as_operator():
                finished_by.append(advance_invoices(now=now))
        finally:
            connections.close_all()

    thread = threading.Thread(target=scan)
    thread.start()
    return thread


def test_as_many_tenants_as_the_settings_say_are_on_their_way_at_once(
    fresh_database: object, through_stripe: StripeStandIn
) -> None:
    with as_operator():
        for _ in range(AT_ONCE + 1):
            make_draft(100, provider="stripe")
    held = [through_stripe.plan("hold", path="/v1/invoices") for _ in range(AT_ONCE)]
    finished_by: list[int] = []
    scan = _scan(NOW, finished_by)
    for each in held:
        assert each.reached.wait(60)
    for each in held:
        each.released.set()
    scan.join()
    assert finished_by == [AT_ONCE + 1]
    with as_operator():
        assert not advancing.unfinished().exists()
        assert all(finished(row) for row in Invoice.objects.all())


def test_the_invoices_of_a_tenant_go_one_after_the_other(
    fresh_database: object, through_stripe: StripeStandIn
) -> None:
    with as_operator():
        tenant = make_tenant()
        made = [make_draft(n, provider="stripe", tenant=tenant) for n in (1, 2, 3)]
        assert advance_invoices(now=NOW) == 3
        numbers = [Invoice.objects.get(pk=row.pk).number for row in made]
    assert numbers == sorted(number or "" for number in numbers)
    assert len(through_stripe.engine.account.customers) == 1


def test_one_process_scans_at_a_time(
    fresh_database: object, through_stripe: StripeStandIn
) -> None:
    with as_operator():
        make_draft(100, provider="stripe")
        with sole_scan() as alone:
            assert alone
            assert advance_invoices(now=NOW) == 0
        assert advance_invoices(now=NOW) == 1


def test_what_another_process_drives_is_left_to_it_and_not_put_off(
    fresh_database: object, through_stripe: StripeStandIn
) -> None:
    with as_operator():
        invoice = make_draft(100, provider="stripe")
        with sole_driver(provider="stripe", tenant_id=invoice.tenant_id):
            assert advance_invoices(now=NOW) == 0
        assert through_stripe.journal() == []
        assert advance_invoices(now=NOW) == 1


def test_a_turn_is_over_at_once_where_what_it_was_for_failed(
    fresh_database: object,
) -> None:
    def fail() -> None:
        with sole_scan() as alone:
            assert alone
            raise LookupError

    with as_operator():
        for _ in range(100):
            with pytest.raises(LookupError):
                fail()


def test_what_is_held_is_tried_less_and_less_often(operator_db: None) -> None:
    invoice = make_draft(-5, provider="offline")
    waits = []
    now = NOW
    for _ in range(9):
        assert advance_invoices(now=now) == 0
        invoice.refresh_from_db()
        assert invoice.try_after is not None
        waits.append((invoice.try_after - now) // MINUTE)
        tries = invoice.tries
        advance_invoices(now=invoice.try_after - dt.timedelta.resolution)
        invoice.refresh_from_db()
        assert invoice.tries == tries
        now = invoice.try_after
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_person_may_ask_for_a_try_now(operator_db: None) -> None:
    held, done = make_draft(-5, provider="offline"), make_draft(5, provider="offline")
    advance_invoices(now=NOW)
    held.refresh_from_db()
    done.refresh_from_db()
    assert try_now(invoice=held).try_after is None
    assert Invoice.objects.get(pk=held.pk).try_after is None
    with pytest.raises(Conflict, match="payer"):
        try_now(invoice=done)


def test_an_account_that_gives_no_answer_is_left_alone(
    fresh_database: object,
    through_stripe: StripeStandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each call to it takes until its timeout; other providers' invoices go on."""
    monkeypatch.setattr(advancing, "DELAYS_MAX", 2)
    with as_operator(), override_settings(STRIPE_CONCURRENCY=1):
        for _ in range(5):
            make_draft(100, provider="stripe")
        ours = make_draft(100, provider="offline")
        with override_settings(STRIPE_API_BASE="http://127.0.0.1:1"):
            assert advance_invoices(now=NOW) == 1
        assert Invoice.objects.exclude(pk=ours.pk).filter(tries=1).count() == 2
        assert advance_invoices(now=NOW + MINUTE) == 5


def test_what_was_parked_is_finished_once_a_person_lets_it_go_on(
    fresh_database: object, through_stripe: StripeStandIn
) -> None:
    """A key without rights refuses all: somebody mends it, and lets calls go on."""
    with as_operator():
        invoice = make_draft(100, provider="stripe")
        ProviderOperation.objects.create(
            tenant_id=invoice.tenant_id,
            invoice=invoice,
            provider="stripe",
            name="draft",
            subject=str(invoice.public_id),
            attempt=10,
            refusals=10,
            state=ProviderOperation.State.PARKED,
            error="Your key may not do this.",
        )
        assert advance_invoices(now=NOW) == 0
        invoice.refresh_from_db()
        told = "Stripe refused too often, and is not asked again: Your key may not"
        assert invoice.problem.startswith(told)
        parked = ProviderOperation.objects.get(state=ProviderOperation.State.PARKED)
        let_go_on(operation=parked)
        assert advance_invoices(now=NOW) == 1
        invoice.refresh_from_db()
        assert (invoice.problem, finished(invoice)) == ("", True)
