"""Checks of what invoices charge: day postings -> claims -> lines -> invoices.

A posting that no line has claimed is unbilled, and no difference: it waits for the
close of its period, or for a later one.
"""

from metering.reconciliation.checks.check import (
    Check,
    by_statement,
    class_name,
    in_window,
    of_tenant,
)

_CLAIMED = f"""
WITH claim AS (
    SELECT claim.tenant_id, claim.date, claim.price_id, claim.token_class,
        claim.revision, count(*) AS claims, min(posting.quantity) AS quantity,
        bool_and(line.id IS NOT NULL AND line.tenant_id = claim.tenant_id
            AND line.price_id = claim.price_id
            AND line.token_class = claim.token_class) AS is_alike,
        bool_and(claim.date < period.end_date) AS is_over
    FROM billing_claimedposting claim
    LEFT JOIN billing_invoiceline line ON line.id = claim.line_id
    LEFT JOIN billing_invoice invoice ON invoice.id = line.invoice_id
    LEFT JOIN billing_period period ON period.id = invoice.period_id
    LEFT JOIN ledger_dayposting posting ON posting.tenant_id = claim.tenant_id
        AND posting.date = claim.date AND posting.price_id = claim.price_id
        AND posting.token_class = claim.token_class
        AND posting.revision = claim.revision
    WHERE {in_window("claim")}
    GROUP BY 1, 2, 3, 4, 5
),
seen AS (SELECT count(*) AS rows FROM claim),
difference AS (
    SELECT claim.tenant_id, claim.date || ', price ' || price_id || ', '
            || {class_name("token_class")} || ', revision ' || revision AS subject,
        'one posting, charged in one line of its price and class' AS expected,
        CASE WHEN quantity IS NULL THEN 'a claim of no posting'
            WHEN claims > 1 THEN claims || ' claims'
            WHEN NOT is_alike THEN 'a line of another tenant, price or class'
            ELSE 'a line of a period before it' END AS found
    FROM claim
    WHERE quantity IS NULL OR claims > 1 OR NOT is_alike OR is_over IS NOT TRUE
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

_SUMMED = f"""
WITH {_LINE},
claimed AS (
    SELECT claim.line_id, sum(posting.quantity) AS quantity,
        sum(posting.charge_picos) AS charge_picos
    FROM billing_claimedposting claim
    JOIN ledger_dayposting posting ON posting.tenant_id = claim.tenant_id
        AND posting.date = claim.date AND posting.price_id = claim.price_id
        AND posting.token_class = claim.token_class
        AND posting.revision = claim.revision
    WHERE {of_tenant("claim")}
    GROUP BY claim.line_id
),
seen AS (SELECT count(*) AS rows FROM line),
difference AS (
    SELECT line.tenant_id, line.name AS subject,
        coalesce(claimed.quantity, 0) || ' for ' || coalesce(claimed.charge_picos, 0)
            || ' picos' AS expected,
        line.quantity || ' for ' || line.exact_picos || ' picos' AS found
    FROM line LEFT JOIN claimed ON claimed.line_id = line.id
    WHERE line.quantity <> coalesce(claimed.quantity, 0)
        OR line.exact_picos <> coalesce(claimed.charge_picos, 0)
)
"""  # noqa: S608 - put together from the constants above

_RATED = f"""
WITH {_LINE},
priced AS (
    SELECT line.*, CASE line.token_class WHEN 1 THEN price.input_picos
        WHEN 2 THEN price.cached_input_picos WHEN 3 THEN price.output_picos END AS price
    FROM line LEFT JOIN pricing_price price ON price.id = line.price_id
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
    SELECT invoice_id, sum(exact_picos) AS exact_picos, sum(amount_minor) AS minor
    FROM billing_invoiceline line WHERE {of_tenant("line")} GROUP BY invoice_id
),
seen AS (
    SELECT count(*) AS rows FROM billing_invoice invoice WHERE {of_tenant("invoice")}
),
difference AS (
    SELECT invoice.tenant_id,
        coalesce(invoice.number, 'draft ' || invoice.public_id) AS subject,
        coalesce(added.exact_picos, 0) || ' picos, charged ' || coalesce(minor, 0)
            AS expected,
        invoice.exact_picos || ' picos, charged ' || invoice.amount_minor AS found
    FROM billing_invoice invoice LEFT JOIN added ON added.invoice_id = invoice.id
    WHERE {of_tenant("invoice")} AND (
        invoice.exact_picos <> coalesce(added.exact_picos, 0)
        OR invoice.amount_minor <> coalesce(added.minor, 0)
    )
)
"""  # noqa: S608 - put together from the constants above

POSTINGS_CLAIMED = Check(
    name="postings_claimed",
    proves="Every day posting is charged in one line of its price, or not yet.",
    look="admin:billing_invoice_changelist",
    run=by_statement(_CLAIMED),
)
LINES_SUM_CLAIMS = Check(
    name="lines_sum_claims",
    proves="Every line is the sum of the postings that it claims.",
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
