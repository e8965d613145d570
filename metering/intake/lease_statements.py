"""The SQL of leases: one call each of the functions that live beside the tables."""

OPEN = """
SELECT number, window_id, starts_us, ends_us FROM budgets_open(
    %(tenants)b::bigint[], %(levels)s::text[], %(holders)s::bigint[],
    %(kinds)s::text[], %(units)s::text[], %(windows)s::text[], %(models)s::text[],
    ARRAY(
        SELECT to_timestamp(instant / 1000000.0)
        FROM unnest(%(instants_us)b::bigint[])
            WITH ORDINALITY AS asked (instant, number)
        ORDER BY asked.number
    )
)
"""

# Amounts travel as text: those of some currencies are larger than a bigint.
GRANT = """
SELECT window_id, granted, in_force, posted, used_elsewhere, until_us
FROM budgets_grant(
    %(epoch_id)s, %(ids)b::bigint[], %(leasts)s::text[]::numeric[],
    %(wants)s::text[]::numeric[]
)
"""

RETURN = """
SELECT budgets_return(%(epoch_id)s, %(ids)b::bigint[], %(amounts)s::text[]::numeric[])
"""

BEAT = """
SELECT window_id, amount, recalled_us FROM budgets_beat(
    %(epoch_id)s, %(ids)b::bigint[], %(amounts)s::text[]::numeric[],
    %(used)s::text[]::numeric[]
)
"""
