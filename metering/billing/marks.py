"""Which day postings an invoice charges: all up to a mark, and none of them twice.

Postings of a tenant are numbered in the order in which they are committed. An invoice
charges those of days before `days_to` up to number `posted_to`, without those that an
earlier one has charged: of days before `days_from`, up to `posted_from`. Each mark
begins where the one before it ends, by constraint, so that every posting is in exactly
one invoice or waits for the next; nothing is written per posting.

Failure: two closes of one tenant take turns; a mark that does not follow the last one
is an `IntegrityError`. What was invoiced before there were marks is named posting by
posting (`ClaimedPosting`), and stays so.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from kit.contracts import LinearPrice, TokenClass
from kit.orm.atomic import cursor
from metering.billing.lines import Posted
from metering.billing.models import Invoice
from metering.ledger.services import hold_books

_COLUMNS = """
    posting.date, posting.token_class, posting.revision, posting.quantity,
    posting.charge_picos, day.period_start, day.period_end, price.id,
    price.model, book.currency,
    price.input_picos, price.cached_input_picos, price.output_picos
"""
_PRICED = """
    JOIN usage_billingday day
        ON day.tenant_id = posting.tenant_id AND day.date = posting.date
    JOIN pricing_price price ON price.id = posting.price_id
    JOIN pricing_pricebookversion version ON version.id = price.version_id
    JOIN pricing_pricebook book ON book.id = version.book_id
"""
_CLAIMED_BEFORE = """
    EXISTS (
        SELECT FROM billing_claimedposting claimed
        WHERE (claimed.tenant_id, claimed.date, claimed.price_id,
                claimed.token_class, claimed.revision)
            = (posting.tenant_id, posting.date, posting.price_id,
                posting.token_class, posting.revision)
    )
"""
# The second line is what the index of days, or that of numbers, finds.
_MARKED = f"""
    posting.tenant_id = %(tenant)s
    AND (posting.date >= %(days_from)s OR posting.id > %(posted_from)s)
    AND posting.date < %(days_to)s AND posting.id <= %(posted_to)s
    AND NOT {_CLAIMED_BEFORE}
"""
_OF_MARK = f"""
    SELECT {_COLUMNS} FROM ledger_dayposting posting {_PRICED} WHERE {_MARKED}
"""  # noqa: S608 - put together from the constants above
_SUM_OF_MARK = f"""
    SELECT coalesce(sum(posting.charge_picos), 0) FROM ledger_dayposting posting
    WHERE {_MARKED}
"""  # noqa: S608 - put together from the constants above
_BEFORE = f"""
    SELECT {_COLUMNS} FROM ledger_dayposting posting {_PRICED}
    WHERE posting.tenant_id = %(tenant)s AND day.period_start = ANY(%(periods)s::date[])
        AND posting.date >= %(earliest)s
        AND (posting.date < %(days_from)s AND posting.id <= %(posted_from)s
            OR {_CLAIMED_BEFORE})
"""  # noqa: S608 - put together from the constants above
_ONE_BY_ONE = f"""
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
# What the tenant itself may read: no more of a price than which model it is of.
_DAYS = """
    SELECT posting.date, day.period_start, posting.price_id, posting.token_class,
        sum(posting.quantity), sum(posting.charge_picos)
    FROM ledger_dayposting posting
    JOIN usage_billingday day
        ON day.tenant_id = posting.tenant_id AND day.date = posting.date
"""
_PRICE = """
    AND posting.price_id = %(price)s AND posting.token_class = %(token_class)s
    GROUP BY 1, 2, 3, 4 ORDER BY 1
"""
_DAYS_OF_MARK = f"{_DAYS} WHERE {_MARKED} {_PRICE}"
_SPAN_OF_MARK = f"""
    {_DAYS} WHERE {_MARKED}
        AND posting.date >= %(first_date)s AND posting.date < %(end_date)s
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 3, 4
"""
_DAYS_ONE_BY_ONE = f"""
    {_DAYS}
    JOIN billing_claimedposting claimed
        ON (claimed.tenant_id, claimed.date, claimed.price_id,
                claimed.token_class, claimed.revision)
            = (posting.tenant_id, posting.date, posting.price_id,
                posting.token_class, posting.revision)
    JOIN billing_invoiceline line ON line.id = claimed.line_id
    WHERE line.invoice_id = %(invoice)s AND posting.tenant_id = %(tenant)s {_PRICE}
"""
_LAST_NUMBER = "SELECT max(id) FROM ledger_dayposting WHERE tenant_id = %s"

_Parameters = dict[str, int | dt.date | list[dt.date]]


