"""The SQL that posts days: what they grew by, its accounts, and all of it in one go.

`day` are the billing days asked for, as two arrays side by side. What a day grew by is
its rollup less its postings, by price and charged token class. Each day is summed by
itself, so that no plan reads all days there are for those few.
"""

DAYS = "unnest(%(tenants)s::bigint[], %(dates)s::date[])"

# Accounts that are there are not touched: several post to one tenant's only in turn.
ACCOUNTS = f"""
    WITH priced AS (
        SELECT DISTINCT day.tenant_id, sold.price_id
        FROM {DAYS} AS day (tenant_id, date)
        CROSS JOIN LATERAL (
            SELECT DISTINCT price_id FROM usage_dayrollup rollup
            WHERE rollup.tenant_id = day.tenant_id AND rollup.date = day.date
        ) AS sold
    )
    INSERT INTO ledger_account (tenant_id, kind, currency)
    SELECT DISTINCT priced.tenant_id, side.kind, book.currency
    FROM priced
    JOIN pricing_price price ON price.id = priced.price_id
    JOIN pricing_pricebookversion version ON version.id = price.version_id
    JOIN pricing_pricebook book ON book.id = version.book_id
    CROSS JOIN (VALUES ('accrued'), ('revenue')) AS side (kind)
    WHERE NOT EXISTS (
        SELECT FROM ledger_account account
        WHERE (account.tenant_id, account.kind, account.currency)
            = (priced.tenant_id, side.kind, book.currency)
    )
    ORDER BY 1, 2, 3
    ON CONFLICT (tenant_id, kind, currency) DO NOTHING
"""  # noqa: S608 - put together from the constants above

# An account is looked up for each entry: how many rows a join of so many conditions has
# is guessed badly, and the guess may cost more than everything else.
# What grew of a day whose month is locked is booked as of now.
# A source that is there already breaks its constraint: a revision follows from what is
# posted. Both sides of a transaction are in one statement, which its trigger asks for.
POST = f"""
    WITH day AS MATERIALIZED (
        SELECT day.tenant_id, day.date, day.ends_at,
            ledger_is_locked(day.tenant_id, day.ends_at) AS is_late
        FROM {DAYS} AS asked (tenant_id, date)
        JOIN usage_billingday day USING (tenant_id, date)
    ),
    rolled AS (
        SELECT day.tenant_id, day.date, sums.*
        FROM day CROSS JOIN LATERAL (
            SELECT price_id, token_class, sum(quantity) AS quantity,
                sum(charge_picos) AS charge_picos
            FROM usage_dayrollup rollup
            WHERE rollup.tenant_id = day.tenant_id AND rollup.date = day.date
                AND token_class = ANY(%(classes)s::smallint[])
            GROUP BY price_id, token_class
        ) AS sums
    ),
    posted AS (
        SELECT day.tenant_id, day.date, sums.*
        FROM day CROSS JOIN LATERAL (
            SELECT price_id, token_class, sum(quantity) AS quantity,
                sum(charge_picos) AS charge_picos, max(revision) AS revision
            FROM ledger_dayposting posting
            WHERE posting.tenant_id = day.tenant_id AND posting.date = day.date
            GROUP BY price_id, token_class
        ) AS sums
    ),
    differing AS (
        SELECT tenant_id, date, price_id, token_class,
            coalesce(posted.revision, 0) + 1 AS revision,
            rolled.quantity - coalesce(posted.quantity, 0) AS quantity,
            rolled.charge_picos - coalesce(posted.charge_picos, 0) AS charge_picos
        FROM rolled
        LEFT JOIN posted USING (tenant_id, date, price_id, token_class)
        WHERE rolled.quantity <> coalesce(posted.quantity, 0)
            OR rolled.charge_picos <> coalesce(posted.charge_picos, 0)
        ORDER BY tenant_id, date, price_id, token_class
    ),
    growth AS MATERIALIZED (
        SELECT nextval('ledger_transaction_id_seq') AS transaction_id, differing.*
        FROM differing
    ),
    priced AS MATERIALIZED (
        SELECT price.id AS price_id, book.currency
        FROM pricing_price price
        JOIN pricing_pricebookversion version ON version.id = price.version_id
        JOIN pricing_pricebook book ON book.id = version.book_id
        WHERE price.id IN (SELECT price_id FROM growth)
    ),
    made AS (
        INSERT INTO ledger_transaction (id, tenant_id, kind, source, occurred_at)
        SELECT transaction_id, tenant_id, 'usage',
            to_char(date, 'YYYY-MM-DD') || ' price ' || price_id || ' ' || class.name
                || ' r' || revision,
            CASE WHEN day.is_late THEN %(now)s ELSE day.ends_at END
        FROM growth
        JOIN day USING (tenant_id, date)
        JOIN unnest(%(classes)s::smallint[], %(names)s::text[])
            AS class (token_class, name) USING (token_class)
    ),
    booked AS (
        INSERT INTO ledger_entry
            (tenant_id, transaction_id, account_id, amount_picos)
        SELECT growth.tenant_id, transaction_id, (
                SELECT account.id FROM ledger_account account
                WHERE account.tenant_id = growth.tenant_id AND account.kind = side.kind
                    AND account.currency = priced.currency
            ), side.sign * charge_picos
        FROM growth
        JOIN priced USING (price_id)
        CROSS JOIN (VALUES ('accrued', 1), ('revenue', -1)) AS side (kind, sign)
        RETURNING 1
    ),
    listed AS (
        INSERT INTO ledger_dayposting (
            tenant_id, date, price_id, token_class, revision, quantity, charge_picos,
            transaction_id, booked_on
        )
        SELECT tenant_id, date, price_id, token_class, revision, quantity, charge_picos,
            transaction_id,
            CASE WHEN is_late THEN ledger_book_date(tenant_id, %(now)s) END
        FROM growth
        JOIN day USING (tenant_id, date)
        ORDER BY transaction_id
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM growth), (SELECT count(*) FROM listed),
        (SELECT count(*) FROM booked)
"""  # noqa: S608 - put together from the constants above
