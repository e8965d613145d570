"""Payers see why their last payment failed and when it is tried again."""

import datetime as dt

from kit.orm.roles import as_operator
from metering.billing.models import Invoice
from metering.billing.services import issue_invoice
from metering.collection.models import Standing
from tenants.models import Tenant
from tests.api.callers import Callers
from tests.factories.billing import CLOSED, make_draft
from tests.factories.tenants import make_tenant

NEXT = dt.datetime(2026, 12, 18, 9, tzinfo=dt.UTC)


def declined(tenant: Tenant | None = None) -> Invoice:
    """Issue an invoice whose card the bank declined."""
    with as_operator():
        draft = make_draft(tenant=tenant)
        invoice = issue_invoice(invoice=draft, now=CLOSED)
        Invoice.objects.filter(pk=invoice.pk).update(state="open")
        Standing.objects.create(
            tenant=invoice.tenant,
            invoice=invoice,
            account="default",
            reference=f"in_{invoice.pk}",
            status="open",
            remaining_minor=invoice.amount_minor,
            attempt_count=1,
            next_attempt_at=NEXT,
            failure="Your card was declined.",
            read_at=CLOSED,
        )
    return invoice


def test_its_payer_reads_it_in_the_invoice(caller: Callers) -> None:
    invoice = declined()
    declined(make_tenant())
    client = caller(tenant=invoice.tenant)
    shown = client.get(f"/api/v1/invoices/{invoice.pk}/").json()
    [listed] = client.get("/api/v1/invoices/").json()["data"]
    for each in (shown, listed):
        assert each["payment_failure"] == "Your card was declined."
        assert each["next_attempt_at"] == "2026-12-18T09:00:00Z"


def test_once_it_is_paid_elsewhere_nothing_failed(caller: Callers) -> None:
    invoice = declined()
    with as_operator():
        Invoice.objects.filter(pk=invoice.pk).update(state="paid")
    shown = caller().get(f"/api/v1/invoices/{invoice.pk}/").json()
    assert (shown["payment_failure"], shown["next_attempt_at"]) == ("", None)


def test_of_what_no_provider_was_asked_for_nothing_is_said(caller: Callers) -> None:
    with as_operator():
        invoice = issue_invoice(invoice=make_draft(), now=CLOSED)
    shown = caller().get(f"/api/v1/invoices/{invoice.pk}/").json()
    assert (shown["payment_failure"], shown["next_attempt_at"]) == ("", None)
