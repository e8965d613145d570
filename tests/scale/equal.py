"""Whether events, rollups, ledger and invoices say the same, to the pico and token.

Each side is summed by tenant and price by statements of its own, which share nothing
with the product's. Failure: none; what differs is returned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.databases import Database
from tests.scale.events import session

# What each side has of every tenant and price: tokens that are charged, and picos.
_SIDES = {
    "events": """
        SELECT tenant_id, price_id,
            sum(input_tokens + cached_input_tokens + output_tokens) AS tokens,
            sum(charge_picos) AS picos
        FROM usage_event GROUP BY 1, 2
    """,
    "day rollups": """
        SELECT tenant_id, price_id,
            coalesce(sum(quantity) FILTER (WHERE token_class IN (1, 2, 3)), 0),
            sum(charge_picos)
        FROM usage_dayrollup GROUP BY 1, 2
    """,
    "hour rollups": """
        SELECT tenant_id, price_id,
            sum(input_tokens + cached_input_tokens + output_tokens), sum(charge_picos)
        FROM usage_hourrollup GROUP BY 1, 2
    """,
    "hours by key": """
        SELECT tenant_id, price_id,
            sum(input_tokens + cached_input_tokens + output_tokens), sum(charge_picos)
        FROM usage_keyhourrollup GROUP BY 1, 2
    """,
    "postings": """
        SELECT tenant_id, price_id, sum(quantity), sum(charge_picos)
        FROM ledger_dayposting GROUP BY 1, 2
    """,
    "posted use": """
        SELECT tenant_id, price_id, sum(quantity), sum(charge_picos)
        FROM ledger_posteduse GROUP BY 1, 2
    """,
}
# A tenant's accounts: what its use came to, and what of it is not billed.
_BOOKED = """
    SELECT account.tenant_id, sum(-amount_picos) AS picos
    FROM ledger_entry entry
    JOIN ledger_account account ON account.id = entry.account_id
    JOIN ledger_transaction made ON made.id = entry.transaction_id
    WHERE account.kind = 'revenue' AND made.kind = 'usage'
    GROUP BY 1
"""
# What no bill has reached: the postings behind a tenant's last mark, and what burned of
# its credit and no bill shows. The rest of what accrued must be on bills to the pico.
_UNBILLED = """
    WITH mark AS (
        SELECT tenant_id, max(days_to) AS days_to, max(posted_to) AS posted_to
        FROM billing_invoice WHERE days_to IS NOT NULL GROUP BY 1
    ), posted AS (
        SELECT posting.tenant_id, sum(charge_picos) FILTER (
            WHERE mark.days_to IS NULL OR posting.date >= mark.days_to
                OR posting.id > mark.posted_to) AS picos
        FROM ledger_dayposting posting LEFT JOIN mark USING (tenant_id) GROUP BY 1
    ), burned AS (
        SELECT tenant_id, sum(amount_picos) AS picos FROM ledger_creditburn GROUP BY 1
    ), shown AS (
        SELECT tenant_id, sum(amount_picos) AS picos FROM ledger_creditdraw GROUP BY 1
    )
    SELECT tenant_id, coalesce(posted.picos, 0) - coalesce(burned.picos, 0)
        + coalesce(shown.picos, 0) AS picos
    FROM posted FULL JOIN burned USING (tenant_id) FULL JOIN shown USING (tenant_id)
"""
_BALANCE = """
    SELECT account.tenant_id, sum(amount_picos) AS picos
    FROM ledger_entry entry JOIN ledger_account account ON account.id = entry.account_id
    WHERE account.kind = '{kind}' GROUP BY 1
"""
# Where no component took the place of a linear price, lines are the use itself.
_LINES = """
    SELECT tenant_id, price_id, sum(quantity) AS tokens, sum(exact_picos) AS picos
    FROM billing_invoiceline WHERE kind IN ('usage', 'adjustment') GROUP BY 1, 2
"""
_BILLED = """
    WITH mark AS (
        SELECT tenant_id, max(days_to) AS days_to, max(posted_to) AS posted_to
        FROM billing_invoice WHERE days_to IS NOT NULL GROUP BY 1
    )
    SELECT posting.tenant_id, price_id, sum(quantity) AS tokens,
        sum(charge_picos) AS picos
    FROM ledger_dayposting posting JOIN mark USING (tenant_id)
    WHERE posting.date < mark.days_to AND posting.id <= mark.posted_to
        AND NOT EXISTS (SELECT FROM billing_invoiceline line
            WHERE line.tenant_id = posting.tenant_id AND line.kind = 'component')
    GROUP BY 1, 2
