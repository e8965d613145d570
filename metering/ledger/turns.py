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


def hold_books(*, tenant_ids: Collection[int]) -> None:
    """Keep others from posting days of these tenants, up to the transaction's end."""
    with cursor() as session:
        session.execute(_TURN, [list(tenant_ids)])
