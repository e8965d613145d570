"""The SQL of exports: one statement for each subject, so that all rows are of a moment.

Rows come in the order of keys, so that the same books give the same file. Each is read
through a cursor in the database, never all at once.
"""

from metering.exports.models import Subject

_USAGE = """
WITH period AS (
    SELECT tenant_id, period_start, min(starts_at) AS starts_at, max(ends_at) AS ends_at
    FROM usage_billingday
    WHERE period_end > %(first)s AND period_start < %(end)s
        AND (%(tenant)s::bigint IS NULL OR tenant_id = %(tenant)s)
    GROUP BY 1, 2
)
SELECT rollup.tenant_id, tenant.slug AS tenant, tenant.name AS tenant_name,
    rollup.date, day.starts_at, day.ends_at, period.starts_at AS period_starts_at,
    period.ends_at AS period_ends_at, rollup.project_id, project.slug AS project,
    rollup.api_key_id, api_key.name || ' (' || api_key.shown || ')' AS api_key,
    price.model, rollup.price_id, rollup.token_class, rollup.quantity,
    CASE rollup.token_class WHEN 1 THEN price.input_picos
        WHEN 2 THEN price.cached_input_picos WHEN 3 THEN price.output_picos
        END AS unit_picos,
    rollup.charge_picos, book.currency
FROM usage_dayrollup rollup
JOIN usage_billingday day
    ON day.tenant_id = rollup.tenant_id AND day.date = rollup.date
JOIN period ON period.tenant_id = rollup.tenant_id
    AND period.period_start = day.period_start
JOIN pricing_price price ON price.id = rollup.price_id
JOIN pricing_pricebookversion version ON version.id = price.version_id
JOIN pricing_pricebook book ON book.id = version.book_id
JOIN tenants_tenant tenant ON tenant.id = rollup.tenant_id
LEFT JOIN tenants_project project ON project.id = rollup.project_id
LEFT JOIN tenants_apikey api_key ON api_key.id = rollup.api_key_id
WHERE rollup.date >= %(first)s AND rollup.date < %(end)s
    AND (%(tenant)s::bigint IS NULL OR rollup.tenant_id = %(tenant)s)
ORDER BY rollup.tenant_id, rollup.date, rollup.project_id, rollup.api_key_id,
    rollup.price_id, rollup.token_class
"""

# What occurred after the one instant, up to and with the other: so the entries of a
# file are the difference of the balances at the two.
_LEDGER = """
WITH bounds AS (
    SELECT coalesce(
            (SELECT starts_at FROM usage_billingday
            WHERE tenant_id = %(tenant)s AND date >= %(first)s ORDER BY date LIMIT 1),
            %(first)s::timestamp AT TIME ZONE 'UTC'
        ) AS since,
        coalesce(
            (SELECT starts_at FROM usage_billingday
            WHERE tenant_id = %(tenant)s AND date >= %(end)s ORDER BY date LIMIT 1),
            %(end)s::timestamp AT TIME ZONE 'UTC'
        ) AS until
)
SELECT entry.tenant_id, tenant.slug AS tenant, tenant.name AS tenant_name,
    entry.transaction_id, transaction.kind, transaction.source,
    transaction.occurred_at, transaction.posted_at, entry.id AS entry_id,
    account.kind AS account, account.currency, entry.amount_picos
FROM bounds
JOIN ledger_transaction transaction
    ON transaction.occurred_at > bounds.since
    AND transaction.occurred_at <= bounds.until
JOIN ledger_entry entry ON entry.transaction_id = transaction.id
JOIN ledger_account account ON account.id = entry.account_id
JOIN tenants_tenant tenant ON tenant.id = entry.tenant_id
WHERE %(tenant)s::bigint IS NULL OR transaction.tenant_id = %(tenant)s
ORDER BY entry.transaction_id, entry.id
"""

_INVOICES = """
SELECT invoice.tenant_id, tenant.slug AS tenant, tenant.name AS tenant_name,
    invoice.public_id AS invoice_id, invoice.number, invoice.state,
    invoice.issued_date, invoice.due_date, invoice.issued_at,
    period.first_date AS period_first_date, period.end_date AS period_end_date,
    period.starts_at AS period_starts_at, period.ends_at AS period_ends_at,
    line.position, line.kind, line.description, line.model, line.price_id,
    line.token_class, line.quantity, line.unit_picos, line.exact_picos,
    line.amount_minor, invoice.currency
FROM billing_invoice invoice
JOIN billing_invoiceline line ON line.invoice_id = invoice.id
JOIN tenants_tenant tenant ON tenant.id = invoice.tenant_id
LEFT JOIN billing_period period ON period.id = invoice.period_id
WHERE invoice.issued_date >= %(first)s AND invoice.issued_date < %(end)s
    AND invoice.number IS NOT NULL
    AND (%(tenant)s::bigint IS NULL OR invoice.tenant_id = %(tenant)s)
ORDER BY invoice.id, line.position
"""

STATEMENTS = {
    Subject.USAGE: _USAGE,
    Subject.LEDGER: _LEDGER,
    Subject.INVOICES: _INVOICES,
}