@dataclass(frozen=True, slots=True)
class ChargedDay:
    """What an invoice charges of one day, at one price and of one token class.

    What a component charges instead is among it, at the linear price that it was posted
    at.
    """

    date: dt.date
    period_start: dt.date
    price_id: int
    token_class: int
    quantity: int
    charge_picos: int


@dataclass(frozen=True, slots=True)
class Mark:
    """From where to where an invoice charges; the first of a tenant begins nowhere."""

    days_from: dt.date | None
    posted_from: int | None
    days_to: dt.date
    posted_to: int

    def parameters(self, tenant_id: int) -> _Parameters:
        """Return what statements are given: days and numbers begin with the first."""
        return {
            "tenant": tenant_id,
            "days_from": self.days_from or dt.date.min,
            "posted_from": self.posted_from or 0,
            "days_to": self.days_to,
            "posted_to": self.posted_to,
        }


def next_mark(*, tenant_id: int, days_to: dt.date) -> Mark:
    """Return the mark that follows a tenant's last one, up to all that is posted now.

    Nothing is posted for the tenant until the caller's transaction ends.
    """
    hold_books(tenant_ids=[tenant_id])
    last = (
        Invoice.objects.filter(tenant_id=tenant_id, days_to__isnull=False)
        .order_by("-days_to")
        .first()
    )
    days_from, posted_from = (last.days_to, last.posted_to) if last else (None, None)
    with cursor() as session:
        session.execute(_LAST_NUMBER, [tenant_id])
        (number,) = session.fetchone() or (None,)
    return Mark(days_from, posted_from, days_to, max(number or 0, posted_from or 0))


def mark_of(invoice: Invoice) -> Mark | None:
    """Return an invoice's mark; None for one from before there were marks."""
    if invoice.days_to is None or invoice.posted_to is None:
        return None
    return Mark(
        invoice.days_from, invoice.posted_from, invoice.days_to, invoice.posted_to
    )


def marked(*, tenant_id: int, mark: Mark) -> list[Posted]:
    """Return what a mark charges."""
    return _read(_OF_MARK, mark.parameters(tenant_id))


def marked_before(
    *, tenant_id: int, mark: Mark, periods: Sequence[dt.date]
) -> list[Posted]:
    """Return what earlier invoices charged of periods, by the first date of each."""
    if not periods:
        return []
    parameters = mark.parameters(tenant_id)
    parameters |= {"periods": list(periods), "earliest": min(periods)}
    return _read(_BEFORE, parameters)


def charged_by(invoice: Invoice) -> list[Posted]:
    """Return the postings that an invoice charges."""
    mark = mark_of(invoice)
    if mark is None:
        return _read(_ONE_BY_ONE, {"invoice": invoice.pk})
    return marked(tenant_id=invoice.tenant_id, mark=mark)


def charged_days(
    invoice: Invoice, *, price_id: int, token_class: int
) -> list[ChargedDay]:
    """Return what an invoice charges at a price and of a class, a row for each day."""
    mark = mark_of(invoice)
    named = {"price": price_id, "token_class": token_class}
    statement, parameters = (
        (_DAYS_ONE_BY_ONE, {"invoice": invoice.pk, "tenant": invoice.tenant_id})
        if mark is None
        else (_DAYS_OF_MARK, mark.parameters(invoice.tenant_id))
    )
    return _days(statement, {**parameters, **named})


def charged_between(
    invoice: Invoice, *, first_date: dt.date, end_date: dt.date
) -> list[ChargedDay]:
    """Return what an invoice charges of days, by price and class.

    Nothing of an invoice from before there were marks.
    """
    mark = mark_of(invoice)
    if mark is None:
        return []
    span = {"first_date": first_date, "end_date": end_date}
    return _days(_SPAN_OF_MARK, {**mark.parameters(invoice.tenant_id), **span})


def charged_picos(invoice: Invoice) -> int:
    """Return the sum of the postings that an invoice charges: what accrued for it."""
    mark = mark_of(invoice)
    if mark is None:
        return sum(posting.charge_picos for posting in charged_by(invoice))
    with cursor() as session:
        session.execute(_SUM_OF_MARK, mark.parameters(invoice.tenant_id))
        (picos,) = session.fetchone() or (0,)
    return int(picos)


def _days(statement: str, parameters: _Parameters) -> list[ChargedDay]:
    with cursor() as session:
        session.execute(statement, parameters)
        return [
            ChargedDay(date, begins, price_id, token_class, int(quantity), int(picos))
            for date, begins, price_id, token_class, quantity, picos in (
                session.fetchall()
            )
        ]


def _read(statement: str, parameters: _Parameters) -> list[Posted]:
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
                period_start=period_start,
                period_end=period_end,
            )
            for (
                date,
                token_class,
                revision,
                quantity,
                charge_picos,
                period_start,
                period_end,
                *price,
            ) in session.fetchall()
        ]
