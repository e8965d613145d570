"""The day postings that an invoice charges: read, and claimed once and for all.

A posting is charged by at most one line: the key of `ClaimedPosting` is the posting
itself. Failure: a second claim of a posting breaks that constraint and rolls back.
"""

import datetime as dt
from collections.abc import Iterable

from kit.contracts import LinearPrice, TokenClass
from kit.orm.atomic import cursor
from metering.billing.lines import Line, Posted
from metering.billing.models import ClaimedPosting, Invoice, InvoiceLine

_COLUMNS = """
    posting.date, posting.token_class, posting.revision, posting.quantity,
    posting.charge_picos, price.id, price.model, book.currency, price.input_picos,
    price.cached_input_picos, price.output_picos
"""
_PRICED = """
    JOIN pricing_price price ON price.id = posting.price_id
    JOIN pricing_pricebookversion version ON version.id = price.version_id
    JOIN pricing_pricebook book ON book.id = version.book_id
"""
_UNCLAIMED = f"""
    SELECT {_COLUMNS} FROM ledger_dayposting posting {_PRICED}
    WHERE posting.tenant_id = %(tenant)s AND posting.date < %(before)s
        AND NOT EXISTS (
            SELECT FROM billing_claimedposting claimed
            WHERE (claimed.tenant_id, claimed.date, claimed.price_id,
                    claimed.token_class, claimed.revision)
                = (posting.tenant_id, posting.date, posting.price_id,
                    posting.token_class, posting.revision)
        )
"""  # noqa: S608 - put together from the constants above
_CLAIMED = f"""
    SELECT {_COLUMNS} FROM billing_claimedposting claimed
    JOIN billing_invoiceline line ON line.id = claimed.line_id
    JOIN ledger_dayposting posting
        ON (claimed.tenant_id, claimed.date, claimed.price_id,
                claimed.token_class, claimed.revision)
            = (posting.tenant_id, posting.date, posting.price_id,
                posting.token_class, posting.revision)
    {_PRICED}
    WHERE line.invoice_id = %(invoice)s
"""  # noqa: S608 - put together from the constants above


def unclaimed(*, tenant_id: int, before: dt.date) -> list[Posted]:
    """Return what was posted of days before a date and is in no invoice."""
    return _read(_UNCLAIMED, {"tenant": tenant_id, "before": before})


def claimed_by(*, invoice: Invoice) -> list[Posted]:
    """Return what an invoice charges."""
    return _read(_CLAIMED, {"invoice": invoice.pk})


def claim(*, tenant_id: int, lines: Iterable[tuple[InvoiceLine, Line]]) -> None:
    """Claim the postings of lines; a posting claimed before is an `IntegrityError`."""
    ClaimedPosting.objects.bulk_create(
        ClaimedPosting(
            tenant_id=tenant_id,
            date=posting.date,
            price_id=posting.price.id,
            token_class=posting.token_class,
            revision=posting.revision,
            line=row,
        )
        for row, line in lines
        for posting in line.postings
    )


def _read(statement: str, parameters: dict[str, int | dt.date]) -> list[Posted]:
    with cursor() as session:
        session.execute(statement, parameters)
        return [
            Posted(
                date=date,
                price=LinearPrice(*price),
                token_class=TokenClass(token_class),
                revision=revision,
                quantity=quantity,
                charge_picos=int(charge_picos),
            )
            for date, token_class, revision, quantity, charge_picos, *price in (
                session.fetchall()
            )
        ]
