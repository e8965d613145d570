"""Say what of each place is used, held and left: by the rows that grants go by, at once.

One statement sees one moment, so the function is stable, and so is what it calls. It
writes nothing: a window that nobody has opened counts what it would be opened with.

And recall the leases of many tenants, as a change of a plan does.
"""

from django.db import migrations

_LIMIT = "budgets_limit(budgets_window, timestamptz, boolean)"
# A grant asks again under its lock all the same: each of its statements sees anew.
_STABLE = migrations.RunSQL(
    f"ALTER FUNCTION {_LIMIT} STABLE", f"ALTER FUNCTION {_LIMIT} VOLATILE"
)

_STANDING = """
CREATE FUNCTION budgets_standing(
    tenant bigint, at timestamptz, levels text[], holders bigint[], kinds text[],
    units text[], windows text[], models text[], hards boolean[]
) RETURNS TABLE (
    number bigint, starts_at timestamptz, ends_at timestamptz, in_force numeric,
    posted numeric, held numeric, leased numeric
) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM budgets_require_own(tenant);
    RETURN QUERY
    WITH asked AS (
        SELECT asked.*, span.starts_at, span.ends_at
        FROM unnest(levels, holders, kinds, units, windows, models, hards)
            WITH ORDINALITY AS asked (
                level, holder_id, kind, unit, "window", model, is_hard, number)
        CROSS JOIN LATERAL budgets_span(tenant, asked."window", at) span
        WHERE span.starts_at IS NOT NULL
    ), placed AS (
        SELECT asked.number, asked.is_hard, opened.id AS opened_id,
            jsonb_populate_record(NULL::budgets_window, to_jsonb(asked)
                || jsonb_build_object('tenant_id', tenant, 'id', opened.id,
                    'posted', opened.posted)) AS place
        FROM asked LEFT JOIN budgets_window opened
            ON (opened.tenant_id, opened.level, opened.holder_id, opened.kind, opened.unit,
                opened."window", opened.model, opened.starts_at)
            = (tenant, asked.level, asked.holder_id, asked.kind, asked.unit,
                asked."window", asked.model, asked.starts_at)
    ), counted AS (
        SELECT placed.number, placed.is_hard, placed.opened_id, placed.place,
            CASE WHEN placed.opened_id IS NULL THEN budgets_used(placed.place)
                ELSE (placed.place).posted END AS posted
        FROM placed
    )
    SELECT counted.number, (counted.place).starts_at, (counted.place).ends_at,
        CASE (counted.place).kind
            WHEN 'credit' THEN credit_allowance(tenant, at, counted.posted)
            ELSE budgets_limit(counted.place, at, counted.is_hard) END,
        counted.posted, coalesce(leases.used, 0), coalesce(leases.amount, 0)
    FROM counted LEFT JOIN LATERAL (
        SELECT sum(lease.used) AS used, sum(lease.amount) AS amount
        FROM budgets_lease lease WHERE lease.window_id = counted.opened_id
    ) leases ON true
    ORDER BY counted.number;
END $$;
"""
_SIGNATURE = (
    "budgets_standing(bigint, timestamptz, text[], bigint[], text[], text[], text[],"
    " text[], boolean[])"
)

# A grant may be of several tenants' windows, which it locks in the order of their ids: so
# the windows of many tenants are locked in it too, before they are recalled one by one.
_RECALL_MANY = """
CREATE FUNCTION budgets_recall_many(tenants bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM 1 FROM budgets_window
    WHERE tenant_id = ANY(tenants) AND ends_at > clock_timestamp()
    ORDER BY id FOR NO KEY UPDATE;
    PERFORM budgets_recall(each) FROM unnest(tenants) AS each;
END $$;
REVOKE ALL ON FUNCTION budgets_recall_many(bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION budgets_recall_many(bigint[]) TO tollgate_operator;
"""


class Migration(migrations.Migration):
    """Put the question beside the rules that it goes by."""

    # Credit's own functions are looked up when it is called.
    dependencies = [("budgets", "0002_rules")]
    operations = [
        _STABLE,
        migrations.RunSQL(
            f"{_STANDING} REVOKE ALL ON FUNCTION {_SIGNATURE} FROM PUBLIC;"
            f" GRANT EXECUTE ON FUNCTION {_SIGNATURE}"
            " TO tollgate_operator, tollgate_app;",
            f"DROP FUNCTION {_SIGNATURE}",
        ),
        migrations.RunSQL(_RECALL_MANY, "DROP FUNCTION budgets_recall_many(bigint[])"),
    ]
