"""The ledger, invoices and what providers did, each broken once and found."""

import pytest

from tests.databases import Database
from tests.metering.reconciliation.damage import Damage, require_seen

_FIRST = "(SELECT min(id) FROM tenants_tenant)"
_SECOND = "(SELECT max(id) FROM tenants_tenant)"
_POSTED = (
    "(SELECT transaction_id FROM ledger_dayposting WHERE date = '2026-10-02'"
    f" AND token_class = 1 AND tenant_id = {_FIRST})"
)
_INVOICE = f"(SELECT id FROM billing_invoice WHERE tenant_id = {_FIRST})"
_LINE = f"invoice_id = {_INVOICE} AND position = 1"
_LEDGER = (
    Damage(
        "an entry deleted",
        f"DELETE FROM ledger_entry WHERE transaction_id = {_POSTED}"
        " AND amount_picos > 0",
        {"transactions_balanced": 1, "postings_booked": 1, "months_summed": 1},
        "USD: entries that sum to 0 / a sum of -3703701000000",
    ),
    Damage(
        "a transaction emptied",
        f"DELETE FROM ledger_entry WHERE transaction_id = {_POSTED}",
        {"transactions_balanced": 1, "postings_booked": 1, "months_summed": 2},
        "entries that sum to 0 / no entry",
    ),
    Damage(
        "a transaction deleted",
        f"DELETE FROM ledger_transaction WHERE id = {_POSTED}",
        {
            "transactions_balanced": 2,
            "postings_booked": 1,
            "balances_shown": 2,
            "months_summed": 2,
        },
        ": a transaction / none",
    ),
    Damage(
        "an entry given to another tenant",
        f"UPDATE ledger_entry SET tenant_id = {_SECOND}"
        f" WHERE transaction_id = {_POSTED} AND amount_picos > 0",
        {"balances_shown": 1, "transactions_balanced": 1, "months_summed": 2},
        "balances_shown: accrued, USD: 5414805600000 picos / 1711104600000 picos",
    ),
    Damage(
        "money moved aside by a day's transaction",
        "INSERT INTO ledger_account (tenant_id, kind, currency)"
        f" VALUES ({_FIRST}, 'cash', 'USD');"
        " INSERT INTO ledger_entry"
        " (tenant_id, transaction_id, account_id, amount_picos)"
        f" SELECT tenant_id, {_POSTED}, id, CASE kind WHEN 'cash' THEN 5 ELSE -5 END"
        f" FROM ledger_account WHERE tenant_id = {_FIRST}"
        " AND kind IN ('cash', 'receivable')",
        {"postings_booked": 1, "receivables_open": 1, "months_summed": 2},
        " input r1, and 2 entries on other accounts",
    ),
    Damage(
        "a posting put off to where no balance of today sees it",
        "UPDATE ledger_transaction SET occurred_at = '2099-01-01Z'"
        f" WHERE id = {_POSTED}",
        {"postings_booked": 1},
        " input r1, and at 2099-01-01 ",
    ),
    Damage(
        "a source posted twice",
        "ALTER TABLE ledger_transaction DROP CONSTRAINT transaction_source_once;"
        " UPDATE ledger_transaction SET source = (SELECT source FROM"
        f" ledger_transaction WHERE id = {_POSTED} + 1) WHERE id = {_POSTED}",
        {"transactions_unrepeated": 1, "postings_booked": 1},
        ": one transaction / 2 transactions",
    ),
)
_MONTHS = (
    Damage(
        "a month moved more",
        "UPDATE ledger_movement SET debited_picos = debited_picos + 1"
        " WHERE id = (SELECT min(id) FROM ledger_movement)",
        {"months_summed": 1},
        "USD, by usage: ",
    ),
    Damage(
        "a total of months that no tenant moved",
        "INSERT INTO ledger_monthtotal (month, account_kind, currency, kind,"
        " debited_picos, credited_picos)"
        " VALUES ('2026-10-01', 'cash', 'USD', 'payment', 5, 0)",
        {"months_summed": 1},
        "2026-10, cash, USD, by payment: 0 less 0 picos of tenants / 5 less 0 in all",
    ),
    Damage(
        "a month's use lost",
        f"DELETE FROM ledger_posteduse WHERE tenant_id = {_FIRST} AND token_class = 1",
        {"months_summed": 1},
        "price 1, class 1: ",
    ),
)
_INVOICES = (
    Damage(
        "a line changed together with its amount",
        "UPDATE billing_invoiceline SET quantity = quantity + 1,"
        f" exact_picos = exact_picos + unit_picos WHERE {_LINE}",
        {
            "lines_sum_claims": 1,
            "invoices_sum_lines": 1,
            "invoices_booked": 1,
            "invoices_hashed": 1,
        },
        "line 1 of T-2026-000001: 2469134 for 7407402000000 picos / 2469135 for",
    ),
    Damage(
        "a line charged at another price",
        f"UPDATE billing_invoiceline SET unit_picos = 1 WHERE {_LINE}",
        {"lines_rated": 1, "invoices_hashed": 1},
        ": 2469134 at 3000000 make 7407402000000 / 2469134 at 1 make 7407402000000",
    ),
    Damage(
        "a line rounded otherwise",
        f"UPDATE billing_invoiceline SET amount_minor = 742 WHERE {_LINE}",
        {"lines_rounded": 1, "invoices_sum_lines": 1, "invoices_hashed": 1},
        "line 1 of T-2026-000001: 741 minor / 742",
    ),
    Damage(
        "a line reworded",
        f"UPDATE billing_invoiceline SET description = 'other' WHERE {_LINE}",
        {"invoices_hashed": 1},
        "T-2026-000001, its lines: ",
    ),
    Damage(
        "a line deleted",
        f"DELETE FROM billing_invoiceline WHERE {_LINE}",
        {
            "invoices_sum_lines": 1,
            "lines_sum_claims": 1,
            "invoices_booked": 1,
            "invoices_hashed": 1,
        },
        "T-2026-000001: ",
    ),
    Damage(
        "an invoice changed",
        "UPDATE billing_invoice SET amount_minor = amount_minor + 1"
        f" WHERE id = {_INVOICE}",
        {"invoices_booked": 1, "invoices_sum_lines": 1, "receivables_open": 1},
        "receivable 10840000000000 USD, rounding",
    ),
    Damage(
        "a hash changed",
        f"UPDATE billing_invoice SET lines_sha256 = 'x' WHERE id = {_INVOICE}",
        {"invoices_hashed": 2},
        "T-2026-000001, its lines made again: x / ",
    ),
    Damage(
        "an invoice booked as another amount",
        "UPDATE ledger_entry SET amount_picos = amount_picos + CASE account.kind"
        " WHEN 'receivable' THEN 1 WHEN 'rounding' THEN -1 ELSE 0 END"
        " FROM ledger_account account, ledger_transaction transaction"
        " WHERE account.id = account_id AND transaction.id = transaction_id"
        f" AND transaction.kind = 'invoice' AND transaction.tenant_id = {_FIRST}",
        {"invoices_booked": 1, "receivables_open": 1, "months_summed": 2},
        "receivable 10830000000001 USD, rounding",
    ),
    Damage(
        "an invoice booked in another currency",
        "INSERT INTO ledger_account (tenant_id, kind, currency)"
        f" SELECT tenant_id, kind, 'EUR' FROM ledger_account WHERE tenant_id = {_FIRST}"
        " AND kind IN ('accrued', 'receivable', 'rounding');"
        " UPDATE ledger_entry SET account_id = other.id"
        " FROM ledger_account account JOIN ledger_account other"
        " ON other.tenant_id = account.tenant_id AND other.kind = account.kind"
        " AND other.currency = 'EUR', ledger_transaction transaction"
        " WHERE account.id = account_id AND transaction.id = transaction_id"
        f" AND transaction.kind = 'invoice' AND transaction.tenant_id = {_FIRST}",
        {"invoices_booked": 1, "receivables_open": 2, "months_summed": 6},
        "receivable 10830000000000 EUR, rounding",
    ),
    Damage(
        "an invoice not booked",
        "WITH gone AS (DELETE FROM ledger_transaction WHERE kind = 'invoice'"
        f" AND tenant_id = {_FIRST} RETURNING id) DELETE FROM ledger_entry"
        " WHERE transaction_id IN (SELECT id FROM gone)",
        {"invoices_booked": 1, "receivables_open": 1, "months_summed": 3},
        " / no transaction",
    ),
    Damage(
        "a number left out",
        "UPDATE billing_invoice SET number = 'T-2026-000003'"
        " WHERE number = 'T-2026-000002'; UPDATE billing_seller SET last_number = 3",
        {"invoices_numbered": 1},
        "T-2026-000003: number 2 / number 3",
    ),
    Damage(
        "a counter that ran ahead",
        "UPDATE billing_seller SET last_number = 3",
        {"invoices_numbered": 1},
        "the counter: 2 as the last number / 3",
    ),
    Damage(
        "an invoice made a draft again",
        "UPDATE billing_invoice SET number = NULL WHERE number = 'T-2026-000002'",
        {"invoices_booked": 1, "invoices_numbered": 1, "receivables_open": 1},
        ": an issued invoice / none",
    ),
)
_DONE = (
    "INSERT INTO billing_provideroperation (tenant_id, invoice_id, provider, name,"
    " subject, attempt, state, reference, error) SELECT tenant_id, id, 'stripe',"
    " 'finalise', {subject}, 1, {state}, {subject}, '' FROM billing_invoice"
    f" WHERE id = {_INVOICE};"
    " UPDATE billing_invoice SET provider_reference = 'in_1';"
)
_PROVIDERS = (
    Damage(
        "another invoice finalised",
        _DONE.format(subject="'in_2'", state="'succeeded'"),
        {"providers_agree": 1},
        "T-2026-000001, finalise: done for in_1 / done at in_2",
    ),
    Damage(
        "a finalising in doubt behind an open page",
        _DONE.format(subject="'in_1'", state="'unknown'"),
        {"providers_agree": 1},
        "T-2026-000001, finalise: done, since its page is open / unknown",
    ),
    Damage(
        "a draft finalised",
        _DONE.format(subject="'in_1'", state="'succeeded'")
        + f"UPDATE billing_invoice SET number = NULL WHERE id = {_INVOICE};"
        " DELETE FROM billing_seller",
        {"providers_agree": 1, "invoices_booked": 1, "receivables_open": 1},
        "finalise: nothing done for a draft / done at in_1",
    ),
)


@pytest.mark.parametrize("damage", [*_LEDGER, *_MONTHS], ids=str)
def test_damage_to_the_ledger(books: Database, damage: Damage) -> None:
    require_seen(books, damage)


@pytest.mark.parametrize("damage", _INVOICES, ids=str)
def test_damage_to_invoices(books: Database, damage: Damage) -> None:
    require_seen(books, damage)


@pytest.mark.parametrize("damage", _PROVIDERS, ids=str)
def test_damage_at_providers(books: Database, damage: Damage) -> None:
    require_seen(books, damage)
