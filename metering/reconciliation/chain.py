"""The chain in sums: metered = rated = rolled up = posted = invoiced.

Each step's sum, and what of the step before still waits for it, per currency. A day is
in the window by its date; an event waits for its rollup above its epoch's mark, a
rolled-up day for the ledger while it is listed as changed, a posting for its invoice
until an invoice's mark reaches it. Failure: none of its own; all is seen in one
snapshot, or their sums mean nothing.
"""

from dataclasses import dataclass

from kit.orm.atomic import cursor
from metering.reconciliation.checks.check import Scope, in_window
from metering.reconciliation.checks.claims import INVOICE_OF
from metering.reconciliation.checks.events import RATED
from metering.reconciliation.checks.rollups import DATED

_CURRENCY = """
    JOIN pricing_price price ON price.id = {table}.price_id
    JOIN pricing_pricebookversion version ON version.id = price.version_id
    JOIN pricing_pricebook book ON book.id = version.book_id
"""

# Summed by price first, so that the currency is looked up once a price.
_EVENTS = f"""
WITH {DATED},
counted AS MATERIALIZED (
    SELECT event.price_id, event.is_rolled_up, count(*) AS events,
        sum(event.charge_picos) AS metered, sum(event.input_tokens) AS input_tokens,
        sum(event.cached_input_tokens) AS cached_input_tokens,
        sum(event.output_tokens) AS output_tokens
    FROM dated event GROUP BY 1, 2
)
SELECT book.currency, sum(event.events), sum(event.metered), sum({RATED}),
    coalesce(sum(event.events) FILTER (WHERE NOT event.is_rolled_up), 0),
    coalesce(sum({RATED}) FILTER (WHERE NOT event.is_rolled_up), 0)
FROM counted event {_CURRENCY.format(table="event")}
GROUP BY book.currency
"""  # noqa: S608 - put together from the constants above

_ROLLUPS = f"""
WITH rolled AS (
    SELECT rollup.tenant_id, rollup.date, rollup.price_id, count(*) AS rows,
        sum(rollup.charge_picos) AS picos
    FROM usage_dayrollup rollup WHERE {in_window("rollup")} GROUP BY 1, 2, 3
),
posted AS (
    SELECT posting.tenant_id, posting.date, posting.price_id, count(*) AS rows,
        sum(posting.charge_picos) AS picos
    FROM ledger_dayposting posting WHERE {in_window("posting")} GROUP BY 1, 2, 3
),
day AS (
    SELECT tenant_id, date, price_id, coalesce(rolled.rows, 0) AS rolled_rows,
        coalesce(rolled.picos, 0) AS rolled_picos,
        coalesce(posted.rows, 0) AS posted_rows,
        coalesce(posted.picos, 0) AS posted_picos
    FROM rolled FULL JOIN posted USING (tenant_id, date, price_id)
)
SELECT book.currency, sum(day.rolled_rows), sum(day.rolled_picos), sum(day.posted_rows),
    sum(day.posted_picos),
    count(DISTINCT (day.tenant_id, day.date)) FILTER (WHERE changed.date IS NOT NULL),
    coalesce(sum(day.rolled_picos - day.posted_picos)
        FILTER (WHERE changed.date IS NOT NULL), 0)
FROM day
LEFT JOIN usage_changedday changed
    ON changed.tenant_id = day.tenant_id AND changed.date = day.date
{_CURRENCY.format(table="day")}
GROUP BY book.currency
"""  # noqa: S608 - put together from the constants above

_CLAIMS = f"""
SELECT book.currency,
    count(bill.id), coalesce(sum(posting.charge_picos)
        FILTER (WHERE bill.id IS NOT NULL), 0),
    count(*) - count(bill.id), coalesce(sum(posting.charge_picos)
        FILTER (WHERE bill.id IS NULL), 0)
FROM ledger_dayposting posting
{INVOICE_OF}
CROSS JOIN LATERAL (SELECT coalesce(named_line.invoice_id, marking.id) AS id) bill
{_CURRENCY.format(table="posting")}
WHERE {in_window("posting")}
GROUP BY book.currency
"""  # noqa: S608 - put together from the constants above


@dataclass(frozen=True, slots=True)
class Step:
    """One step in one currency: its sum, and what waits for it to be made.

    `waits` counts what `waits_as` names: events, days, postings. `differs_picos` is
    what neither the step nor its queue accounts for: zero, or there is a difference.
    """

    name: str
    currency: str
    rows: int
    charge_picos: int
    differs_picos: int = 0
    waits: int = 0
    waits_as: str = ""
    waits_picos: int = 0


def chain(scope: Scope) -> tuple[Step, ...]:
    """Return the sums of every step, by currency."""
    events = {row[0]: row[1:] for row in _read(_EVENTS, scope)}
    rollups = {row[0]: row[1:] for row in _read(_ROLLUPS, scope)}
    claims = {row[0]: row[1:] for row in _read(_CLAIMS, scope)}
    return tuple(
        step
        for currency in sorted(events.keys() | rollups.keys() | claims.keys())
        for step in _steps(
            currency,
            events.get(currency, (0,) * 5),
            rollups.get(currency, (0,) * 6),
            claims.get(currency, (0,) * 4),
        )
    )


def _steps(
    currency: str,
    events: tuple[int, ...],
    rollups: tuple[int, ...],
    claims: tuple[int, ...],
) -> tuple[Step, ...]:
    count, metered, rated, unrolled, unrolled_picos = events
    rolled_rows, rolled, posted_rows, posted, changed_days, changed_picos = rollups
    claim_rows, claimed, unclaimed, unclaimed_picos = claims
    return (
        Step("metered", currency, count, metered),
        Step("rated", currency, count, rated, metered - rated),
        Step(
            "rolled up",
            currency,
            rolled_rows,
            rolled,
            rated - rolled - unrolled_picos,
            unrolled,
            "event",
            unrolled_picos,
        ),
        Step(
            "posted",
            currency,
            posted_rows,
            posted,
            rolled - posted - changed_picos,
            changed_days,
            "day",
            changed_picos,
        ),
        Step(
            "invoiced",
            currency,
            claim_rows,
            claimed,
            posted - claimed - unclaimed_picos,
            unclaimed,
            "posting",
            unclaimed_picos,
        ),
    )


def _read(statement: str, scope: Scope) -> list[tuple[str, *tuple[int, ...]]]:
    with cursor() as session:
        session.execute(statement, scope.parameters)
        return [
            (currency, *(int(each) for each in numbers))
            for currency, *numbers in session.fetchall()
        ]
