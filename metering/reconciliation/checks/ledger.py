"""Checks of the books themselves: they balance, and balances are sums of entries."""

import datetime as dt
from collections import defaultdict

from kit.orm.atomic import cursor
from metering.ledger.lock_models import LockedMonth
from metering.ledger.locking import figures_sha256
from metering.ledger.selectors import balances
from metering.reconciliation.checks.check import (
    Check,
    Finding,
    Found,
    Scope,
    Tally,
    by_statement,
    of_tenant,
)

# Whatever was posted, and be it a rehearsal of next year.
_EVER = dt.datetime.max.replace(tzinfo=dt.UTC)

_BALANCED = f"""
WITH entries AS (
    SELECT transaction.id, transaction.tenant_id,
        transaction.kind || ' ' || transaction.source AS name,
        coalesce(account.currency, '') AS currency, count(entry.id) AS entries,
        coalesce(sum(entry.amount_picos), 0) AS picos,
        count(*) FILTER (WHERE entry.tenant_id <> transaction.tenant_id
            OR account.tenant_id <> transaction.tenant_id) AS foreign_entries
    FROM ledger_transaction transaction
    LEFT JOIN ledger_entry entry ON entry.transaction_id = transaction.id
    LEFT JOIN ledger_account account ON account.id = entry.account_id
    WHERE {of_tenant("transaction")}
    GROUP BY transaction.id, account.currency
),
seen AS (SELECT coalesce(sum(entries), 0)::bigint AS rows FROM entries),
difference AS (
    SELECT tenant_id, name || ', ' || currency AS subject,
        'entries that sum to 0' AS expected,
        CASE entries WHEN 0 THEN 'no entry' ELSE 'a sum of ' || picos END AS found
    FROM entries WHERE picos <> 0 OR entries = 0
    UNION ALL
    SELECT tenant_id, name, 'entries of its own tenant',
        foreign_entries || ' of another one'
    FROM entries WHERE foreign_entries > 0
    UNION ALL
    SELECT entry.tenant_id, 'entry ' || entry.id, 'a transaction', 'none'
    FROM ledger_entry entry
    WHERE {of_tenant("entry")} AND NOT EXISTS (
        SELECT FROM ledger_transaction WHERE id = entry.transaction_id
    )
)
"""  # noqa: S608 - put together from the constants above

_UNREPEATED = f"""
WITH source AS (
    SELECT transaction.tenant_id, transaction.kind, transaction.source,
        count(*) AS transactions
    FROM ledger_transaction transaction WHERE {of_tenant("transaction")}
    GROUP BY 1, 2, 3
),
seen AS (SELECT count(*) AS rows FROM source),
difference AS (
    SELECT tenant_id, kind || ' ' || source AS subject, 'one transaction' AS expected,
        transactions || ' transactions' AS found
    FROM source WHERE transactions > 1
)
"""  # noqa: S608 - put together from the constants above

# What pages read of months, by account and kind of transaction; of all tenants' totals
# what is merged of each.
_MONTHS = f"""
WITH booked AS (
    SELECT entry.tenant_id, entry.account_id, transaction.kind,
        sum(entry.amount_picos) AS picos
    FROM ledger_entry entry
    JOIN ledger_transaction transaction ON transaction.id = entry.transaction_id
    WHERE {of_tenant("entry")} GROUP BY 1, 2, 3
),
moved AS (
    SELECT tenant_id, account_id, kind, sum(debited_picos - credited_picos) AS picos
    FROM ledger_movement movement WHERE {of_tenant("movement")} GROUP BY 1, 2, 3
),
sold AS (
    SELECT tenant_id, price_id, token_class, sum(quantity) AS quantity,
        sum(charge_picos) AS picos
    FROM ledger_dayposting posting WHERE {of_tenant("posting")} GROUP BY 1, 2, 3
),
summed AS (
    SELECT tenant_id, price_id, token_class, sum(quantity) AS quantity,
        sum(charge_picos) AS picos
    FROM ledger_posteduse posted WHERE {of_tenant("posted")} GROUP BY 1, 2, 3
),
seen AS (
    SELECT (SELECT count(*) FROM booked) + (SELECT count(*) FROM sold) AS rows
),
difference AS (
    SELECT found.tenant_id,
        account.kind || ', ' || account.currency || ', by ' || found.kind AS subject,
        expected || ' picos in entries' AS expected, shown || ' in months' AS found
    FROM (
        SELECT tenant_id, account_id, kind, coalesce(booked.picos, 0) AS expected,
            coalesce(moved.picos, 0) AS shown
        FROM booked FULL JOIN moved USING (tenant_id, account_id, kind)
    ) AS found
    JOIN ledger_account account ON account.id = found.account_id
    WHERE expected <> shown
    UNION ALL
    SELECT tenant_id, 'price ' || price_id || ', class ' || token_class,
        coalesce(sold.quantity, 0) || ' for ' || coalesce(sold.picos, 0)
            || ' picos in days',
        coalesce(summed.quantity, 0) || ' for ' || coalesce(summed.picos, 0)
            || ' in months'
    FROM sold FULL JOIN summed USING (tenant_id, price_id, token_class)
    WHERE coalesce(sold.quantity, 0) <> coalesce(summed.quantity, 0)
        OR coalesce(sold.picos, 0) <> coalesce(summed.picos, 0)
    UNION ALL
    SELECT NULL, to_char(month, 'YYYY-MM') || ', ' || account_kind || ', ' || currency
            || ', by ' || kind,
        coalesce(merged.debited, 0) || ' less ' || coalesce(merged.credited, 0)
            || ' picos of tenants',
        coalesce(total.debited_picos, 0) || ' less '
            || coalesce(total.credited_picos, 0) || ' in all'
    FROM (
        SELECT movement.month, account.kind AS account_kind, account.currency,
            movement.kind, sum(movement.debited_picos) AS debited,
            sum(movement.credited_picos) AS credited
        FROM ledger_movement movement
        JOIN ledger_account account ON account.id = movement.account_id
        WHERE NOT movement.is_part GROUP BY 1, 2, 3, 4
    ) AS merged
    FULL JOIN ledger_monthtotal total USING (month, account_kind, currency, kind)
    WHERE %(tenant)s::bigint IS NULL
        AND (coalesce(merged.debited, 0), coalesce(merged.credited, 0))
            <> (coalesce(total.debited_picos, 0), coalesce(total.credited_picos, 0))
)
"""  # noqa: S608 - put together from the constants above

