"""Tell tenants what was refused of theirs, and not which of our gateways counted it."""

from django.db import migrations


class Migration(migrations.Migration):
    """Leave the tenants' role all columns but the gateway's name."""

    dependencies = [("control", "0021_retirement")]
    operations = [
        migrations.RunSQL(
            """
            REVOKE SELECT ON control_refusal FROM tollgate_app;
            GRANT SELECT (
                tenant_id, hour, project_id, api_key_id, model, status, code,
                refused_by, requests, last_at
            ) ON control_refusal TO tollgate_app;
            """,
            """
            REVOKE SELECT ON control_refusal FROM tollgate_app;
            GRANT SELECT ON control_refusal TO tollgate_app;
            """,
        )
    ]
