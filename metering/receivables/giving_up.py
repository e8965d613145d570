"""Give up what is open of an invoice, and take it back once it comes in after all.

Failure: all or nothing. Owns: write-offs and their postings.
"""

import datetime as dt

from kit.errors import Conflict
from kit.orm.atomic import atomic
from kit.orm.saving import create
from metering.billing.models import Invoice
from metering.ledger.models import Account, Transaction
from metering.ledger.months import book_date
from metering.receivables.models import WriteOff
from metering.receivables.settling import book, facts_of, held, settle
from metering.receivables.standing import State


def write_off(*, invoice: Invoice, reason: str, now: dt.datetime) -> Invoice:
    """Give up all that is open of an invoice; it is uncollectible then.

    One that is given up already stays as it is. What comes in later brings it back.
    Raises `Conflict` where nothing is open, and for a top-up: its credit is granted
    once it is paid, so nothing was sold yet that could be lost.
    """
    with atomic():
        row = held(invoice)
        if row.kind == Invoice.Kind.TOP_UP:
            raise Conflict("Nobody has the credit that it is for: credit it instead.")
        if row.state == State.UNCOLLECTIBLE:
            return row
        open_minor = facts_of(row).open_minor
        if open_minor == 0:
            raise Conflict(f"Invoice {row.number} is {row.state}: nothing is open.")
        _write(row, open_minor, reason, now)
        return settle(row, now=now)


def take_back(
    invoice: Invoice, amount_minor: int, *, reason: str, now: dt.datetime
) -> None:
    """Undo a part of what was given up of a held invoice; the caller settles it."""
    _write(invoice, -amount_minor, reason, now)


def _write(invoice: Invoice, minor: int, reason: str, now: dt.datetime) -> None:
    row = WriteOff(
        tenant_id=invoice.tenant_id,
        invoice=invoice,
        amount_minor=minor,
        reason=reason[:300],
        written_off_at=now,
        booked_date=book_date(tenant_id=invoice.tenant_id, at=now),
    )
    create(row, action="write_off" if minor > 0 else "take_back")
    lost = {Account.Kind.BAD_DEBT: minor}
    book(invoice, Transaction.Kind.WRITE_OFF, f"write-off {row.pk}", lost, now=now)