_STANDING = f"""
SELECT account.tenant_id, account.kind, account.currency, sum(entry.amount_picos)
FROM ledger_account account
LEFT JOIN ledger_entry entry ON entry.account_id = account.id
WHERE {of_tenant("account")}
GROUP BY account.id ORDER BY account.tenant_id
"""  # noqa: S608 - put together from the constants above


def _balances(scope: Scope) -> Finding:
    """Hold each balance, as everybody is shown it, against its account's entries."""
    standing: dict[int, dict[tuple[str, str], int]] = defaultdict(dict)
    with cursor() as session:
        session.execute(_STANDING, scope.parameters)
        for tenant_id, kind, currency, picos in session.fetchall():
            standing[tenant_id][kind, currency] = int(picos or 0)
    tally = Tally()
    for tenant_id, entries in standing.items():
        shown = {
            (str(kind), currency): money.picos
            for (kind, currency), money in balances(
                tenant_id=tenant_id, at=_EVER
            ).items()
        }
        tally.add(
            (
                Found(
                    tenant_id,
                    f"{kind}, {currency}",
                    f"{entries.get((kind, currency), 0)} picos",
                    f"{shown.get((kind, currency), 0)} picos",
                )
                for kind, currency in sorted(entries.keys() | shown.keys())
                if entries.get((kind, currency), 0) != shown.get((kind, currency), 0)
            ),
            rows=len(entries),
        )
    return tally.finding


def _locked(_: Scope) -> Finding:
    """Hold the figures of each locked month against those it was locked for."""
    tally = Tally()
    held = LockedMonth.objects.filter(reopened_at=None).exclude(figures_sha256="")
    for row in held.order_by("month"):
        found = figures_sha256(row.month)
        differing = [Found(None, f"{row.month:%Y-%m}", row.figures_sha256, found)]
        tally.add(differing if found != row.figures_sha256 else ())
    return tally.finding


TRANSACTIONS_BALANCED = Check(
    name="transactions_balanced",
    proves="The entries of every transaction sum to zero, in each currency.",
    look="admin:ledger_transaction_changelist",
    run=by_statement(_BALANCED),
)
TRANSACTIONS_UNREPEATED = Check(
    name="transactions_unrepeated",
    proves="Every source is posted once.",
    look="admin:ledger_transaction_changelist",
    run=by_statement(_UNREPEATED),
)
BALANCES_SHOWN = Check(
    name="balances_shown",
    proves="Every balance that is shown is the sum of its account's entries.",
    look="admin:ledger_account_changelist",
    run=_balances,
)
MONTHS_SUMMED = Check(
    name="months_summed",
    proves="What months are said to have moved and sold is what was booked in them.",
    look="admin:ledger_transaction_changelist",
    run=by_statement(_MONTHS),
)
LOCKED_MONTHS_STAND = Check(
    name="locked_months_stand",
    proves="Every locked month has the figures that it was locked for.",
    look="admin:ledger_transaction_changelist",
    run=_locked,
    is_of_tenants=False,
)
