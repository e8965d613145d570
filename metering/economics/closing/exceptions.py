"""Invoices of a month that a person has to look at before they count.

A tenant's first, one of nothing or less, and one that is half as large again, or half,
as the one before. Failure: none. Owns: nothing.
"""

import datetime as dt
import enum
import hashlib
import json
from dataclasses import dataclass
from uuid import UUID

from kit.orm.atomic import cursor
from metering.ledger.months import month_after

_FOUND = """
WITH dated AS (
    SELECT invoice.public_id, invoice.number, invoice.tenant_id, tenant.slug,
        invoice.currency, invoice.amount_minor, period.end_date,
        lag(invoice.amount_minor) OVER (
            PARTITION BY invoice.tenant_id, invoice.currency ORDER BY period.end_date
        ) AS before_minor
    FROM billing_invoice invoice
    JOIN billing_period period ON period.id = invoice.period_id
    JOIN tenants_tenant tenant ON tenant.id = invoice.tenant_id
    WHERE period.end_date > %(since)s AND period.end_date <= %(end)s
)
SELECT public_id, number, tenant_id, slug, currency, amount_minor, before_minor
FROM dated
WHERE end_date > %(first)s AND (
    amount_minor <= 0 OR before_minor IS NULL
    OR 2 * abs(amount_minor - before_minor) > abs(before_minor)
)
ORDER BY abs(amount_minor - coalesce(before_minor, 0)) DESC, public_id
"""
# How far back the invoice before may lie: a month without use has one too.
_MONTHS_BACK = 3


class Why(enum.StrEnum):
    """Why an invoice stands out."""

    NEW = "first invoice"
    NEGATIVE = "below zero"
    ZERO = "nothing charged"
    MORE = "more than half as much again"
    LESS = "less than half"


@dataclass(frozen=True, slots=True)
class Exceptional:
    """One invoice that stands out; `before_minor` is None for a first one."""

    public_id: UUID
    number: str | None
    tenant_id: int
    tenant: str
    currency: str
    amount_minor: int
    before_minor: int | None

    @property
    def why(self) -> Why:
        """Return the first reason that holds."""
        if self.amount_minor < 0:
            return Why.NEGATIVE
        if self.amount_minor == 0:
            return Why.ZERO
        if self.before_minor is None:
            return Why.NEW
        return Why.MORE if self.amount_minor > self.before_minor else Why.LESS


def exceptions(*, month: dt.date) -> list[Exceptional]:
    """Return the invoices of periods that end in a month and stand out.

    Those that changed most come first.
    """
    with cursor() as session:
        session.execute(
            _FOUND,
            {
                "first": month,
                "end": month_after(month),
                "since": month_after(month, -_MONTHS_BACK),
            },
        )
        return [Exceptional(*row) for row in session.fetchall()]


def listed_sha256(found: list[Exceptional]) -> str:
    """Return the hash of invoices that stand out: what a reviewer has seen."""
    rows = sorted(
        [
            str(each.public_id),
            each.currency,
            str(each.amount_minor),
            str(each.before_minor),
        ]
        for each in found
    )
    return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()
