"""Keep the dates of an issued invoice, and guard all that it says."""

from django.db import migrations, models

_DATES = """
UPDATE billing_invoice invoice SET
    issued_date = (issued_at AT TIME ZONE tenant.zone)::date,
    due_date = (issued_at AT TIME ZONE tenant.zone)::date + 14
FROM tenants_tenant tenant
WHERE tenant.id = invoice.tenant_id AND invoice.issued_at IS NOT NULL
"""
_GUARD = """
CREATE OR REPLACE FUNCTION billing_number_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changing text[] := ARRAY['state', 'provider_reference', 'hosted_url', 'problem'];
BEGIN
    IF OLD.number IS NOT NULL AND (
        TG_OP = 'DELETE'
        OR to_jsonb(NEW) - changing IS DISTINCT FROM to_jsonb(OLD) - changing
    ) THEN
        RAISE EXCEPTION 'an issued invoice keeps what it says'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
"""


class Migration(migrations.Migration):
    """Add the dates, then guard them."""

    dependencies = [
        ("billing", "0002_isolation"),
        ("tenants", "0001_initial"),
    ]
    operations = [
        migrations.AddField("invoice", "issued_date", models.DateField(null=True)),
        migrations.AddField("invoice", "due_date", models.DateField(null=True)),
        migrations.RunSQL(_DATES, migrations.RunSQL.noop),
        migrations.RunSQL(_GUARD, migrations.RunSQL.noop),
    ]
