"""Rows refer to nothing of another tenant, and take nothing from one.

Row-level security looks at a row's own tenant and not at what the row refers to, and a
unique index knows no tenants but those that stand in it.
"""

from django.db import migrations, models

from kit.orm.isolation import tie, tied_to

_PARENTS = (
    "tenants_project",
    "tenants_member",
    "tenants_apikey",
    "tenants_managementtoken",
)
_TIES = (
    ("tenants_apikey", "project_id", "tenants_project"),
    ("tenants_apikey", "member_id", "tenants_member"),
    ("tenants_apikey", "replaces_id", "tenants_apikey"),
    ("tenants_managementtoken", "member_id", "tenants_member"),
    ("tenants_managementtoken", "replaces_id", "tenants_managementtoken"),
    ("tenants_projectmember", "project_id", "tenants_project"),
    ("tenants_projectmember", "member_id", "tenants_member"),
    ("tenants_invitation", "invited_by_id", "tenants_member"),
    *(
        (table, column, parent)
        for table in ("tenants_ratelimit", "tenants_quota", "tenants_budget")
        for column, parent in (
            ("project_id", "tenants_project"),
            ("api_key_id", "tenants_apikey"),
        )
    ),
)
# Under an id that is yet to come it would stop whoever comes to it.
_DETAILS = migrations.RunSQL(
    """
    CREATE POLICY app_details_own ON tenants_auditdetail AS RESTRICTIVE FOR INSERT
        TO tollgate_app WITH CHECK (EXISTS (
            SELECT FROM tenants_auditentry AS entry
             WHERE entry.chain = tenants_auditdetail.tenant_id
               AND entry.id = tenants_auditdetail.entry_id
        ));
    """,
    "DROP POLICY app_details_own ON tenants_auditdetail",
)


class Migration(migrations.Migration):
    """Tie rows to rows of their own tenant."""

    dependencies = [("tenants", "0012_audit_lookups")]
    operations = [
        *(tied_to(parent) for parent in _PARENTS),
        *(tie(table, column, parent) for table, column, parent in _TIES),
        _DETAILS,
        migrations.RemoveConstraint(
            model_name="storedanswer", name="stored_answer_once"
        ),
        migrations.AddConstraint(
            model_name="storedanswer",
            constraint=models.UniqueConstraint(
                fields=("tenant_id", "caller", "key"),
                nulls_distinct=False,
                name="stored_answer_once",
            ),
        ),
    ]
