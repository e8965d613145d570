"""From use to cash: a month's use followed to what was paid for it, each gap named.

Use is metered by events, rated into billing days, posted to the books, charged by
invoices and paid for. Each figure is read from its own rows; what lies between two of
them is a gap, read from rows too, so that a step and the gap after it come to the next
step. Invoices are those of the periods whose last day is in the month: for tenants
whose period begins on another day they charge use of the month before as well.

Failure: none of its own. Currencies are never added.
"""

import datetime as dt
import enum
from dataclasses import dataclass

from kit.money import picos_from_minor
from kit.orm.atomic import cursor
from metering.ledger.months import last_day, month_after

# Committed and not yet rolled up: seconds of traffic.
_UNRATED = """
SELECT count(*), coalesce(sum(event.charge_picos), 0)
FROM usage_epoch epoch
LEFT JOIN usage_rollupmark mark ON mark.epoch_id = epoch.id
CROSS JOIN LATERAL (
    SELECT tenant_id, price_id, admitted_at, charge_picos FROM usage_event event
    WHERE event.epoch_id = epoch.id AND event.seq > coalesce(mark.rolled_seq, 0)
    OFFSET 0
) AS event
JOIN usage_billingday day ON day.tenant_id = event.tenant_id
    AND day.starts_at <= event.admitted_at AND day.ends_at > event.admitted_at
JOIN pricing_price price ON price.id = event.price_id
JOIN pricing_pricebookversion version ON version.id = price.version_id
JOIN pricing_pricebook book ON book.id = version.book_id
WHERE epoch.last_seq > coalesce(mark.rolled_seq, 0)
    AND day.date >= %(first)s AND day.date < %(next)s
    AND book.currency = %(currency)s
"""

# Days that the ledger has not taken over: what their rollups grew by since it did.
_UNPOSTED = """
SELECT tenant.slug, day.date, billed.ends_at,
    sum(rolled.picos - coalesce(posted.picos, 0))
FROM usage_changedday day
JOIN usage_billingday billed USING (tenant_id, date)
JOIN tenants_tenant tenant ON tenant.id = day.tenant_id
CROSS JOIN LATERAL (
    SELECT price_id, sum(charge_picos) AS picos FROM usage_dayrollup rollup
    WHERE rollup.tenant_id = day.tenant_id AND rollup.date = day.date GROUP BY price_id
) AS rolled
LEFT JOIN LATERAL (
    SELECT sum(charge_picos) AS picos FROM ledger_dayposting posting
    WHERE posting.tenant_id = day.tenant_id AND posting.date = day.date
        AND posting.price_id = rolled.price_id
) AS posted ON true
JOIN pricing_price price ON price.id = rolled.price_id
JOIN pricing_pricebookversion version ON version.id = price.version_id
JOIN pricing_pricebook book ON book.id = version.book_id
WHERE day.date >= %(first)s AND day.date < %(next)s AND book.currency = %(currency)s
GROUP BY 1, 2, 3
HAVING sum(rolled.picos - coalesce(posted.picos, 0)) <> 0
ORDER BY day.date, tenant.slug
"""

# Use is of the month that it is booked in: of its day's, or, where that was locked when
# it came in, of the month that was open. Those few are found by an index of their own.
_OF_MONTH = """
    posting.date >= %(first)s AND posting.date < %(next)s AND posting.booked_on IS NULL
"""
_BOOKED_LATE = """
    posting.booked_on >= %(first)s AND posting.booked_on < %(next)s
"""
_SUM = "SELECT coalesce(sum(posting.charge_picos), 0) FROM ledger_dayposting posting"

