"""The SQL of a day's margin: what was used by the hour, and what was booked of a date.

Use is by days of UTC, as replicas cost; revenue by the tenants' billing days, as it is
booked. Both are read from rollups and postings, never from events.
"""

# By tenant, hour of the day, model and currency: requests, then tokens of each class.
USED = """
SELECT rollup.tenant_id,
    (extract(epoch FROM rollup.hour - %(start)s) / 3600)::integer AS hour,
    price.model, book.currency, sum(rollup.requests)::bigint,
    sum(rollup.input_tokens)::bigint, sum(rollup.cached_input_tokens)::bigint,
    sum(rollup.output_tokens)::bigint
FROM usage_hourrollup rollup
JOIN pricing_price price ON price.id = rollup.price_id
JOIN pricing_pricebookversion version ON version.id = price.version_id
JOIN pricing_pricebook book ON book.id = version.book_id
WHERE rollup.hour >= %(start)s AND rollup.hour < %(end)s
GROUP BY 1, 2, 3, 4
"""

# A look into each tenant's postings: they are kept in the order of tenants. What came
# after its month was locked is of the date on which it was booked.
BOOKED = """
SELECT posting.tenant_id, price.model, book.currency,
    sum(posting.charge_picos) AS charge_picos
FROM tenants_tenant tenant
CROSS JOIN LATERAL (
    SELECT * FROM ledger_dayposting posting
    WHERE posting.tenant_id = tenant.id AND posting.date = %(date)s
        AND posting.booked_on IS NULL
    UNION ALL
    SELECT * FROM ledger_dayposting late
    WHERE late.booked_on = %(date)s AND late.tenant_id = tenant.id
) posting
JOIN pricing_price price ON price.id = posting.price_id
JOIN pricing_pricebookversion version ON version.id = price.version_id
JOIN pricing_pricebook book ON book.id = version.book_id
GROUP BY 1, 2, 3
"""

# The first day of which anything is known, of replicas or of use.
FIRST_DAY = """
SELECT (least(
    (SELECT min(starts_at) FROM economics_replicaspan),
    (SELECT min(hour) FROM usage_hourrollup)
) AT TIME ZONE 'UTC')::date
"""
