"""Say which credit a tenant is using: the grants that are not used up, and the newest.

All that it was ever granted only grows. Held against that, what a tenant of years has
left looks like nothing.
"""

from django.db import migrations

_IN_USE = """
CREATE FUNCTION credit_in_use(tenant bigint, at timestamptz, used numeric)
RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(burning.burned + burning.unused), 0)
    FROM ledger_creditgrant it
    JOIN credit_burning(tenant, used) burning ON burning.grant_id = it.id
    WHERE it.tenant_id = tenant AND (it.expires_at IS NULL OR it.expires_at > at)
        AND (burning.unused > 0 OR it.id = (
            SELECT max(id) FROM ledger_creditgrant WHERE tenant_id = tenant
        ))
$$;
"""


class Migration(migrations.Migration):
    """Put the question beside the rules of credit."""

    dependencies = [("ledger", "0005_credit_rules")]
    operations = [
        migrations.RunSQL(
            _IN_USE, "DROP FUNCTION credit_in_use(bigint, timestamptz, numeric)"
        )
    ]
