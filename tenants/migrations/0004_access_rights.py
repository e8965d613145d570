"""Tenants see and write their own rows; the audit and its details only grow."""

from django.db import migrations

from kit.orm.isolation import append_only, grant, isolate

_WRITE = "SELECT, INSERT, UPDATE"

# Of plans a tenant sees its own and the default one, and what these allow.
_SEEN_PLAN = """
{plan} IN (
    SELECT plan_id FROM tenants_tenant
     WHERE id = nullif(current_setting('tollgate.tenant', true), '')::bigint
)
"""


def _see_plan(table: str) -> migrations.RunSQL:
    seen = "tenant_id IS NULL AND plan_id IN (SELECT id FROM tenants_plan)"
    return migrations.RunSQL(
        f"CREATE POLICY app_own_plan ON {table} FOR SELECT TO tollgate_app USING ({seen})",
        f"DROP POLICY app_own_plan ON {table}",
    )


_ISOLATE_PLANS = migrations.RunSQL(
    f"""
    ALTER TABLE tenants_plan ENABLE ROW LEVEL SECURITY;
    CREATE POLICY app_own_plan ON tenants_plan FOR SELECT TO tollgate_app
        USING (is_default OR {_SEEN_PLAN.format(plan="id")});
    CREATE POLICY operator_all ON tenants_plan TO tollgate_operator
        USING (true) WITH CHECK (true);
    GRANT SELECT ON tenants_plan TO tollgate_app;
    """,
    """
    REVOKE ALL ON tenants_plan FROM tollgate_app;
    DROP POLICY operator_all ON tenants_plan;
    DROP POLICY app_own_plan ON tenants_plan;
    ALTER TABLE tenants_plan DISABLE ROW LEVEL SECURITY;
    """,
)


class Migration(migrations.Migration):
    """Isolate the tables of a tenant, and grant."""

    dependencies = [("tenants", "0003_access"), ("config", "0001_roles")]
    operations = [
        isolate("tenants_member", app=_WRITE),
        isolate("tenants_projectmember", app="SELECT, INSERT, DELETE"),
        isolate("tenants_invitation", app=_WRITE),
        isolate("tenants_managementtoken", app=_WRITE),
        isolate("tenants_keyuse"),
        isolate("tenants_ratelimit", app=_WRITE),
        isolate("tenants_quota", app=_WRITE),
        isolate("tenants_budget", app=_WRITE),
        isolate("tenants_audithead", app=_WRITE),
        isolate("tenants_auditentry", app="SELECT, INSERT"),
        isolate("tenants_auditdetail", app="SELECT, INSERT"),
        isolate("tenants_storedanswer", app=_WRITE),
        append_only("tenants_auditentry"),
        _ISOLATE_PLANS,
        _see_plan("tenants_ratelimit"),
        _see_plan("tenants_quota"),
        _see_plan("tenants_budget"),
        # A tenant says how it is called and where its bills go, not what it is.
        grant(
            "tenants_tenant",
            to="tollgate_app",
            privileges="UPDATE (name, zone, billing_email)",
        ),
    ]