# The last mark of a tenant tells what is charged: all before it up to its number. What
# lies whole behind it needs no look at single postings.
_UNINVOICED = f"""
WITH sold AS (
    SELECT moved.tenant_id, sum(moved.debited_picos - moved.credited_picos) AS picos
    FROM ledger_movement moved
    JOIN ledger_account account ON account.id = moved.account_id
    WHERE moved.month = %(first)s AND moved.kind = 'usage'
        AND account.kind = 'accrued' AND account.currency = %(currency)s
    GROUP BY 1
),
mark AS (
    SELECT DISTINCT ON (tenant_id) tenant_id, days_to, posted_to FROM billing_invoice
    WHERE days_to IS NOT NULL ORDER BY tenant_id, days_to DESC, posted_to DESC
),
claimed AS (
    SELECT posting.tenant_id, sum(posting.charge_picos) AS picos
    FROM billing_claimedposting claim
    JOIN ledger_dayposting posting
        USING (tenant_id, date, price_id, token_class, revision)
    WHERE claim.date >= %(first)s AND claim.date < %(next)s GROUP BY 1
),
waiting AS (
    SELECT sold.tenant_id, mark.days_to, sold.picos AS sold,
        CASE WHEN mark.days_to IS NULL
            THEN sold.picos - coalesce(claimed.picos, 0)
        WHEN mark.days_to <= %(first)s
            THEN sold.picos - (
                {_SUM} WHERE posting.tenant_id = sold.tenant_id AND {_BOOKED_LATE}
                    AND posting.date < mark.days_to AND posting.id <= mark.posted_to
            )
        WHEN mark.days_to >= %(next)s
            THEN (
                {_SUM} WHERE posting.tenant_id = sold.tenant_id
                    AND posting.id > mark.posted_to AND ({_OF_MONTH} OR {_BOOKED_LATE})
            )
        ELSE (
                {_SUM} WHERE posting.tenant_id = sold.tenant_id AND {_OF_MONTH}
                    AND (posting.date >= mark.days_to OR posting.id > mark.posted_to)
            ) + (
                {_SUM} WHERE posting.tenant_id = sold.tenant_id AND {_BOOKED_LATE}
                    AND (posting.date >= mark.days_to OR posting.id > mark.posted_to)
            )
        END AS picos
    FROM sold
    LEFT JOIN mark ON mark.tenant_id = sold.tenant_id
    LEFT JOIN claimed ON claimed.tenant_id = sold.tenant_id
)
SELECT tenant.slug, waiting.picos, waiting.sold, waiting.days_to >= %(next)s,
    (SELECT period_end FROM usage_billingday day
        WHERE day.tenant_id = waiting.tenant_id AND day.date = %(last)s)
FROM waiting JOIN tenants_tenant tenant ON tenant.id = waiting.tenant_id
ORDER BY waiting.picos DESC, tenant.slug
"""  # noqa: S608 - put together from the constants above
_OF_DRAFT = f"""
    {_SUM} WHERE posting.tenant_id = draft.tenant_id
        AND posting.date < draft.days_to AND posting.id <= draft.posted_to
        AND (posting.date >= coalesce(draft.days_from, '-infinity')
            OR posting.id > coalesce(draft.posted_from, 0))
"""
_DRAFTED = f"""
SELECT tenant.slug, draft.problem,
    ({_OF_DRAFT} AND {_OF_MONTH}) + ({_OF_DRAFT} AND {_BOOKED_LATE})
FROM billing_invoice draft
JOIN tenants_tenant tenant ON tenant.id = draft.tenant_id
WHERE draft.state = 'draft' AND draft.days_to IS NOT NULL
    AND draft.currency = %(currency)s
ORDER BY tenant.slug
"""  # noqa: S608 - put together from the constants above
_INVOICES = """
SELECT count(*), coalesce(sum(invoice.subtotal_minor), 0),
    coalesce(sum(invoice.tax_minor), 0), coalesce(sum(invoice.amount_minor), 0),
    coalesce(sum(invoice.paid_minor), 0), coalesce(sum(invoice.credited_minor), 0),
    coalesce(sum(invoice.written_off_minor), 0),
    coalesce(sum(invoice.amount_minor - invoice.paid_minor - invoice.credited_minor
        - invoice.written_off_minor) FILTER (
            WHERE invoice.due_date < (%(now)s AT TIME ZONE tenant.zone)::date), 0)
FROM billing_invoice invoice
JOIN tenants_tenant tenant ON tenant.id = invoice.tenant_id
JOIN billing_period period ON period.id = invoice.period_id
WHERE period.end_date > %(first)s AND period.end_date <= %(next)s
    AND invoice.number IS NOT NULL AND invoice.currency = %(currency)s
"""


