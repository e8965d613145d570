"""Tenants set their own limits and no others, and see the one plan that holds."""

from django.db import migrations

_TABLES = ("tenants_ratelimit", "tenants_quota", "tenants_budget")
_TENANT = "nullif(current_setting('tollgate.tenant', true), '')::bigint"
_BEFORE = f"""
    is_default OR id IN (SELECT plan_id FROM tenants_tenant WHERE id = {_TENANT})
"""  # noqa: S608
# The default plan is that of a tenant on no other: no business of the rest.
_AFTER = f"""
    EXISTS (
        SELECT FROM tenants_tenant
         WHERE tenants_tenant.id = {_TENANT}
           AND (plan_id = tenants_plan.id
                OR plan_id IS NULL AND tenants_plan.is_default)
    )
"""


def _own_only(table: str) -> migrations.RunSQL:
    """Keep the app role from writing what operators have set, whatever the service."""
    return migrations.RunSQL(
        f"""
        CREATE POLICY app_sets_own ON {table} AS RESTRICTIVE FOR INSERT
            TO tollgate_app WITH CHECK (set_by = 'tenant');
        CREATE POLICY app_changes_own ON {table} AS RESTRICTIVE FOR UPDATE
            TO tollgate_app USING (set_by = 'tenant') WITH CHECK (set_by = 'tenant');
        """,
        f"""
        DROP POLICY app_changes_own ON {table};
        DROP POLICY app_sets_own ON {table};
        """,
    )


class Migration(migrations.Migration):
    """Narrow what the app role may write of limits, and read of plans."""

    dependencies = [("tenants", "0006_limits_until")]
    operations = [
        *(_own_only(table) for table in _TABLES),
        migrations.RunSQL(
            f"ALTER POLICY app_own_plan ON tenants_plan USING ({_AFTER})",
            f"ALTER POLICY app_own_plan ON tenants_plan USING ({_BEFORE})",
        ),
    ]
