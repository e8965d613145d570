"""Who owes us, since when, and what was done about it: open invoices by due date.

What is open of an invoice is its part of the receivable, tax included, so the buckets
of a currency sum to the ledger's receivable. An invoice is overdue from the day after
its due date, by its tenant's zone. Failure: none of its own.
"""

import datetime as dt
import enum
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet, Sum
from django.db.models.functions import Coalesce

from metering.billing.models import Invoice
from metering.receivables.models import DunningStep, Hold
from metering.usage.zones import date_at

DSO_DAYS = 90
COLUMNS = (
    "pk",
    "public_id",
    "number",
    "tenant_id",
    "tenant__slug",
    "kind",
    "issued_date",
    "due_date",
    "amount_minor",
)
_OPEN = (
    F("amount_minor") - F("paid_minor") - F("credited_minor") - F("written_off_minor")
)


class Bucket(enum.StrEnum):
    """How long after its due date an invoice is still open."""

    CURRENT = "current"
    TO_30 = "1-30"
    TO_60 = "31-60"
    TO_90 = "61-90"
    OVER_90 = "over-90"


_LAST_DAYS = {Bucket.CURRENT: 0, Bucket.TO_30: 30, Bucket.TO_60: 60, Bucket.TO_90: 90}


@dataclass(frozen=True, slots=True)
class OpenInvoice:
    """An invoice that is not settled, as of a day."""

    pk: int
    public_id: UUID
    number: str
    tenant_id: int
    tenant: str
    currency: str
    is_top_up: bool
    issued_date: dt.date
    due_date: dt.date
    asked_minor: int
    open_minor: int
    days_overdue: int
    step: str = ""
    """The last thing that was done about it, and when."""
    step_date: dt.date | None = None
    hold: str = ""
    """Why it is not followed up now."""

    @property
    def bucket(self) -> Bucket:
        """Return how overdue it is."""
        return bucket_of(self.days_overdue)


@dataclass(frozen=True, slots=True)
class Aged:
    """What one tenant owes in one currency, by how long it is overdue."""

    tenant_id: int
    tenant: str
    currency: str
    buckets: dict[Bucket, int]
    invoices: int
    oldest_due: dt.date

    @property
    def open_minor(self) -> int:
        """Return all that it owes."""
        return sum(self.buckets.values())

    @property
    def overdue_minor(self) -> int:
        """Return what of it is past its due date."""
        return self.open_minor - self.buckets[Bucket.CURRENT]


def bucket_of(days_overdue: int) -> Bucket:
    """Return the bucket of so many days after the due date; none or less is current."""
    for bucket, last in _LAST_DAYS.items():
        if days_overdue <= last:
            return bucket
    return Bucket.OVER_90


def open_invoices(*, now: dt.datetime, currency: str) -> list[OpenInvoice]:
    """Return what is open now, the most overdue first, by each tenant's own day."""
    rows: list[tuple[Any, ...]] = list(
        Invoice.objects.filter(state=Invoice.State.OPEN, currency=currency)
        .annotate(open_minor=_OPEN)
        .order_by("due_date", "pk")
        .values_list(*COLUMNS, "open_minor", "tenant__zone")
    )
    today = {zone: date_at(now, zone) for zone in {row[-1] for row in rows}}
    opened = {"invoice__state": Invoice.State.OPEN, "invoice__currency": currency}
    steps = _last_steps(DunningStep.objects.filter(**opened))
    holds = dict(
        Hold.objects.filter(ended_at=None, **opened).values_list("invoice_id", "kind")
    )
    found = []
    for row in rows:
        step, step_date = steps.get(row[0], ("", None))
        invoice = open_invoice(row[:-1], as_of=today[row[-1]], currency=currency)
        hold = holds.get(invoice.pk, "")
        found.append(replace(invoice, step=step, step_date=step_date, hold=hold))
    return found


def open_invoice(row: tuple[Any, ...], *, as_of: dt.date, currency: str) -> OpenInvoice:
    """Make one of a row of columns in the order of `COLUMNS`, and what is open."""
    pk, public_id, number, tenant_id, tenant, kind, issued, due, asked, left = row
    return OpenInvoice(
        pk=pk,
        public_id=public_id,
        number=number,
        tenant_id=tenant_id,
        tenant=tenant,
        currency=currency,
        is_top_up=kind == Invoice.Kind.TOP_UP,
        issued_date=issued,
        due_date=due,
        asked_minor=asked,
        open_minor=int(left),
        days_overdue=(as_of - due).days,
    )


def aged(invoices: Iterable[OpenInvoice]) -> list[Aged]:
    """Return what each tenant owes by bucket, whoever owes most first."""
    of_tenant: dict[tuple[int, str], list[OpenInvoice]] = defaultdict(list)
    for invoice in invoices:
        of_tenant[invoice.tenant_id, invoice.currency].append(invoice)
    rows = []
    for (tenant_id, currency), some in of_tenant.items():
        buckets = dict.fromkeys(Bucket, 0)
        for invoice in some:
            buckets[invoice.bucket] += invoice.open_minor
        rows.append(
            Aged(
                tenant_id,
                some[0].tenant,
                currency,
                buckets,
                len(some),
                min(invoice.due_date for invoice in some),
            )
        )
    return sorted(rows, key=lambda row: (-row.open_minor, row.tenant))


def billed_minor(*, as_of: dt.date, currency: str, days: int = DSO_DAYS) -> int:
    """Return what periods' invoices of so many days asked for, less what was credited.

    Tax included. Credit that is sold ahead is paid before it is used and is left out.
    """
    found = Invoice.objects.filter(
        kind=Invoice.Kind.PERIOD,
        currency=currency,
        issued_date__gt=as_of - dt.timedelta(days=days),
        issued_date__lte=as_of,
    ).aggregate(total=Coalesce(Sum(F("amount_minor") - F("credited_minor")), 0))
    return int(found["total"])


def sales_outstanding(
    invoices: Iterable[OpenInvoice], *, billed_minor: int, days: int = DSO_DAYS
) -> tuple[int, int] | None:
    """Return the days that sales are outstanding as a fraction; None without sales.

    What is open of periods' invoices, by what was billed, times the days.
    """
    if billed_minor <= 0:
        return None
    left = sum(invoice.open_minor for invoice in invoices if not invoice.is_top_up)
    return left * days, billed_minor


def _last_steps(
    steps: QuerySet[DunningStep],
) -> dict[int, tuple[str, dt.date]]:
    return {
        invoice: (f"{kind} {position}", date)
        for invoice, kind, position, date in steps.order_by("pk").values_list(
            "invoice_id", "kind", "position", "taken_date"
        )
    }
