"""Let a change of what limits a tenant hold at once, and hold its credit's count still.

Whoever changes a limit recalls in the transaction of the change: grants under way are
waited for, none after it goes by what was before, and gateways give back what is idle.

Failure: none of its own; what is rolled back was never recalled. Owns: nothing.
"""

from collections.abc import Collection

from kit.orm.atomic import cursor

_RECALL = "SELECT budgets_recall(%s)"
_RECALL_MANY = "SELECT budgets_recall_many(%s)"
_OPEN_CREDIT = """
SELECT window_id FROM budgets_open(
    ARRAY[%(tenant)s::bigint], ARRAY['tenant'], ARRAY[%(tenant)s::bigint],
    ARRAY['credit'], ARRAY[''], ARRAY['forever'], ARRAY[''], ARRAY[clock_timestamp()]
)
"""


def recall(*, tenant_ids: Collection[int]) -> None:
    """Ask for what these tenants' leases leave idle, once their grants are through."""
    with cursor() as session:
        if len(tenant_ids) == 1:
            session.execute(_RECALL, list(tenant_ids))
        elif tenant_ids:
            session.execute(_RECALL_MANY, [list(tenant_ids)])


def hold_credit(*, tenant_id: int) -> int:
    """Return what a tenant ever used, in picos, and keep it from moving.

    Until the transaction ends nothing more is posted or granted of the tenant's
    credit. Locks its windows: call it before any row of credit is locked.
    """
    with cursor() as session:
        session.execute(_OPEN_CREDIT, {"tenant": tenant_id})
        (window_id,) = session.fetchone()
    recall(tenant_ids=[tenant_id])
    with cursor() as session:
        session.execute("SELECT posted FROM budgets_window WHERE id = %s", [window_id])
        return int(session.fetchone()[0])
