"""Freeze what a bill was made from, and make its lines again: the same, at any time.

Postings are named by the invoice's mark and terms by immutable plan versions, so both
are read again. What may look otherwise later is frozen in `Invoice.basis`: which
periods were due, how many requests there were, what earlier bills came to, what credit
was drawn, which taxes held. A key that is not there was not known when the invoice was
made: its lines are made again as they were.

Failure: `LineError` for what makes no lines any more.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from decimal import Decimal
from typing import Any

from kit.json_values import JsonObject
from metering.billing.composing.bill import Bill, BilledPeriod, CameTo, Requests
from metering.billing.composing.compose import (
    Charges,
    CreditTaken,
    charges_of,
    complete,
    top_up_charges,
)
from metering.billing.lines import Lines
from metering.billing.marks import charged_by, mark_of
from metering.billing.models import Invoice
from metering.billing.planning import charged_before, planned_all
from metering.billing.taxing import computed_lines
from metering.taxes.rating import UNTAXED, Rate, Treatment


@dataclass(frozen=True, slots=True)
class Settled:
    """What was decided beside the bill: the credit that pays for it, and its taxes."""

    credit: tuple[CreditTaken, ...] = ()
    treatment: Treatment = UNTAXED


def basis_of(bill: Bill, settled: Settled) -> JsonObject:
    """Return what is frozen of a bill, as JSON that says it exactly."""
    return {
        "periods": [
            {"first_date": str(period.first_date), "is_due": period.is_due}
            for period in bill.periods
        ],
        "requests": _requests_document(bill.requests),
        "requests_before": _requests_document(bill.requests_before),
        "came_to": {
            str(first_date): [str(amount) for amount in astuple(came_to)]
            for first_date, came_to in sorted((bill.came_to or {}).items())
        },
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


def top_up_lines(amount_minor: int, *, basis: JsonObject, currency: str) -> Lines:
    """Make the lines of a top-up from what was frozen of it."""
    charges = top_up_charges(
        amount_minor, reference=str(basis.get("top_up", "")), currency=currency
    )
    treatment = _settled_from(basis).treatment
    lines = complete(charges, credit=(), treatment=treatment)
    return Lines(currency, (*lines.lines, *computed_lines(basis, currency)))


def rebuilt_lines(invoice: Invoice) -> Lines:
    """Make an invoice's lines again: the hash must be the same.

    Raises `LineError` for what makes no lines any more.
    """
    settled = _settled_from(invoice.basis)
    lines = complete(
        charges_again(invoice), credit=settled.credit, treatment=settled.treatment
    )
    computed = computed_lines(invoice.basis, invoice.currency)
    return Lines(lines.currency, (*lines.lines, *computed))


def charges_again(invoice: Invoice) -> Charges:
    """Make again what an invoice came to before credit and tax."""
    basis: dict[str, Any] = invoice.basis
    if invoice.period is None:
        return top_up_charges(
            invoice.subtotal_minor,
            reference=basis.get("top_up", ""),
            currency=invoice.currency,
        )
    periods = _periods_from(invoice, basis)
    mark = mark_of(invoice)
    bill = Bill(
        currency=invoice.currency,
        first_date=invoice.period.first_date,
        postings=tuple(charged_by(invoice)),
        before=()
        if mark is None
        else charged_before(tenant_id=invoice.tenant_id, mark=mark, periods=periods),
        periods=periods,
        requests=requests_from(basis.get("requests", ())),
        requests_before=requests_from(basis.get("requests_before", ())),
        came_to=_came_to_from(basis.get("came_to")),
    )
    return charges_of(bill)


def requests_from(rows: Iterable[tuple[str, str, int]]) -> Requests:
    """Read again how many requests were counted."""
    return {(dt.date.fromisoformat(date), model): count for date, model, count in rows}


def _requests_document(requests: Requests) -> list[list[object]]:
    return [
        [str(first_date), model, count]
        for (first_date, model), count in sorted(requests.items())
    ]


def _came_to_from(
    document: Mapping[str, Iterable[str]] | None,
) -> dict[dt.date, CameTo] | None:
    if document is None:
        return None
    return {
        dt.date.fromisoformat(first_date): CameTo(*map(int, amounts))
        for first_date, amounts in document.items()
    }


def _settled_from(basis: dict[str, Any]) -> Settled:
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


def _periods_from(invoice: Invoice, basis: dict[str, Any]) -> tuple[BilledPeriod, ...]:
    named = {
        dt.date.fromisoformat(each["first_date"]): bool(each["is_due"])
        for each in basis.get("periods", ())
    }
    return planned_all(tenant=invoice.tenant, are_due=named)
