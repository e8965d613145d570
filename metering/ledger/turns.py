"""Let one transaction at a time post a tenant's days.

So the numbers of its day postings are committed in their order, and whoever holds the
books may name all that is posted by the last number. Failure: none; who comes second
waits. Owns: nothing.
"""

from collections.abc import Collection

from kit.orm.atomic import cursor

# In the order of the tenants, so that two of many never wait for each other.
_TURN = """
SELECT pg_advisory_xact_lock(hashtextextended('ledger_books', tenant_id))
FROM (SELECT unnest(%s::bigint[]) AS tenant_id ORDER BY 1) AS tenant
"""

_MONTHS = "SELECT pg_advisory_xact_lock_shared(hashtextextended('ledger_months', 0))"


def hold_books(*, tenant_ids: Collection[int]) -> None:
    """Keep others from posting days of these tenants, up to the transaction's end."""
    with cursor() as session:
        session.execute(_TURN, [list(tenant_ids)])


def hold_months() -> None:
    """Keep months from being locked, up to the transaction's end.

    Every posting does by itself; who first looks which are locked does it before.
    """
    with cursor() as session:
        session.execute(_MONTHS)
