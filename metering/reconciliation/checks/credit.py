"""Checks of credit: what burned of each grant, as the ledger was told and holds it.

What use took and is not booked yet waits for the next booking, and is no difference.
"""

from metering.reconciliation.checks.check import Check, by_statement, of_tenant

# Of each grant, of each booking, and of all that a tenant still has: three records of
# one thing.
_BOOKED = f"""
WITH credit AS (
    SELECT * FROM ledger_creditgrant credit WHERE {of_tenant("credit")}
),
burn AS (SELECT * FROM ledger_creditburn burn WHERE {of_tenant("burn")}),
burned AS (SELECT grant_id, sum(amount_picos) AS picos FROM burn GROUP BY 1),
moved AS (
    SELECT tenant_id, transaction_id, sum(amount_picos) AS picos FROM burn GROUP BY 1, 2
),
booked AS (
    SELECT made.tenant_id, made.id AS transaction_id, made.source,
        coalesce(sum(entry.amount_picos) FILTER (
            WHERE account.kind IN ('wallet', 'promotional_credit')), 0) AS picos
    FROM ledger_transaction made
    LEFT JOIN ledger_entry entry ON entry.transaction_id = made.id
    LEFT JOIN ledger_account account ON account.id = entry.account_id
    WHERE made.kind = 'burn' AND {of_tenant("made")}
    GROUP BY 1, 2, 3
),
owed AS (
    SELECT account.tenant_id, account.currency, -sum(entry.amount_picos) AS picos
    FROM ledger_account account
    JOIN ledger_entry entry ON entry.account_id = account.id
    WHERE account.kind IN ('wallet', 'promotional_credit') AND {of_tenant("account")}
    GROUP BY 1, 2
),
rest AS (
    SELECT tenant_id, currency,
        sum(amount_picos - booked_picos - expired_picos - reversed_picos) AS picos
    FROM credit GROUP BY 1, 2
),
seen AS (
    SELECT (SELECT count(*) FROM credit) + (SELECT count(*) FROM booked) AS rows
),
difference AS (
    SELECT tenant_id, 'grant ' || id AS subject,
        coalesce(picos, 0) || ' burned' AS expected, booked_picos || ' booked' AS found
    FROM credit LEFT JOIN burned ON burned.grant_id = credit.id
    WHERE booked_picos <> coalesce(picos, 0)
    UNION ALL
    SELECT coalesce(moved.tenant_id, booked.tenant_id),
        coalesce(booked.source, 'transaction ' || transaction_id),
        coalesce(moved.picos, 0) || ' burned',
        coalesce(booked.picos || ' picos', 'no booking')
    FROM moved FULL JOIN booked USING (transaction_id)
    WHERE moved.picos IS DISTINCT FROM booked.picos
    UNION ALL
    SELECT coalesce(rest.tenant_id, owed.tenant_id), 'credit in ' || currency,
        coalesce(rest.picos, 0) || ' left', coalesce(owed.picos, 0) || ' owed'
    FROM rest FULL JOIN owed USING (tenant_id, currency)
    WHERE coalesce(rest.picos, 0) <> coalesce(owed.picos, 0)
)
"""  # noqa: S608 - put together from the conditions above

BURNS_BOOKED = Check(
    name="burns_booked",
    proves="What burned of credit is booked once; what is left of it is what we owe.",
    look="admin:ledger_creditgrant_changelist",
    run=by_statement(_BOOKED),
)