"""
_OWED = """
    SELECT tenant_id, sum((amount_minor - paid_minor) * power(10::numeric,
            12 - CASE currency WHEN 'JPY' THEN 0 WHEN 'BHD' THEN 3 ELSE 2 END)) AS picos
    FROM billing_invoice WHERE number IS NOT NULL GROUP BY 1
"""
_SUMMED_BY_MONTH = """
    SELECT count(*) FROM (
        SELECT account_id, made.kind, sum(amount_picos) AS picos
        FROM ledger_entry entry
        JOIN ledger_transaction made ON made.id = entry.transaction_id GROUP BY 1, 2
    ) booked
    FULL JOIN (
        SELECT account_id, kind, sum(debited_picos - credited_picos) AS picos
        FROM ledger_movement GROUP BY 1, 2
    ) moved USING (account_id, kind)
    WHERE coalesce(booked.picos, 0) <> coalesce(moved.picos, 0)
"""
_UNBALANCED = """
    SELECT transaction_id FROM ledger_entry GROUP BY 1 HAVING sum(amount_picos) <> 0
"""


@dataclass(frozen=True, slots=True)
class Books:
    """What all sides come to, and in how many tenants or prices two of them differ."""

    events: int
    picos: int
    lines: int
    invoices: int
    differences: dict[str, int]

    @property
    def agree(self) -> bool:
        """Tell whether no two sides differ anywhere."""
        return not any(self.differences.values())


def compare(database: Database) -> Books:
    """Sum every side, and compare."""
    with session(database) as connection:
        for name, statement in _SIDES.items():
            table = name.replace(" ", "_")
            connection.execute(f"DROP TABLE IF EXISTS scale.{table}_sum".encode())
            connection.execute(
                f"CREATE UNLOGGED TABLE scale.{table}_sum "
                f"(tenant_id, price_id, tokens, picos) AS {statement}".encode()
            )
        differences = {
            f"events and {name}": _one(connection, _differing(name.replace(" ", "_")))
            for name in list(_SIDES)[1:]
        }
        differences["events and revenue"] = _one(
            connection,
            f"""
            SELECT count(*) FROM (
                SELECT tenant_id, sum(picos) AS picos FROM scale.events_sum GROUP BY 1
            ) used FULL JOIN ({_BOOKED}) booked USING (tenant_id)
            WHERE used.picos IS DISTINCT FROM booked.picos
            """,
        )
        accrued, receivable = (
            _BALANCE.format(kind=kind) for kind in ("accrued", "receivable")
        )
        differences["accrued and unbilled"] = _one(
            connection, _unequal(accrued, _UNBILLED)
        )
        differences["receivable and invoices"] = _one(
            connection, _unequal(receivable, _OWED)
        )
        differences["postings and lines"] = _one(
            connection,
            f"""
            SELECT count(*) FROM ({_BILLED}) billed LEFT JOIN ({_LINES}) line
                USING (tenant_id, price_id)
            WHERE (billed.tokens, billed.picos)
                IS DISTINCT FROM (line.tokens, line.picos)
            """,
        )
        differences["entries and sums of months"] = _one(connection, _SUMMED_BY_MONTH)
        differences["transactions that do not sum to zero"] = len(
            connection.execute(_UNBALANCED.encode()).fetchall()
        )
        return Books(
            events=_one(connection, "SELECT count(*) FROM usage_event"),
            picos=_one(connection, "SELECT sum(picos) FROM scale.events_sum"),
            lines=_one(connection, "SELECT count(*) FROM billing_invoiceline"),
            invoices=_one(connection, "SELECT count(*) FROM billing_invoice"),
            differences=differences,
        )


def _unequal(one: str, other: str) -> str:
    """Return a statement that counts the tenants of which two sums differ."""
    return f"""
        SELECT count(*) FROM ({one}) one FULL JOIN ({other}) other USING (tenant_id)
        WHERE coalesce(one.picos, 0) <> coalesce(other.picos, 0)
    """


def _differing(table: str) -> str:
    return f"""
        SELECT count(*) FROM scale.events_sum used
        FULL JOIN scale.{table}_sum other USING (tenant_id, price_id)
        WHERE (used.tokens, used.picos) IS DISTINCT FROM (other.tokens, other.picos)
    """


def _one(connection: psycopg.Connection[Any], statement: str) -> int:
    row: Sequence[Any] | None = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0] or 0)
