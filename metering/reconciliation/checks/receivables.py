"""Checks of what came of issued invoices: payments, credit notes, what was given up.

Failure: none of its own. A currency's minor unit is `kit.money`'s to know, so the
receivable of each tenant is compared here and not in SQL.
"""

from kit.money import picos_from_minor
from kit.orm.atomic import cursor
from metering.reconciliation.checks.check import (
    Check,
    Finding,
    Found,
    Scope,
    Tally,
    by_statement,
    of_tenant,
)

_SETTLED = f"""
WITH invoice AS (
    SELECT invoice.*, amount_minor - paid_minor - credited_minor - written_off_minor
        AS open_minor
    FROM billing_invoice invoice WHERE number IS NOT NULL AND {of_tenant("invoice")}
),
received AS (
    SELECT payment.invoice_id, sum(payment.amount_minor - coalesce(back.minor, 0))
        AS minor
    FROM receivables_payment payment
    LEFT JOIN (
        SELECT payment_id, sum(amount_minor) AS minor FROM receivables_refund GROUP BY 1
    ) back ON back.payment_id = payment.id
    WHERE {of_tenant("payment")} GROUP BY 1
),
noted AS (
    SELECT invoice_id, sum(amount_minor - restored_minor) AS minor
    FROM receivables_creditnote note WHERE {of_tenant("note")} GROUP BY 1
),
given_up AS (
    SELECT invoice_id, sum(amount_minor) AS minor
    FROM receivables_writeoff lost WHERE {of_tenant("lost")} GROUP BY 1
),
seen AS (SELECT count(*) AS rows FROM invoice),
difference AS (
    SELECT tenant_id, number AS subject, 'paid ' || coalesce(received.minor, 0)
            || ', credited ' || coalesce(noted.minor, 0)
            || ', given up ' || coalesce(given_up.minor, 0) AS expected,
        'paid ' || paid_minor || ', credited ' || credited_minor
            || ', given up ' || written_off_minor AS found
    FROM invoice
    LEFT JOIN received ON received.invoice_id = invoice.id
    LEFT JOIN noted ON noted.invoice_id = invoice.id
    LEFT JOIN given_up ON given_up.invoice_id = invoice.id
    WHERE (paid_minor, credited_minor, written_off_minor) IS DISTINCT FROM (
        coalesce(received.minor, 0), coalesce(noted.minor, 0),
        coalesce(given_up.minor, 0))
    UNION ALL
    SELECT tenant_id, number, CASE WHEN open_minor > 0 THEN 'open'
            ELSE 'nothing open' END, state || ' with ' || open_minor || ' open'
    FROM invoice
    WHERE (state = 'open') IS DISTINCT FROM (open_minor > 0) OR state = 'draft'
)
"""  # noqa: S608 - put together from the conditions above

_NOTED = f"""
WITH taken AS (
    SELECT tenant_id, line_id, sum(amount_minor) AS minor
    FROM receivables_creditnoteline taken WHERE {of_tenant("taken")} GROUP BY 1, 2
),
note AS (
    SELECT note.*, coalesce(sum(line.amount_minor), 0) AS lines_minor,
        coalesce(sum(line.amount_minor) FILTER (WHERE line.kind = 'tax'), 0)
            AS lines_tax_minor
    FROM receivables_creditnote note
    LEFT JOIN receivables_creditnoteline line ON line.note_id = note.id
    WHERE {of_tenant("note")} GROUP BY note.id
),
seen AS (
    SELECT (SELECT count(*) FROM taken) + (SELECT count(*) FROM note) AS rows
),
difference AS (
    SELECT taken.tenant_id, 'line ' || line.position || ' of ' || invoice.number
        AS subject, 'at most ' || line.amount_minor AS expected,
        taken.minor || ' taken back' AS found
    FROM taken
    JOIN billing_invoiceline line ON line.id = taken.line_id
    JOIN billing_invoice invoice ON invoice.id = line.invoice_id
    WHERE taken.minor NOT BETWEEN least(line.amount_minor, 0)
        AND greatest(line.amount_minor, 0)
    UNION ALL
    SELECT tenant_id, number, lines_minor || ', of it tax ' || lines_tax_minor,
        amount_minor || ', of it tax ' || tax_minor
    FROM note WHERE (lines_minor, lines_tax_minor) <> (amount_minor, tax_minor)
)
"""  # noqa: S608 - put together from the conditions above

# What is open of a tenant's invoices, and what the ledger says that it owes.
_OPEN = f"""
WITH open AS (
    SELECT tenant_id, currency,
        sum(amount_minor - paid_minor - credited_minor - written_off_minor) AS minor
    FROM billing_invoice invoice WHERE number IS NOT NULL AND {of_tenant("invoice")}
    GROUP BY 1, 2
),
owed AS (
    SELECT account.tenant_id, account.currency, sum(entry.amount_picos) AS picos
    FROM ledger_account account JOIN ledger_entry entry ON entry.account_id = account.id
    WHERE account.kind = 'receivable' AND {of_tenant("account")} GROUP BY 1, 2
)
SELECT tenant_id, currency, coalesce(minor, 0), coalesce(picos, 0)
FROM open FULL JOIN owed USING (tenant_id, currency) ORDER BY 1, 2
"""  # noqa: S608 - put together from the conditions above


def _owed(scope: Scope) -> Finding:
    tally = Tally()
    with cursor() as session:
        session.execute(_OPEN, scope.parameters)
        for tenant_id, currency, minor, picos in session.fetchall():
            due = picos_from_minor(int(minor), currency)
            found = Found(
                tenant_id, f"all in {currency}", f"{due} open", f"{picos} owed"
            )
            tally.add([found] if due != picos else ())
    return tally.finding


INVOICES_SETTLED = Check(
    name="invoices_settled",
    proves="Every issued invoice stands as its payments, notes and write-offs say.",
    look="admin:billing_invoice_changelist",
    run=by_statement(_SETTLED),
)
NOTES_WITHIN_LINES = Check(
    name="notes_within_lines",
    proves="No line is taken back beyond itself; every note is the sum of its lines.",
    look="admin:billing_invoice_changelist",
    run=by_statement(_NOTED),
)
RECEIVABLES_OPEN = Check(
    name="receivables_open",
    proves="What each tenant owes in the ledger is what is open of its invoices.",
    look="admin:billing_invoice_changelist",
    run=_owed,
)
