"""Merge the parts of which sums of months are made, so that they stay few.

Each posting adds parts, which are read like the rest. Failure: killed anywhere, or run
twice at once, nothing is lost and nothing counts twice: a statement takes parts away
and adds their sum, or does neither. Owns: nothing but how many rows a sum has.
"""

from kit.orm.atomic import cursor

PARTS_MAX = 100_000

# In one order, so that two at once never wait for each other in a ring.
_MERGE = """
    WITH part AS (
        SELECT id FROM {table} WHERE is_part ORDER BY id LIMIT %s
        FOR UPDATE SKIP LOCKED
    ),
    gone AS (
        DELETE FROM {table} it USING part WHERE it.id = part.id RETURNING it.*
    ),
    kept AS (
        INSERT INTO {table} AS it ({key}, {sums}, is_part)
        SELECT {key}, {added}, false FROM gone GROUP BY {key} ORDER BY {key}
        ON CONFLICT ({key}) WHERE NOT is_part DO UPDATE SET {grown}
    )
    SELECT count(*) FROM gone
"""
_SUMS = {
    "ledger_movement": (
        ("tenant_id", "account_id", "kind", "month"),
        ("debited_picos", "credited_picos"),
    ),
    "ledger_posteduse": (
        ("tenant_id", "price_id", "token_class", "month"),
        ("quantity", "charge_picos"),
    ),
}


def merge_months(*, parts_max: int = PARTS_MAX) -> int:
    """Merge up to so many parts of each sum; return how many went in."""
    merged = 0
    with cursor() as session:
        for table, (key, sums) in _SUMS.items():
            statement = _MERGE.format(
                table=table,
                key=", ".join(key),
                sums=", ".join(sums),
                added=", ".join(f"sum({name})" for name in sums),
                grown=", ".join(
                    f"{name} = it.{name} + excluded.{name}" for name in sums
                ),
            )
            session.execute(statement, [parts_max])
            merged += session.fetchone()[0]
    return merged
