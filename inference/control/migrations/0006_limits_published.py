"""Limits are published, and those that a tenant has set itself by the tenant.

Its entries are told apart by their key, `tenant:level:holder:tenant`: what operators
have set it can neither change nor withdraw. Whatever the body says, gateways take whose
limits they are from the key.
"""

from django.db import migrations, models

_NEXT = "version = (SELECT version + 1 FROM control_publicationversion WHERE id = 1)"
_OWN_KEY = "body IS NULL OR (body ->> 'tenant_id')::bigint = tenant_id"
_OWN_LIMITS = """
kind = 'limits'
AND key ~ ('^' || tenant_id || ':(tenant|project|api_key):[0-9]+:tenant$')
"""

_KEYS_AND_LIMITS = migrations.RunSQL(
    f"""
    DROP POLICY app_inserts_keys ON control_publication;
    DROP POLICY app_updates_keys ON control_publication;
    CREATE POLICY app_inserts_own ON control_publication AS RESTRICTIVE
        FOR INSERT TO tollgate_app
        WITH CHECK ({_NEXT} AND (kind = 'api_key' AND ({_OWN_KEY}) OR {_OWN_LIMITS}));
    CREATE POLICY app_updates_own ON control_publication AS RESTRICTIVE
        FOR UPDATE TO tollgate_app
        USING (kind = 'api_key' OR {_OWN_LIMITS})
        WITH CHECK ({_NEXT} AND (kind = 'api_key' AND ({_OWN_KEY}) OR {_OWN_LIMITS}));
    """,
    f"""
    DROP POLICY app_inserts_own ON control_publication;
    DROP POLICY app_updates_own ON control_publication;
    CREATE POLICY app_inserts_keys ON control_publication AS RESTRICTIVE
        FOR INSERT TO tollgate_app
        WITH CHECK (kind = 'api_key' AND ({_OWN_KEY}) AND {_NEXT});
    CREATE POLICY app_updates_keys ON control_publication AS RESTRICTIVE
        FOR UPDATE TO tollgate_app
        USING (kind = 'api_key')
        WITH CHECK (kind = 'api_key' AND ({_OWN_KEY}) AND {_NEXT});
    """,
)

# A tenant's own change compares its entry and may not write it: it must differ in
# nothing. Gateways that run read the plan when they start anew, as they must for this.
_PLANS = migrations.RunSQL(
    """
    UPDATE control_publication AS entry
       SET body = body || jsonb_build_object('plan_id', tenant.plan_id)
      FROM tenants_tenant AS tenant
     WHERE entry.kind = 'tenant' AND entry.key = tenant.id::text
       AND entry.body IS NOT NULL
    """,
    "UPDATE control_publication SET body = body - 'plan_id' WHERE kind = 'tenant'",
)


class Migration(migrations.Migration):
    """Let tenants publish their own limits; tell which plan each tenant is on."""

    dependencies = [
        ("control", "0005_publication_rights"),
        ("tenants", "0013_ties"),
    ]
    operations = [
        migrations.AlterField(
            model_name="publication",
            name="kind",
            field=models.CharField(
                choices=[
                    ("api_key", "Api Key"),
                    ("tenant", "Tenant"),
                    ("model", "Model"),
                    ("replica", "Replica"),
                    ("plan", "Plan"),
                    ("limits", "Limits"),
                ],
                max_length=16,
            ),
        ),
        _KEYS_AND_LIMITS,
        _PLANS,
    ]
