"""Checks of what invoices charge: day postings -> marks -> lines -> invoices.

A posting that no invoice's mark has reached is unbilled, and no difference: it waits
for the close of its period, or for a later one.
"""

from metering.reconciliation.checks.check import (
    Check,
    by_statement,
    of_tenant,
)

# The invoice of a posting is the first one whose mark reaches it: marks of a tenant go
# forward in days and in numbers. What was invoiced before there were marks is named.
INVOICE_OF = """
LEFT JOIN billing_claimedposting named ON named.tenant_id = posting.tenant_id
    AND named.date = posting.date AND named.price_id = posting.price_id
    AND named.token_class = posting.token_class AND named.revision = posting.revision
LEFT JOIN billing_invoiceline named_line ON named_line.id = named.line_id
LEFT JOIN LATERAL (
    SELECT invoice.id FROM billing_invoice invoice
    WHERE named.line_id IS NULL AND invoice.tenant_id = posting.tenant_id
        AND invoice.days_to > posting.date AND invoice.posted_to >= posting.id
    ORDER BY invoice.days_to LIMIT 1
) marking ON true
"""

_MARKED = f"""
WITH mark AS (
    SELECT invoice.tenant_id, coalesce(invoice.number, 'draft ' || invoice.public_id)
            AS name, days_from, posted_from, days_to, posted_to, period.end_date,
        lag(days_to) OVER chain AS days_before,
        lag(posted_to) OVER chain AS posted_before
    FROM billing_invoice invoice
    LEFT JOIN billing_period period ON period.id = invoice.period_id
    WHERE days_to IS NOT NULL AND {of_tenant("invoice")}
    WINDOW chain AS (PARTITION BY invoice.tenant_id ORDER BY days_to, posted_to)
),
seen AS (SELECT count(*) AS rows FROM mark),
difference AS (
    SELECT tenant_id, name AS subject,
        'postings after ' || coalesce(posted_before::text, 'none')
            || ' of days before ' || coalesce(days_before::text, 'any') || ', to '
            || coalesce(end_date::text, 'a period') AS expected,
        'after ' || coalesce(posted_from::text, 'none') || ' of days before '
            || coalesce(days_from::text, 'any') || ', to ' || days_to AS found
    FROM mark
    WHERE (days_from, posted_from) IS DISTINCT FROM (days_before, posted_before)
        OR posted_to < coalesce(posted_from, 0) OR end_date IS DISTINCT FROM days_to
)
"""  # noqa: S608 - put together from the constants above

_LINE = f"""
line AS (
    SELECT line.*, 'line ' || line.position || ' of '
        || coalesce(invoice.number, 'draft ' || invoice.public_id,
            'invoice ' || line.invoice_id) AS name
    FROM billing_invoiceline line
    LEFT JOIN billing_invoice invoice ON invoice.id = line.invoice_id
    WHERE {of_tenant("line")}
)
"""  # noqa: S608 - put together from the constants above

# What a component charges in place of a linear price has no line of its own, and only
# its invoice, made again, tells how much that is.
_SUMMED = f"""
WITH {_LINE},
posted AS (
    SELECT coalesce(named_line.invoice_id, marking.id) AS invoice_id, named.line_id,
        posting.*, day.period_start
    FROM ledger_dayposting posting
    JOIN usage_billingday day
        ON day.tenant_id = posting.tenant_id AND day.date = posting.date
    {INVOICE_OF}
    WHERE {of_tenant("posting")}
),
charged AS (
    SELECT posted.invoice_id, posted.tenant_id, CASE
            WHEN posted.line_id IS NOT NULL THEN 'line ' || posted.line_id
            WHEN posted.date >= period.first_date
                THEN 'usage/' || price_id || '/' || token_class
            ELSE 'adjustment/' || period_start || '/' || price_id || '/' || token_class
            END AS key,
        sum(quantity) AS quantity, sum(charge_picos) AS charge_picos
    FROM posted
    JOIN billing_invoice invoice ON invoice.id = posted.invoice_id
    JOIN billing_period period ON period.id = invoice.period_id
    GROUP BY 1, 2, 3
),
linear AS (
    SELECT line.*, CASE line.key WHEN '' THEN 'line ' || line.id ELSE line.key END
        AS place
    FROM line WHERE kind IN ('usage', 'adjustment') AND NOT EXISTS (
        SELECT FROM billing_invoiceline other
        WHERE other.invoice_id = line.invoice_id AND other.kind = 'component'
    )
),
seen AS (SELECT count(*) AS rows FROM linear),
difference AS (
    SELECT coalesce(linear.tenant_id, charged.tenant_id) AS tenant_id,
        coalesce(linear.name, charged.key || ' of '
            || coalesce(invoice.number, 'draft ' || invoice.public_id)) AS subject,
        coalesce(charged.quantity, 0) || ' for ' || coalesce(charged.charge_picos, 0)
            || ' picos' AS expected,
        coalesce(linear.quantity || ' for ' || linear.exact_picos || ' picos',
            'no line') AS found
    FROM linear FULL JOIN charged
        ON charged.invoice_id = linear.invoice_id AND charged.key = linear.place
    LEFT JOIN billing_invoice invoice ON invoice.id = charged.invoice_id
    WHERE (coalesce(linear.quantity, 0) <> coalesce(charged.quantity, 0)
            OR coalesce(linear.exact_picos, 0) <> coalesce(charged.charge_picos, 0))
        AND NOT EXISTS (
            SELECT FROM billing_invoiceline other
            WHERE other.invoice_id = charged.invoice_id AND other.kind = 'component'
        )
)
"""  # noqa: S608 - put together from the constants above

