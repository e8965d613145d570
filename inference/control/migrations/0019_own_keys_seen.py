"""Let a tenant see on how many gateways the last change of its own key has arrived.

What gateways say of themselves is nothing for tenants: the function counts them, for a
key of the tenant that asks, and tells two numbers.
"""

from django.db import migrations

_SEEN = migrations.RunSQL(
    """
    CREATE FUNCTION control_own_key_seen(digest text, since timestamptz)
    RETURNS TABLE (seen_by bigint, running bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
        SELECT count(*) FILTER (WHERE (pulse.body ->> 'version')::bigint >= entry.version),
               count(pulse.gateway)
        FROM control_publication entry
        LEFT JOIN control_pulse pulse ON pulse.at > since
        WHERE entry.kind = 'api_key' AND entry.key = digest
            AND entry.tenant_id
                = nullif(current_setting('tollgate.tenant', true), '')::bigint
        GROUP BY entry.version
    $$;
    REVOKE ALL ON FUNCTION control_own_key_seen(text, timestamptz) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION control_own_key_seen(text, timestamptz) TO tollgate_app;
    """,
    "DROP FUNCTION control_own_key_seen(text, timestamptz)",
)


class Migration(migrations.Migration):
    """Make the function; the tenants' role may call it, and nobody else needs it."""

    dependencies = [("control", "0018_model_states")]
    operations = [_SEEN]
