"""Two months of two tenants in the books: used, invoiced, paid in part, and credit."""

import datetime as dt
from dataclasses import dataclass, replace

from kit.contracts import TokenCounts
from metering.billing.models import Invoice
from metering.billing.services import close_period, issue_invoice
from metering.ledger.models import CreditGrant
from metering.ledger.services import book_due_burns, grant_credit, post_days
from metering.receivables.noting import Wanted
from metering.receivables.services import issue_credit_note, record_payment
from tenants.models import Tenant
from tests.factories.billing import FIRST, make_tenant_of
from tests.factories.pricing import make_price
from tests.factories.usage import commit, make_epoch, make_use

SEPTEMBER, OCTOBER = dt.date(2026, 9, 1), dt.date(2026, 10, 1)
STARTED = dt.datetime(2026, 9, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
COUNTS = TokenCounts(
    input_tokens=1_234_567,
    cached_input_tokens=89,
    output_tokens=4321,
    reasoning_tokens=21,
)


@dataclass(frozen=True, slots=True)
class Books:
    """Who there is, and the invoice of September that is still open in part."""

    postpaid: Tenant
    prepaid: Tenant
    invoice: Invoice


def fill() -> Books:
    """Fill the books of September and October 2026."""
    postpaid = make_tenant_of(FIRST, slug="after", zone="America/New_York")
    prepaid = make_tenant_of(FIRST, slug="ahead", payment_mode="prepaid")
    for source, picos in (("top_up", 5 * 10**12), ("promotional", 10**12)):
        grant_credit(
            tenant=prepaid,
            now=STARTED + DAY,
            source=source,
            amount_picos=picos,
            reference=source,
        )
    grant_credit(
        tenant=prepaid,
        now=STARTED + DAY,
        source=CreditGrant.Source.ADJUSTMENT,
        amount_picos=10**11,
        reference="sorry",
    )
    epoch = make_epoch(started_at=STARTED, state="closed")
    uses = []
    for tenant, model in ((postpaid, "one"), (prepaid, "two")):
        use = make_use(
            price=make_price(currency="USD", model=model),
            admitted_at=STARTED + 9 * DAY,
            tenant=tenant,
        )
        use = replace(use, counts=COUNTS)
        uses += [use, replace(use, admitted_at=STARTED + 40 * DAY)]
        # In New York it is still September.
        uses.append(
            replace(use, admitted_at=dt.datetime(2026, 10, 1, 1, tzinfo=dt.UTC))
        )
    commit(epoch, *uses)
    now = STARTED + 60 * DAY
    post_days(now=now)
    book_due_burns(now=STARTED + 45 * DAY)
    closed = close_period(tenant=postpaid, date=FIRST, now=STARTED + 32 * DAY)
    assert closed.invoice is not None
    invoice = issue_invoice(invoice=closed.invoice, now=STARTED + 32 * DAY)
    record_payment(
        invoice=invoice,
        now=STARTED + 35 * DAY,
        amount_minor=100,
        reference="a part",
        received_at=STARTED + 35 * DAY,
    )
    issue_credit_note(
        invoice=invoice,
        wanted=Wanted("Too slow.", "slow", {1: 50}),
        now=STARTED + 36 * DAY,
    )
    invoice.refresh_from_db()
    return Books(postpaid, prepaid, invoice)