class Why(enum.StrEnum):
    """Why use that is in the books is on no invoice."""

    RUNNING = "its period runs"
    CLOSING = "its period is over and is being closed"
    LATE = "it came late and is on the next invoice"
    DRAFT = "its invoice is a draft"


@dataclass(frozen=True, slots=True)
class Unposted:
    """A billing day whose use is not in the books, or not all of it."""

    tenant: str
    date: dt.date
    ends_at: dt.datetime
    currency: str
    picos: int


@dataclass(frozen=True, slots=True)
class Uninvoiced:
    """A tenant's use of the month that no issued invoice charges."""

    tenant: str
    why: Why
    currency: str
    picos: int
    until: dt.date | None = None
    """The last day of the period that charges it."""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Invoiced:
    """What the invoices of the month's periods came to, in minor units."""

    invoices: int
    subtotal_minor: int
    tax_minor: int
    asked_minor: int
    paid_minor: int
    credited_minor: int
    written_off_minor: int
    overdue_minor: int

    @property
    def charged_minor(self) -> int:
        """Return what they charge, tax included."""
        return self.subtotal_minor + self.tax_minor

    @property
    def from_credit_minor(self) -> int:
        """Return what credit paid before money was asked for."""
        return self.charged_minor - self.asked_minor

    @property
    def open_minor(self) -> int:
        """Return what is still to be paid."""
        taken = self.paid_minor + self.credited_minor + self.written_off_minor
        return self.asked_minor - taken


@dataclass(frozen=True, slots=True)
class Funnel:
    """A month's use in one currency, step by step; amounts in picos."""

    currency: str
    unrated_events: int
    unrated_picos: int
    unposted: list[Unposted]
    posted_picos: int
    uninvoiced: list[Uninvoiced]
    invoiced: Invoiced

    @property
    def metered_picos(self) -> int:
        """Return what all committed events come to."""
        return self.rated_picos + self.unrated_picos

    @property
    def rated_picos(self) -> int:
        """Return what is rated into billing days."""
        return self.posted_picos + sum(row.picos for row in self.unposted)

    @property
    def on_invoices_picos(self) -> int:
        """Return what invoices charge of the month's use, at its linear price."""
        return self.posted_picos - sum(row.picos for row in self.uninvoiced)

    def picos(self, minor: int) -> int:
        """Return an amount of invoices in picos."""
        return picos_from_minor(minor, self.currency)


def use_to_cash(*, month: dt.date, currency: str, now: dt.datetime) -> Funnel:
    """Follow a month's use to cash, as of now."""
    today = now.astimezone(dt.UTC).date()
    asked: dict[str, dt.date | dt.datetime | str] = {
        "first": month,
        "next": month_after(month),
        "last": last_day(month),
        "currency": currency,
        "now": now,
    }
    with cursor() as session:
        session.execute(_UNRATED, asked)
        events, unrated = session.fetchone()
        session.execute(_UNPOSTED, asked)
        unposted = [
            Unposted(slug, date, ends_at, currency, int(picos))
            for slug, date, ends_at, picos in session.fetchall()
        ]
        session.execute(_UNINVOICED, asked)
        waiting = session.fetchall()
        session.execute(_DRAFTED, asked)
        drafts = session.fetchall()
        session.execute(_INVOICES, asked)
        invoiced = Invoiced(*map(int, session.fetchone()))
    rows = [
        Uninvoiced(slug, _why(is_late, end, today), currency, int(picos), end)
        for slug, picos, _, is_late, end in waiting
        if picos
    ]
    rows += [
        Uninvoiced(slug, Why.DRAFT, currency, int(picos), problem=problem)
        for slug, problem, picos in drafts
        if picos
    ]
    return Funnel(
        currency=currency,
        unrated_events=int(events),
        unrated_picos=int(unrated),
        unposted=unposted,
        posted_picos=sum(int(sold) for _, _, sold, _, _ in waiting),
        uninvoiced=rows,
        invoiced=invoiced,
    )


def _why(is_late: bool | None, period_end: dt.date | None, today: dt.date) -> Why:
    if is_late:
        return Why.LATE
    if period_end is None or period_end > today:
        return Why.RUNNING
    return Why.CLOSING