_RATED = f"""
WITH {_LINE},
priced AS (
    SELECT line.*, CASE line.token_class WHEN 1 THEN price.input_picos
        WHEN 2 THEN price.cached_input_picos WHEN 3 THEN price.output_picos END AS price
    FROM line LEFT JOIN pricing_price price ON price.id = line.price_id
    WHERE line.kind IN ('usage', 'adjustment')
),
seen AS (SELECT count(*) AS rows FROM priced),
difference AS (
    SELECT tenant_id, name AS subject,
        coalesce(
            quantity || ' at ' || price || ' make ' || quantity::numeric * price,
            'a price ' || price_id
        ) AS expected,
        quantity || ' at ' || unit_picos || ' make ' || exact_picos AS found
    FROM priced
    WHERE unit_picos IS DISTINCT FROM price
        OR exact_picos IS DISTINCT FROM quantity::numeric * price
)
"""  # noqa: S608 - put together from the constants above

_ADDED_UP = f"""
WITH added AS (
    SELECT invoice_id, sum(exact_picos) AS exact_picos, sum(amount_minor) AS minor,
        coalesce(sum(amount_minor) FILTER (WHERE kind = 'tax'), 0) AS tax,
        coalesce(sum(amount_minor) FILTER (WHERE kind NOT IN ('credit', 'tax')), 0)
            AS subtotal
    FROM billing_invoiceline line WHERE {of_tenant("line")} GROUP BY invoice_id
),
seen AS (
    SELECT count(*) AS rows FROM billing_invoice invoice WHERE {of_tenant("invoice")}
),
difference AS (
    SELECT invoice.tenant_id,
        coalesce(invoice.number, 'draft ' || invoice.public_id) AS subject,
        coalesce(added.exact_picos, 0) || ' picos, charged ' || coalesce(minor, 0)
            || ', of it tax ' || coalesce(added.tax, 0) || ', before both '
            || coalesce(added.subtotal, 0) AS expected,
        invoice.exact_picos || ' picos, charged ' || invoice.amount_minor
            || ', of it tax ' || invoice.tax_minor || ', before both '
            || invoice.subtotal_minor AS found
    FROM billing_invoice invoice LEFT JOIN added ON added.invoice_id = invoice.id
    WHERE {of_tenant("invoice")} AND (
        invoice.exact_picos <> coalesce(added.exact_picos, 0)
        OR invoice.amount_minor <> coalesce(added.minor, 0)
        OR invoice.tax_minor <> coalesce(added.tax, 0)
        OR invoice.subtotal_minor <> coalesce(added.subtotal, 0)
    )
)
"""  # noqa: S608 - put together from the constants above

MARKS_FOLLOW = Check(
    name="marks_follow",
    proves="Every invoice charges from where the one before it ended: nothing twice.",
    look="admin:billing_invoice_changelist",
    run=by_statement(_MARKED),
)
LINES_SUM_CLAIMS = Check(
    name="lines_sum_claims",
    proves="Every line of use is the sum of its postings, and each has its line.",
    look="admin:billing_invoice_changelist",
    run=by_statement(_SUMMED),
)
LINES_RATED = Check(
    name="lines_rated",
    proves="Every line is its quantity times the price of its tokens.",
    look="admin:billing_invoice_changelist",
    run=by_statement(_RATED),
)
INVOICES_SUM_LINES = Check(
    name="invoices_sum_lines",
    proves="Every invoice is the sum of its lines, exactly and as charged.",
    look="admin:billing_invoice_changelist",
    run=by_statement(_ADDED_UP),
)
