"""A payment that could not be collected is told once an attempt, while it is open."""

import datetime as dt
from typing import Any

import pytest
from django.core import mail
from pytest_django.fixtures import Settings

from kit.errors import Conflict
from metering.billing.models import Invoice
from metering.collection.models import Standing
from metering.documents.failing import tell_of_failures
from metering.receivables.services import record_payment
from tenants.mails.sending import send_again, send_waiting
from tenants.models import Mail
from tests.factories.receivables import ISSUED, make_invoice
from tests.factories.tenants import make_tenant

pytestmark = pytest.mark.usefixtures("operator_db")
NOW = ISSUED
AGAIN = dt.datetime(2026, 12, 1, 23, 30, tzinfo=dt.UTC)


@pytest.fixture
def invoice(settings: Settings) -> Invoice:
    """Provide an invoice of Stripe's; mails go to Django's outbox."""
    settings.EMAIL_IS_SET = True
    settings.PUBLIC_URL = "https://gate.example.com"
    tenant = make_tenant(
        currency="EUR",
        name="Acme Ltd",
        zone="Europe/Berlin",
        billing_email="pay@acme.example",
    )
    return make_invoice(tenant=tenant, provider="stripe")


def stands(invoice: Invoice, attempt: int = 1, **said: Any) -> Standing:
    """Note how an invoice stands at the provider."""
    given = {
        "tenant": invoice.tenant,
        "account": "default",
        "reference": "in_1",
        "status": "open",
        "remaining_minor": invoice.amount_minor,
        "attempt_count": attempt,
        "next_attempt_at": AGAIN,
        "failure": "Your card was declined.",
        "failed_at": NOW,
        "read_at": NOW,
        **said,
    }
    row, _ = Standing.objects.update_or_create(invoice=invoice, defaults=given)
    return row


def told(now: dt.datetime = NOW) -> int:
    """Look for failures and send what waits."""
    tell_of_failures(now=now)
    return send_waiting(now=now)


def test_it_says_what_is_open_why_and_when_it_is_tried_again(invoice: Invoice) -> None:
    stands(invoice)

    assert [told(), told()] == [1, 0]

    [message] = mail.outbox
    assert message.to == ["pay@acme.example"]
    assert message.subject == (
        f"Acme Ltd: 142.80 EUR of invoice {invoice.number} could not be collected"
    )
    text = str(message.body)
    assert "Reason: Your card was declined." in text
    assert "Tried again: 2 December 2026, 00:30 (Europe/Berlin)" in text
    page = f"/console/{invoice.tenant.slug}/billing/invoices/{invoice.public_id}/"
    assert f"https://gate.example.com{page}" in text


def test_each_attempt_is_told_and_the_last_says_that_it_is(invoice: Invoice) -> None:
    stands(invoice)
    told()
    stands(invoice, 2, next_attempt_at=None)
    assert told() == 1
    assert "not tried again by itself" in str(mail.outbox[-1].body)
    with pytest.raises(Conflict, match="one attempt"):
        send_again(mail=Mail.objects.earliest("id"), now=NOW)


def test_an_attempt_that_another_one_followed_is_told_to_nobody(
    invoice: Invoice,
) -> None:
    stands(invoice)
    tell_of_failures(now=NOW)
    stands(invoice, 2)
    assert told() == 1
    states = Mail.objects.filter(kind="uncollected").order_by("number")
    assert list(states.values_list("state", flat=True)) == ["no_reader", "sent"]


def test_one_that_is_paid_before_it_is_sent_is_told_to_nobody(
    invoice: Invoice,
) -> None:
    stands(invoice)
    tell_of_failures(now=NOW)
    record_payment(
        invoice=invoice,
        amount_minor=invoice.amount_minor,
        reference="bank 7",
        received_at=NOW,
        now=NOW,
    )
    assert told() == 0
    assert Mail.objects.get(kind="uncollected").state == "no_reader"


@pytest.mark.parametrize(
    "said",
    [
        {"failure": ""},
        {"failed_at": NOW - dt.timedelta(days=3)},
        # Before that was noted.
        {"failed_at": None},
    ],
)
def test_what_did_not_fail_or_is_old_is_no_news(invoice: Invoice, said: Any) -> None:
    stands(invoice, **said)
    assert told() == 0
    assert not Mail.objects.exists()


def test_credit_that_was_to_be_bought_is_told_by_its_own_mail(invoice: Invoice) -> None:
    bought = make_invoice(
        tenant=invoice.tenant, provider="stripe", kind=Invoice.Kind.TOP_UP, period=None
    )
    stands(bought)
    assert told() == 0
    assert not Mail.objects.filter(kind=Mail.Kind.UNCOLLECTED).exists()
