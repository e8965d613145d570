"""Checks of what left the house: gapless numbers, and what providers were asked to do.

A provider's totals were compared while its draft could still be changed; what is kept
of that is its operations, which must lead to the very invoice that we issued.
"""

from metering.reconciliation.checks.check import Check, by_statement, of_tenant

_NUMBERED = """
WITH numbered AS (
    SELECT seller_id, number, substring(number FROM '([0-9]+)$')::bigint AS counter
    FROM billing_invoice WHERE number IS NOT NULL
),
spaced AS (
    SELECT *, lag(counter, 1, 0::bigint) OVER (
        PARTITION BY seller_id ORDER BY counter
    ) AS before
    FROM numbered
),
last AS (SELECT seller_id, max(counter) AS counter FROM numbered GROUP BY seller_id),
seen AS (SELECT count(*) AS rows FROM numbered),
wrong AS (
    SELECT seller_id, number AS subject,
        CASE WHEN counter > before THEN 'number ' || before + 1
            ELSE 'one number ' || before END AS expected,
        'number ' || counter AS found
    FROM spaced WHERE counter IS DISTINCT FROM before + 1
    UNION ALL
    SELECT seller.id, 'the counter', coalesce(last.counter, 0) || ' as the last number',
        seller.last_number::text
    FROM billing_seller seller LEFT JOIN last ON last.seller_id = seller.id
    WHERE seller.last_number <> coalesce(last.counter, 0)
),
difference AS (
    SELECT NULL::bigint AS tenant_id, seller.name || ', ' || subject AS subject,
        expected, coalesce(found, 'no number') AS found
    FROM wrong JOIN billing_seller seller ON seller.id = wrong.seller_id
)
"""

_PROVIDED = f"""
WITH done AS (
    SELECT operation.name, operation.subject, operation.state, operation.reference,
        invoice.tenant_id, invoice.number, invoice.provider_reference,
        invoice.hosted_url, coalesce(invoice.number, 'draft ' || invoice.public_id)
            || ', ' || operation.name AS title,
        row_number() OVER (
            PARTITION BY operation.provider, operation.account, operation.name,
                operation.subject
            ORDER BY operation.attempt DESC
        ) AS age
    FROM billing_provideroperation operation
    JOIN billing_invoice invoice ON invoice.id = operation.invoice_id
    WHERE {of_tenant("invoice")}
),
last AS (SELECT * FROM done WHERE age = 1),
seen AS (SELECT count(*) AS rows FROM last),
difference AS (
    SELECT tenant_id, title AS subject, 'nothing done for a draft' AS expected,
        'done at ' || reference AS found
    FROM last
    WHERE name = 'finalise' AND state = 'succeeded' AND number IS NULL
    UNION ALL
    SELECT tenant_id, title, 'done for ' || provider_reference, 'done at ' || reference
    FROM last
    WHERE name IN ('draft', 'number', 'finalise') AND state = 'succeeded'
        AND number IS NOT NULL AND reference <> provider_reference
    UNION ALL
    SELECT tenant_id, title, 'done, since its page is open', state
    FROM last
    WHERE name = 'finalise' AND state <> 'succeeded' AND hosted_url <> ''
        AND subject = provider_reference
)
"""  # noqa: S608 - put together from the constants above

INVOICES_NUMBERED = Check(
    name="invoices_numbered",
    proves="The invoices of every seller are numbered without a gap.",
    look="admin:billing_invoice_changelist",
    run=by_statement(_NUMBERED),
    is_of_tenants=False,
)
PROVIDERS_AGREE = Check(
    name="providers_agree",
    proves="What providers did, they did for the invoice that we issued.",
    look="admin:billing_provideroperation_changelist",
    run=by_statement(_PROVIDED),
)
