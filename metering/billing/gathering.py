"""Gather what a period's bill is made from, and keep it so that it can be made again.

Postings are named by the invoice's mark and terms by immutable plan versions, so both
are read again. What may look otherwise later is frozen in `Invoice.basis`: which
periods were due, how many requests there were, what credit was drawn, which taxes held.

Failure: none of its own; what makes no bill is refused by `composing`.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Max

from kit.json_values import JsonObject
from kit.orm.atomic import cursor
from metering.billing.composing.bill import Bill, BilledPeriod, Requests
from metering.billing.composing.compose import (
    Charges,
    CreditTaken,
    charges_of,
    complete,
    top_up_charges,
)
from metering.billing.lines import Lines, Posted
from metering.billing.marks import Mark, charged_by, mark_of, marked, marked_before
from metering.billing.models import Invoice
from metering.billing.planning import holds_plans, planned
from metering.taxes.rating import UNTAXED, Rate, Treatment
from metering.usage.models import BillingDay
from tenants.models import Tenant

_REQUESTS = """
    SELECT price.model, sum(rollup.quantity) FROM usage_dayrollup rollup
    JOIN pricing_price price ON price.id = rollup.price_id
    WHERE rollup.tenant_id = %s AND rollup.date >= %s AND rollup.date < %s
        AND rollup.token_class = 0
    GROUP BY price.model ORDER BY price.model
"""


@dataclass(frozen=True, slots=True)
class Settled:
    """What was decided beside the bill: the credit that pays for it, and its taxes."""

    credit: tuple[CreditTaken, ...] = ()
    treatment: Treatment = UNTAXED


def gather(*, tenant: Tenant, mark: Mark, first_date: dt.date) -> Bill:
    """Read what the bill of a period is made from."""
    postings = marked(tenant_id=tenant.pk, mark=mark)
    periods: tuple[BilledPeriod, ...] = ()
    if holds_plans(tenant):
        periods = _periods(tenant, postings, first_date, mark.days_to)
    return Bill(
        currency=tenant.currency,
        first_date=first_date,
        postings=tuple(postings),
        before=_before(tenant.pk, mark, periods),
        periods=periods,
        requests=requests_of(tenant.pk, periods),
    )


def basis_of(bill: Bill, settled: Settled) -> JsonObject:
    """Return what is frozen of a bill, as JSON that says it exactly."""
    return {
        "periods": [
            {"first_date": str(period.first_date), "is_due": period.is_due}
            for period in bill.periods
        ],
        "requests": [
            [str(first_date), model, count]
            for (first_date, model), count in sorted(bill.requests.items())
        ],
        **settled_document(settled),
    }


def settled_document(settled: Settled) -> JsonObject:
    """Return what is frozen of credit and taxes."""
    return {
        "credit": [
            [each.grant_id, each.name, str(each.picos), each.model]
            for each in settled.credit
        ],
        "tax": {
            "kind": settled.treatment.kind,
            "note": settled.treatment.note,
            "rates": [
                [rate.id, rate.name, str(rate.percent)]
                for rate in settled.treatment.rates
            ],
        },
    }


def rebuilt_lines(invoice: Invoice) -> Lines:
    """Make an invoice's lines again: the hash must be the same.

    Raises `LineError` for what makes no lines any more.
    """
    basis: dict[str, Any] = invoice.basis
    settled = settled_from(basis)
    charges = _charges_again(invoice, basis)
    return complete(charges, credit=settled.credit, treatment=settled.treatment)


def _charges_again(invoice: Invoice, basis: dict[str, Any]) -> Charges:
    if invoice.period is None:
        return top_up_charges(
            invoice.subtotal_minor,
            reference=basis.get("top_up", ""),
            currency=invoice.currency,
        )
    periods = _periods_again(invoice, basis)
    mark = mark_of(invoice)
    bill = Bill(
        currency=invoice.currency,
        first_date=invoice.period.first_date,
        postings=tuple(charged_by(invoice)),
        before=_before(invoice.tenant_id, mark, periods) if mark else (),
        periods=periods,
        requests={
            (dt.date.fromisoformat(date), model): count
            for date, model, count in basis.get("requests", ())
        },
    )
    return charges_of(bill)


def settled_from(basis: dict[str, Any]) -> Settled:
    """Read again what was decided beside a bill."""
    tax = basis.get("tax") or {"kind": "", "note": "", "rates": ()}
    rates = tuple(Rate(pk, name, Decimal(text)) for pk, name, text in tax["rates"])
    return Settled(
        credit=tuple(
            CreditTaken(grant_id, name, int(picos), model)
            for grant_id, name, picos, model in basis.get("credit", ())
        ),
        treatment=Treatment(tax["kind"], rates, tax["note"]),
    )


def _periods(
    tenant: Tenant, postings: Iterable[Posted], first_date: dt.date, end_date: dt.date
) -> tuple[BilledPeriod, ...]:
    """Return the period, those before it that no invoice has, and those of late use."""
    invoiced = Invoice.objects.filter(tenant=tenant, period__isnull=False)
    billed_to = invoiced.aggregate(to=Max("period__end_date"))["to"] or dt.date.min
    late = {each.period_start for each in postings if each.date < billed_to}
    days = BillingDay.objects.filter(tenant_id=tenant.pk, date__lt=end_date)
    due = set(
        days.filter(date__gte=billed_to)
        .values_list("period_start", flat=True)
        .distinct()
    )
    return _planned(
        tenant, {each: each >= billed_to for each in late | due | {first_date}}
    )


def _periods_again(invoice: Invoice, basis: dict[str, Any]) -> tuple[BilledPeriod, ...]:
    named = {
        dt.date.fromisoformat(each["first_date"]): bool(each["is_due"])
        for each in basis.get("periods", ())
    }
    return _planned(invoice.tenant, named)


def _planned(tenant: Tenant, named: dict[dt.date, bool]) -> tuple[BilledPeriod, ...]:
    return tuple(
        planned(tenant=tenant, date=first_date, is_due=is_due)
        for first_date, is_due in sorted(named.items())
    )


def _before(
    tenant_id: int, mark: Mark, periods: Sequence[BilledPeriod]
) -> tuple[Posted, ...]:
    """Return what was charged of late periods whose components look at all of it."""
    looked_at = [
        period.first_date
        for period in periods
        if not period.is_due
        and any(segment.components for segment in period.terms.segments)
    ]
    return tuple(marked_before(tenant_id=tenant_id, mark=mark, periods=looked_at))


def requests_of(tenant_id: int, periods: Iterable[BilledPeriod]) -> Requests:
    """Count the requests of the segments that are due and have components."""
    segments = [
        segment
        for period in periods
        if period.is_due
        for segment in period.terms.segments
        if segment.components
    ]
    counts: dict[tuple[dt.date, str], int] = {}
    with cursor() as session:
        for segment in segments:
            session.execute(
                _REQUESTS, (tenant_id, segment.first_date, segment.end_date)
            )
            for model, count in session.fetchall():
                counts[segment.first_date, model] = int(count)
    return counts
