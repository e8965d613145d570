"""Checks of what the ledger took over: day rollups -> day postings -> transactions.

A day on the list of changed days waits for the ledger, and is no difference: the list
is written with each rollup and emptied with each posting.
"""

from metering.reconciliation.checks.check import (
    Check,
    by_statement,
    class_name,
    in_window,
    of_tenant,
)

_POSTED = f"""
WITH rolled AS (
    SELECT rollup.tenant_id, rollup.date, rollup.price_id, rollup.token_class,
        sum(rollup.quantity) AS quantity, sum(rollup.charge_picos) AS charge_picos
    FROM usage_dayrollup rollup
    WHERE {in_window("rollup")} AND rollup.token_class = ANY(%(charged)s::smallint[])
    GROUP BY 1, 2, 3, 4
),
posted AS (
    SELECT posting.tenant_id, posting.date, posting.price_id, posting.token_class,
        sum(posting.quantity) AS quantity, sum(posting.charge_picos) AS charge_picos
    FROM ledger_dayposting posting WHERE {in_window("posting")} GROUP BY 1, 2, 3, 4
),
compared AS (
    SELECT tenant_id, date, price_id, token_class,
        coalesce(rolled.quantity, 0) AS rolled_quantity,
        coalesce(rolled.charge_picos, 0) AS rolled_picos,
        coalesce(posted.quantity, 0) AS posted_quantity,
        coalesce(posted.charge_picos, 0) AS posted_picos
    FROM rolled FULL JOIN posted USING (tenant_id, date, price_id, token_class)
),
seen AS (SELECT count(*) AS rows FROM compared),
difference AS (
    SELECT compared.tenant_id,
        compared.date || ', price ' || price_id || ', ' || {class_name("token_class")}
            AS subject,
        rolled_quantity || ' for ' || rolled_picos || ' picos' AS expected,
        posted_quantity || ' for ' || posted_picos || ' picos' AS found
    FROM compared
    WHERE (rolled_quantity <> posted_quantity OR rolled_picos <> posted_picos)
        AND NOT EXISTS (
            SELECT FROM usage_changedday changed
            WHERE changed.tenant_id = compared.tenant_id
                AND changed.date = compared.date
        )
)
"""  # noqa: S608 - put together from the constants above

# Side by side: what is posted of a day, and the transaction that posts it.
_BOOKED = f"""
WITH booked AS (
    SELECT transaction.id, transaction.tenant_id, transaction.source,
        transaction.occurred_at,
        coalesce(sum(entry.amount_picos) FILTER (WHERE account.kind = 'accrued'), 0)
            AS accrued,
        coalesce(sum(entry.amount_picos) FILTER (WHERE account.kind = 'revenue'), 0)
            AS revenue,
        count(entry.id) FILTER (
            WHERE coalesce(account.kind, '') NOT IN ('accrued', 'revenue')
        ) AS elsewhere,
        coalesce(string_agg(DISTINCT account.currency, ' '), 'no currency') AS currency
    FROM ledger_transaction transaction
    LEFT JOIN ledger_entry entry ON entry.transaction_id = transaction.id
    LEFT JOIN ledger_account account ON account.id = entry.account_id
    WHERE transaction.kind = 'usage' AND {of_tenant("transaction")}
        AND (%(since)s::timestamptz IS NULL OR transaction.occurred_at > %(since)s)
        AND (%(until)s::timestamptz IS NULL OR transaction.occurred_at <= %(until)s)
    GROUP BY transaction.id
),
posted AS (
    SELECT posting.tenant_id, posting.transaction_id, posting.date,
        posting.charge_picos, posting.booked_on, book.currency, day.ends_at,
        posting.date || ' price ' || posting.price_id || ' '
            || {class_name("posting.token_class")} || ' r' || posting.revision AS source
    FROM ledger_dayposting posting
    LEFT JOIN pricing_price price ON price.id = posting.price_id
    LEFT JOIN pricing_pricebookversion version ON version.id = price.version_id
    LEFT JOIN pricing_pricebook book ON book.id = version.book_id
    LEFT JOIN usage_billingday day ON day.tenant_id = posting.tenant_id
        AND day.date = posting.date
    WHERE {of_tenant("posting")}
),
compared AS (
    SELECT coalesce(posted.tenant_id, booked.tenant_id) AS tenant_id, posted.date,
        coalesce(posted.source, booked.source) AS source,
        'accrued ' || posted.charge_picos || ', revenue ' || -posted.charge_picos
            || ' picos, ' || posted.currency || ', as ' || posted.source AS expected,
        'accrued ' || booked.accrued || ', revenue ' || booked.revenue || ' picos, '
            || booked.currency || ', as ' || booked.source
            || CASE WHEN booked.elsewhere > 0
                THEN ', and ' || booked.elsewhere || ' entries on other accounts'
                ELSE '' END
            || CASE WHEN booked_on IS NULL AND booked.occurred_at <> posted.ends_at
                THEN ', and at ' || booked.occurred_at || ' and not as its day ends'
                WHEN booked_on <> ledger_book_date(booked.tenant_id, booked.occurred_at)
                THEN ', and at ' || booked.occurred_at || ' and not on ' || booked_on
                ELSE '' END AS found
    FROM posted FULL JOIN booked ON booked.id = posted.transaction_id
        AND booked.tenant_id = posted.tenant_id
),
seen AS (SELECT count(*) AS rows FROM compared WHERE {in_window("compared")}),
difference AS (
    SELECT compared.tenant_id, source AS subject,
        coalesce(expected, 'no transaction') AS expected,
        coalesce(found, 'none') AS found
    FROM compared
    WHERE expected IS DISTINCT FROM found
        AND (date IS NULL OR {in_window("compared")})
)
"""  # noqa: S608 - put together from the constants above

DAYS_POSTED = Check(
    name="days_posted",
    proves="The revisions posted of a day add up to its rollup.",
    look="admin:ledger_transaction_changelist",
    run=by_statement(_POSTED),
)
POSTINGS_BOOKED = Check(
    name="postings_booked",
    proves="Every day posting is one transaction, from revenue to accrued.",
    look="admin:ledger_transaction_changelist",
    run=by_statement(_BOOKED),
)
