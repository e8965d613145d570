"""Tell tenants in a word how each model does that they may call.

How many replicas there are, and where, is nothing for them: the function answers with
one of four words. An adapter without replicas of its own is served by its base's.
"""

from django.db import migrations

_STATES = migrations.RunSQL(
    """
    CREATE FUNCTION control_model_states(since timestamptz)
    RETURNS TABLE (model_id bigint, state text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
        WITH live AS MATERIALIZED (
            SELECT body -> 'replicas' AS told FROM control_pulse WHERE at > since
        ),
        pool AS (
            SELECT model.id, CASE WHEN model.base_id IS NULL OR EXISTS (
                SELECT FROM control_replica own WHERE own.model_id = model.id
            ) THEN model.id ELSE model.base_id END AS served_by
            FROM control_servedmodel model WHERE model.enabled
        ),
        counted AS (
            SELECT pool.id, count(replica.id) AS expected, count(replica.id) FILTER (
                WHERE EXISTS (
                    SELECT FROM live
                    WHERE live.told -> replica.id::text ->> 'is_up' IN ('true', '1')
                )
            ) AS up
            FROM pool
            LEFT JOIN control_replica replica
                ON replica.model_id = pool.served_by AND replica.state = 'active'
            GROUP BY pool.id
        )
        SELECT id, CASE
            WHEN expected = 0 THEN 'down'
            WHEN NOT EXISTS (SELECT FROM live) THEN 'unknown'
            WHEN up = 0 THEN 'down'
            WHEN up < expected THEN 'degraded'
            ELSE 'ready'
        END FROM counted
    $$;
    REVOKE ALL ON FUNCTION control_model_states(timestamptz) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION control_model_states(timestamptz)
        TO tollgate_app, tollgate_operator;
    """,
    "DROP FUNCTION control_model_states(timestamptz)",
)


class Migration(migrations.Migration):
    """Make the function; tenants and operators may call it."""

    dependencies = [("control", "0017_pulses")]
    operations = [_STATES]
